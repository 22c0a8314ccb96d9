//! Spans into `otel_traces`.

use crate::attributes::{Attributes, List};
use crate::clean::Limits;
use crate::column::{Array, Column, Labels, Numbers, Strings};
use crate::facts::{self, hex, Events, FactMaker, Program};
use crate::sink::{push, put_id, sound, Env, Head, Refused, Sink};
use crate::wire::{Malformed, Message, Value};

const KINDS: [&str; 6] = ["Unspecified", "Internal", "Server", "Client", "Producer", "Consumer"];
const STATUS_CODES: [&str; 3] = ["Unset", "Ok", "Error"];

/// Why a span cannot be stored, in the order of `Spans::rejected`.
pub const REJECTIONS: [&str; 4] =
    ["trace id is not 16 bytes", "trace id is zero", "span id is not 8 bytes", "span id is zero"];

#[derive(Default)]
struct Span<'a> {
    trace_id: &'a [u8],
    span_id: &'a [u8],
    trace_state: &'a [u8],
    parent_span_id: &'a [u8],
    name: &'a [u8],
    kind: i32,
    start: u64,
    end: u64,
    attributes: List<'a>,
    events: Vec<Event<'a>>,
    links: Vec<Link<'a>>,
    status_message: &'a [u8],
    status_code: i32,
}

#[derive(Default)]
struct Event<'a> {
    time: u64,
    name: &'a [u8],
    attributes: List<'a>,
}

#[derive(Default)]
struct Link<'a> {
    trace_id: &'a [u8],
    span_id: &'a [u8],
    trace_state: &'a [u8],
    attributes: List<'a>,
}

impl<'a> Span<'a> {
    /// Read `message` in place of what was here; the room for attributes is used again.
    fn read(&mut self, message: Message<'a>, limits: &Limits) -> Result<(), Refused> {
        let mut attributes = std::mem::take(&mut self.attributes);
        attributes.clear();
        *self = Span { attributes, ..Span::default() };
        let mut fields = message.fields();
        while let Some(field) = fields.next()? {
            match field {
                (1, Value::Bytes(id)) => self.trace_id = id,
                (2, Value::Bytes(id)) => self.span_id = id,
                (3, Value::Bytes(state)) => self.trace_state = state,
                (4, Value::Bytes(id)) => self.parent_span_id = id,
                (5, Value::Bytes(name)) => self.name = name,
                (6, Value::Varint(kind)) => self.kind = kind as i32,
                (7, Value::Fixed64(time)) => self.start = time,
                (8, Value::Fixed64(time)) => self.end = time,
                (9, Value::Bytes(bytes)) => self.attributes.push(fields.message(bytes), limits.attributes)?,
                (11, Value::Bytes(bytes)) => {
                    push(&mut self.events, Event::parse(fields.message(bytes), limits)?, limits)?;
                }
                (13, Value::Bytes(bytes)) => {
                    push(&mut self.links, Link::parse(fields.message(bytes), limits)?, limits)?;
                }
                (15, Value::Bytes(bytes)) => self.read_status(fields.message(bytes))?,
                _ => {}
            }
        }
        Ok(())
    }

    fn read_status(&mut self, message: Message<'a>) -> Result<(), Malformed> {
        let mut fields = message.fields();
        while let Some(field) = fields.next()? {
            match field {
                (2, Value::Bytes(text)) => self.status_message = text,
                (3, Value::Varint(code)) => self.status_code = code as i32,
                _ => {}
            }
        }
        Ok(())
    }

    /// The number of the reason why this span has no identity.
    fn rejection(&self) -> Option<usize> {
        let zero = |id: &[u8]| id.iter().all(|&byte| byte == 0);
        match self {
            _ if self.trace_id.len() != 16 => Some(0),
            _ if zero(self.trace_id) => Some(1),
            _ if self.span_id.len() != 8 => Some(2),
            _ if zero(self.span_id) => Some(3),
            _ => None,
        }
    }
}

impl<'a> Event<'a> {
    fn parse(message: Message<'a>, limits: &Limits) -> Result<Self, Malformed> {
        let mut event = Event::default();
        let mut fields = message.fields();
        while let Some(field) = fields.next()? {
            match field {
                (1, Value::Fixed64(time)) => event.time = time,
                (2, Value::Bytes(name)) => event.name = name,
                (3, Value::Bytes(bytes)) => {
                    event.attributes.push(fields.message(bytes), limits.attributes)?
                }
                _ => {}
            }
        }
        Ok(event)
    }
}

impl<'a> Link<'a> {
    fn parse(message: Message<'a>, limits: &Limits) -> Result<Self, Malformed> {
        let mut link = Link::default();
        let mut fields = message.fields();
        while let Some(field) = fields.next()? {
            match field {
                (1, Value::Bytes(id)) => link.trace_id = id,
                (2, Value::Bytes(id)) => link.span_id = id,
                (3, Value::Bytes(state)) => link.trace_state = state,
                (4, Value::Bytes(bytes)) => link.attributes.push(fields.message(bytes), limits.attributes)?,
                _ => {}
            }
        }
        Ok(link)
    }
}

/// The columns of `otel_traces`.
#[derive(Default)]
pub struct Traces {
    pub rows: usize,
    timestamp: Numbers,
    trace_id: Strings,
    span_id: Strings,
    parent_span_id: Strings,
    trace_state: Strings,
    name: Labels,
    kind: Labels,
    service: Labels,
    resource: Attributes,
    scope_name: Strings,
    scope_version: Strings,
    attributes: Attributes,
    duration: Numbers,
    status_code: Labels,
    status_message: Strings,
    event_timestamp: Array<Numbers>,
    event_name: Array<Labels>,
    event_attributes: Array<Attributes>,
    link_trace_id: Array<Strings>,
    link_span_id: Array<Strings>,
    link_trace_state: Array<Strings>,
    link_attributes: Array<Attributes>,
    /// Of the last row, where each event's attributes end among the marks.
    event_ends: Vec<usize>,
}

/// What became of the last span that was pushed.
struct Pushed {
    start: u64,
    end: u64,
    kind: &'static [u8],
    code: &'static [u8],
    status_message: usize,
}

impl Traces {
    pub fn columns(&mut self) -> Vec<&mut dyn Column> {
        vec![
            &mut self.timestamp,
            &mut self.trace_id,
            &mut self.span_id,
            &mut self.parent_span_id,
            &mut self.trace_state,
            &mut self.name,
            &mut self.kind,
            &mut self.service,
            &mut self.resource,
            &mut self.scope_name,
            &mut self.scope_version,
            &mut self.attributes,
            &mut self.duration,
            &mut self.status_code,
            &mut self.status_message,
            &mut self.event_timestamp,
            &mut self.event_name,
            &mut self.event_attributes,
            &mut self.link_trace_id,
            &mut self.link_span_id,
            &mut self.link_trace_state,
            &mut self.link_attributes,
        ]
    }

    /// Have the rows' attributes marked, for facts to be made of them.
    fn mark(&mut self) {
        self.attributes.marking = true;
        self.event_attributes.items.marking = true;
    }

    fn push(&mut self, head: &Head, span: &Span, env: &mut Env) -> Pushed {
        let clean = &mut env.clean;
        let (start, end) = clean.times(span.start, span.end);
        let (kind, code);
        self.rows += 1;
        self.timestamp.push(start.to_le_bytes());
        put_id::<16>(&mut self.trace_id, span.trace_id, clean);
        put_id::<8>(&mut self.span_id, span.span_id, clean);
        put_id::<8>(&mut self.parent_span_id, span.parent_span_id, clean);
        self.trace_state.push(&clean.text(span.trace_state));
        self.name.push(&clean.name(span.name));
        kind = clean.label(&KINDS, span.kind);
        self.kind.push(kind);
        self.service.push(&head.resource.service);
        self.resource.push_shared(&head.resource);
        self.scope_name.push(&head.scope_name);
        self.scope_version.push(&head.scope_version);
        self.attributes.marks.clear();
        self.attributes.push(&span.attributes, clean);
        self.duration.push((end - start).to_le_bytes());
        code = clean.label(&STATUS_CODES, span.status_code);
        self.status_code.push(code);
        let status_message = clean.text(span.status_message);
        self.status_message.push(&status_message);
        let status_message = status_message.len();
        self.push_events(&span.events, start, env);
        self.push_links(&span.links, env);
        Pushed { start, end, kind, code, status_message }
    }

    /// The fact of the span that was pushed last.
    fn push_fact(&self, head: &Head, span: &Span, pushed: &Pushed, facts: &mut FactMaker) {
        let (mut trace_id, mut span_id, mut parent_id) = ([0; 32], [0; 32], [0; 32]);
        let messages = self.status_message.encoded();
        let events = span.events.len();
        let event_names = &self.event_name.items;
        facts.span(
            head,
            &facts::Span {
                trace_id: hex(span.trace_id, &mut trace_id),
                span_id: hex(span.span_id, &mut span_id),
                parent_id: hex(sound::<8>(span.parent_span_id), &mut parent_id),
                start: pushed.start,
                end: pushed.end,
                kind: pushed.kind,
                code: pushed.code,
                name: self.name.indexes[self.rows - 1],
                names: &self.name.dictionary,
                status_message: &messages[messages.len() - pushed.status_message..],
                attributes: &self.attributes,
                events: Events {
                    names: &event_names.dictionary,
                    numbers: &event_names.indexes[event_names.indexes.len() - events..],
                    attributes: &self.event_attributes.items,
                    ends: &self.event_ends,
                },
            },
        );
    }

    fn push_events(&mut self, events: &[Event], start: u64, env: &mut Env) {
        let clean = &mut env.clean;
        self.event_attributes.items.marks.clear();
        self.event_ends.clear();
        for event in events {
            self.event_timestamp.items.push(clean.time(event.time, start).to_le_bytes());
            self.event_name.items.push(&clean.name(event.name));
            self.event_attributes.items.push(&event.attributes, clean);
            self.event_ends.push(self.event_attributes.items.marks.len());
        }
        self.event_timestamp.end(events.len());
        self.event_name.end(events.len());
        self.event_attributes.end(events.len());
    }

    fn push_links(&mut self, links: &[Link], env: &mut Env) {
        let clean = &mut env.clean;
        for link in links {
            put_id::<16>(&mut self.link_trace_id.items, link.trace_id, clean);
            put_id::<8>(&mut self.link_span_id.items, link.span_id, clean);
            self.link_trace_state.items.push(&clean.text(link.trace_state));
            self.link_attributes.items.push(&link.attributes, clean);
        }
        self.link_trace_id.end(links.len());
        self.link_span_id.end(links.len());
        self.link_trace_state.end(links.len());
        self.link_attributes.end(links.len());
    }
}

/// Reads spans, keeps those that can be stored (unless it only checks), counts the others.
#[derive(Default)]
pub struct Spans<'a> {
    pub table: Traces,
    pub rejected: [u64; REJECTIONS.len()],
    pub items: usize,
    pub facts: Option<FactMaker<'a>>,
    check_only: bool,
    span: Span<'a>,
}

impl<'a> Spans<'a> {
    pub fn new(program: Option<&'a Program>) -> Self {
        let mut spans = Spans { facts: program.map(FactMaker::new), ..Default::default() };
        if program.is_some() {
            spans.table.mark();
        }
        spans
    }

    pub fn checking() -> Self {
        Spans { check_only: true, ..Default::default() }
    }
}

impl<'a> Sink<'a> for Spans<'a> {
    const WHOLE_SCOPE: bool = false;

    fn copied(head: &Head) -> usize {
        head.resource.size + head.scope_name.len() + head.scope_version.len()
    }

    fn item(&mut self, head: &Head, item: Message<'a>, env: &mut Env) -> Result<(), Refused> {
        self.span.read(item, env.clean.limits)?;
        env.items(self.span.events.len() + self.span.links.len())?;
        self.items += 1;
        match self.span.rejection() {
            Some(reason) => self.rejected[reason] += 1,
            None if self.check_only => {}
            None => {
                let pushed = self.table.push(head, &self.span, env);
                if let Some(facts) = &mut self.facts {
                    self.table.push_fact(head, &self.span, &pushed, facts);
                }
            }
        }
        Ok(())
    }
}
