//! Log records into `otel_logs`.

use crate::attributes::{Attributes, List};
use crate::clean::{Cleaner, Limits, Reason};
use crate::column::{Column, Labels, Numbers, Strings};
use crate::facts::{self, hex, FactMaker, Program};
use crate::sink::{put_id, sound, Env, Head, Refused, Sink};
use crate::value::Any;
use crate::wire::{Malformed, Message, Value};

#[derive(Default)]
struct Record<'a> {
    time: u64,
    observed: u64,
    severity_number: i32,
    severity_text: &'a [u8],
    body: Any<'a>,
    attributes: List<'a>,
    flags: u32,
    trace_id: &'a [u8],
    span_id: &'a [u8],
    event_name: &'a [u8],
}

impl<'a> Record<'a> {
    /// Read `message` in place of what was here; the room for attributes is used again.
    fn read(&mut self, message: Message<'a>, limits: &Limits) -> Result<(), Malformed> {
        let mut attributes = std::mem::take(&mut self.attributes);
        attributes.clear();
        *self = Record { attributes, ..Record::default() };
        let mut fields = message.fields();
        while let Some(field) = fields.next()? {
            match field {
                (1, Value::Fixed64(time)) => self.time = time,
                (2, Value::Varint(number)) => self.severity_number = number as i32,
                (3, Value::Bytes(text)) => self.severity_text = text,
                (5, Value::Bytes(bytes)) => self.body.merge(fields.message(bytes))?,
                (6, Value::Bytes(bytes)) => self.attributes.push(fields.message(bytes), limits.attributes)?,
                (8, Value::Fixed32(flags)) => self.flags = flags,
                (9, Value::Bytes(id)) => self.trace_id = id,
                (10, Value::Bytes(id)) => self.span_id = id,
                (11, Value::Fixed64(time)) => self.observed = time,
                (12, Value::Bytes(name)) => self.event_name = name,
                _ => {}
            }
        }
        Ok(())
    }

    /// The record's time, else when it was observed, else when it was received.
    fn timestamp(&self, clean: &mut Cleaner) -> u64 {
        let is_observed = clean.possible(self.observed);
        if self.time == 0 && is_observed {
            return self.observed;
        }
        clean.time(self.time, if is_observed { self.observed } else { clean.received })
    }

    fn severity(&self, clean: &mut Cleaner) -> u8 {
        match self.severity_number {
            number @ 0..=24 => number as u8,
            _ => {
                clean.count(Reason::Enum, 1);
                0
            }
        }
    }
}

/// The columns of `otel_logs`.
#[derive(Default)]
pub struct Logs {
    pub rows: usize,
    timestamp: Numbers,
    trace_id: Strings,
    span_id: Strings,
    flags: Numbers,
    severity_text: Labels,
    severity_number: Numbers,
    service: Labels,
    body: Strings,
    resource_url: Labels,
    resource: Attributes,
    scope_url: Labels,
    scope_name: Strings,
    scope_version: Labels,
    scope: Attributes,
    attributes: Attributes,
    event_name: Strings,
    scratch: Vec<u8>,
}

impl Logs {
    pub fn columns(&mut self) -> Vec<&mut dyn Column> {
        vec![
            &mut self.timestamp,
            &mut self.trace_id,
            &mut self.span_id,
            &mut self.flags,
            &mut self.severity_text,
            &mut self.severity_number,
            &mut self.service,
            &mut self.body,
            &mut self.resource_url,
            &mut self.resource,
            &mut self.scope_url,
            &mut self.scope_name,
            &mut self.scope_version,
            &mut self.scope,
            &mut self.attributes,
            &mut self.event_name,
        ]
    }

    /// Returns the time of the row and the sizes of its event name and its body.
    fn push(&mut self, head: &Head, record: &Record, env: &mut Env) -> (u64, usize, usize) {
        let clean = &mut env.clean;
        self.rows += 1;
        let time = record.timestamp(clean);
        self.timestamp.push(time.to_le_bytes());
        put_id::<16>(&mut self.trace_id, record.trace_id, clean);
        put_id::<8>(&mut self.span_id, record.span_id, clean);
        self.flags.push([record.flags as u8]);
        self.severity_text.push(&clean.name(record.severity_text));
        self.severity_number.push([record.severity(clean)]);
        self.service.push(&head.resource.service);
        let body = record.body.text(clean, &mut self.scratch);
        self.body.push(&body);
        let body = body.len();
        self.resource_url.push(&head.resource_url);
        self.resource.push_shared(&head.resource);
        self.scope_url.push(&head.scope_url);
        self.scope_name.push(&head.scope_name);
        self.scope_version.push(&head.scope_version);
        self.scope.push_shared(&head.scope);
        self.attributes.marks.clear();
        self.attributes.push(&record.attributes, clean);
        let event_name = clean.name(record.event_name);
        self.event_name.push(&event_name);
        (time, event_name.len(), body)
    }

    /// The facts of the record that was pushed last.
    fn push_facts(
        &self,
        head: &Head,
        record: &Record,
        (time, event_name, body): (u64, usize, usize),
        facts: &mut FactMaker,
    ) {
        let (mut trace_id, mut span_id) = ([0; 32], [0; 32]);
        let (event_names, bodies) = (self.event_name.encoded(), self.body.encoded());
        let made = facts::Record {
            time,
            trace_id: hex(sound::<16>(record.trace_id), &mut trace_id),
            span_id: hex(sound::<8>(record.span_id), &mut span_id),
            event_name: &event_names[event_names.len() - event_name..],
            body: &bodies[bodies.len() - body..],
            attributes: &self.attributes,
        };
        facts.record(head, &made);
    }
}

/// Reads log records and, unless it only checks, stores them.
#[derive(Default)]
pub struct Records<'a> {
    pub table: Logs,
    pub items: usize,
    pub facts: Option<FactMaker<'a>>,
    check_only: bool,
    record: Record<'a>,
}

impl<'a> Records<'a> {
    pub fn new(program: Option<&'a Program>) -> Self {
        let mut records = Records { facts: program.map(FactMaker::new), ..Default::default() };
        records.table.attributes.marking = program.is_some();
        records
    }

    pub fn checking() -> Self {
        Records { check_only: true, ..Default::default() }
    }
}

impl<'a> Sink<'a> for Records<'a> {
    const WHOLE_SCOPE: bool = true;

    fn copied(head: &Head) -> usize {
        head.resource.size + head.scope.size + head.scope_name.len()
    }

    fn item(&mut self, head: &Head, item: Message<'a>, env: &mut Env) -> Result<(), Refused> {
        self.record.read(item, env.clean.limits)?;
        self.items += 1;
        if !self.check_only {
            let pushed = self.table.push(head, &self.record, env);
            if let Some(facts) = &mut self.facts {
                self.table.push_facts(head, &self.record, pushed, facts);
            }
        }
        Ok(())
    }
}
