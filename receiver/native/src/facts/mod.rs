//! Rows of `span_facts` from the rows just decoded: `spanruns_receiver.facts.rows`, compiled.
//!
//! What the dialects' keys mean comes as a program from Python; no dialect is known here.

mod columns;
mod json;
mod numbers;
mod program;
mod row;
mod text;

use std::borrow::Cow;

pub use columns::{Facts, NAMES};
pub use program::{Given, Program};
pub use row::{Events, Texts};

use crate::attributes::Attributes;
use crate::column::{Dictionary, HEX};
use crate::sink::Head;
use columns::{Fact, Text};
use program::{ContentRecord, Implied, Role, Special};
use row::{Reader, Row};
use text::{crc32, cut, find};

const TRACEBACKS: [&[u8]; 2] = [b"Traceback (most recent call last):", b"\n\nNoneType: None"];
const SPACE: &[u8] = b" \t\n\r\x0c";
const NOT_SPECIFIED: &[u8] = b"<not specified>";
const RUN_ID_BYTES: usize = 64;
/// A trace id and a span id in hex, with a byte between them.
const REFERENCE_BYTES: usize = 49;
const RECORD_BYTES: usize = 256;
/// Bytes of facts that one byte of a log record may become, about.
const MOST_COPIES: usize = 64;

/// A span as its row in `otel_traces` has it.
pub struct Span<'r> {
    pub trace_id: &'r [u8],
    pub span_id: &'r [u8],
    pub parent_id: &'r [u8],
    pub start: u64,
    pub end: u64,
    pub kind: &'static [u8],
    pub code: &'static [u8],
    /// Number among `names`.
    pub name: u32,
    pub names: &'r Dictionary,
    pub status_message: &'r [u8],
    pub attributes: &'r Attributes,
    pub events: Events<'r>,
}

/// A log record as its row in `otel_logs` has it.
pub struct Record<'r> {
    pub time: u64,
    pub trace_id: &'r [u8],
    pub span_id: &'r [u8],
    pub event_name: &'r [u8],
    pub body: &'r [u8],
    pub attributes: &'r Attributes,
}

/// Makes facts of one batch.
pub struct FactMaker<'p> {
    pub facts: Facts,
    program: &'p Program,
    spans: Reader<'p>,
    records: Reader<'p>,
}

impl<'p> FactMaker<'p> {
    pub fn new(program: &'p Program) -> Self {
        let (spans, records) = (Reader::new(&program.spans), Reader::new(&program.records));
        FactMaker { facts: Facts::default(), program, spans, records }
    }

    /// The fact of a span.
    pub fn span(&mut self, head: &Head, span: &Span) {
        let program = self.program;
        let dialect = self.spans.by_name(head, span.names, span.name);
        let texts = Texts {
            span_name: span.names.get(span.name),
            scope: &head.scope_name,
            scope_version: &head.scope_version,
            status: match span.code {
                b"Ok" => b"ok",
                b"Error" => b"error",
                _ => b"unset",
            },
            status_message: span.status_message,
            events: (!span.events.numbers.is_empty()).then_some(span.events),
        };
        let row = self.spans.read(head, span.attributes, dialect, texts);
        let maker = Maker { program, row: &row, fields: &row.dialect.fields };
        let marker = row.meets_any(&row.dialect.markers);
        let started = microseconds(span.start);
        let mut fact = Fact {
            parent_span_id: Cow::Borrowed(span.parent_id),
            started_at: started,
            is_entry: matches!(span.kind, b"Server" | b"Consumer"),
            ended_at: microseconds(span.end),
            scope: &head.scope_name,
            service_name: &head.resource.service,
            ..Fact::default()
        };
        maker.fill(&mut fact, role(&row), span.parent_id);
        maker.outcome(&mut fact, span.code);
        let mut span_id = span.span_id;
        if marker {
            span_id = span.parent_id;
            let parent = row.first(&row.dialect.marker_parent);
            let is_root = parent.iter().all(|&digit| digit == b'0');
            fact.parent_span_id = if is_root { Cow::Borrowed(b"") } else { parent };
            (fact.event, fact.event_at, fact.ended_at) = (b"started", started, 0);
        }
        self.facts.push(span.trace_id, span_id, &fact, program.content_limit);
    }

    /// The facts of a record of the life cycle, or of one that holds contents of its span; none of another one.
    pub fn record(&mut self, head: &Head, record: &Record) {
        let program = self.program;
        let name = match attribute(record.attributes, b"event.name") {
            b"" => record.event_name,
            name => name,
        };
        if let Some(held) = program.contents.get(name) {
            return self.contents(head, record, held);
        }
        let Some(event) = program.lifecycle.get(name) else {
            return;
        };
        let row = self.records.read(head, record.attributes, program.record_dialect, Texts::default());
        let listed = row.special(Special::Spans);
        let own = [record.trace_id, b"-", record.span_id].concat();
        let mut document = json::Document::default();
        let references = if listed.is_empty() {
            vec![Cow::Borrowed(own.as_slice())]
        } else {
            document.parse(listed);
            document.strings(listed)
        };
        // What the record says itself is copied for each, so a large one stands for fewer.
        let size = RECORD_BYTES + row.size() - listed.len();
        let most = MOST_COPIES * (size + listed.len()) / size;
        let mut references = references.iter().filter(|it| it.len() == REFERENCE_BYTES).take(most).peekable();
        if references.peek().is_none() {
            return;
        }
        let fact = Maker { program, row: &row, fields: &row.dialect.fields }.of_record(head, record, event);
        for reference in references {
            let (trace_id, span_id) =
                (reference[..32].to_ascii_lowercase(), reference[33..].to_ascii_lowercase());
            self.facts.push(&trace_id, &span_id, &fact, program.content_limit);
        }
    }

    /// What a record tells of its span: it hangs below that, and is known by what it says.
    fn contents(&mut self, head: &Head, record: &Record, held: &ContentRecord) {
        let program = self.program;
        let first = |sources: &[Vec<u8>]| {
            let mut values = sources.iter().map(|source| match source.as_slice() {
                b"$body" => record.body,
                key => attribute(record.attributes, key),
            });
            let is_said = |value: &&[u8]| !program.no_contents.iter().any(|none| none == value);
            values.find(is_said).unwrap_or(b"")
        };
        let (input, output) = (first(&held.input), first(&held.output));
        let (error_type, error_message) = (first(&held.error_type), first(&held.error_message));
        let parts = [input, output, error_type, error_message];
        let is_placed = record.trace_id.len() == 32 && record.span_id.len() == 16;
        if !is_placed || parts.iter().all(|part| part.is_empty()) {
            return;
        }
        let at = microseconds(record.time);
        let fact = Fact {
            parent_span_id: Cow::Borrowed(record.span_id),
            event: b"content",
            event_at: at,
            started_at: at,
            dialect: &held.dialect,
            name: Cow::Borrowed(&held.message),
            service_name: &head.resource.service,
            input: Cow::Borrowed(input),
            output: Cow::Borrowed(output),
            error_type: Cow::Borrowed(error_type),
            error_message: Cow::Borrowed(cut(error_message, program.content_limit)),
            ..Fact::default()
        };
        let said = format!("-{}", crc32(&parts));
        let span_id = [record.span_id, said.as_bytes()].concat();
        self.facts.push(record.trace_id, &span_id, &fact, program.content_limit);
    }
}

/// The value of an attribute of the row that was pushed last.
fn attribute<'r>(attributes: &'r Attributes, key: &[u8]) -> &'r [u8] {
    let found = attributes.marks.iter().find(|mark| attributes.keys().get(mark.key) == key);
    found.map_or(b"", |mark| &attributes.bytes()[mark.start..mark.end])
}

fn role(row: &Row) -> Role {
    let found = row.dialect.roles.iter().find(|(_, rule)| row.meets(rule));
    found.map_or(Role::None, |(role, _)| *role)
}

impl Role {
    fn name(self) -> &'static [u8] {
        match self {
            Role::None => b"",
            Role::Run => b"run",
            Role::Agent => b"agent",
            Role::Workflow => b"workflow",
            Role::Chain => b"chain",
            Role::Step => b"step",
            Role::Tool | Role::Shadow => b"tool",
            Role::Model => b"model",
            Role::Ignored => b"ignored",
        }
    }

    fn is_run(self) -> bool {
        matches!(self, Role::Run | Role::Agent | Role::Workflow | Role::Chain)
    }

    fn is_tool(self) -> bool {
        matches!(self, Role::Tool | Role::Shadow)
    }
}

/// Fills a fact from a row.
struct Maker<'m, 'r> {
    program: &'m Program,
    row: &'m Row<'r>,
    fields: &'r program::Fields,
}

impl<'r> Maker<'_, 'r> {
    fn of_record(&self, head: &'r Head, record: &Record, event: &'r [u8]) -> Fact<'r> {
        let row = self.row;
        let is_workflow =
            row.special(Special::Operation) == b"invoke_workflow" && row.special(Special::Kind).is_empty();
        let parent_id = row.special(Special::Parent);
        let started = numbers::signed(row.special(Special::StartedAt)).filter(|&started| started > 0);
        let mut fact = Fact {
            parent_span_id: Cow::Borrowed(parent_id),
            event,
            event_at: microseconds(record.time),
            started_at: started.map_or(microseconds(record.time), |started| started / 1000),
            service_name: &head.resource.service,
            ..Fact::default()
        };
        self.fill(&mut fact, if is_workflow { Role::Workflow } else { Role::Run }, parent_id);
        fact
    }

    /// What spans and lifecycle records have in common.
    fn fill(&self, fact: &mut Fact<'r>, role: Role, parent_id: &[u8]) {
        let (row, fields, dialect) = (self.row, self.fields, self.row.dialect);
        let uses = role.is_run() || role == Role::Model;
        // A root may turn out to be a run.
        let holds = uses || (role == Role::None && parent_id.is_empty());
        fact.dialect = &dialect.name;
        fact.role = role.name();
        fact.is_shadow = role == Role::Shadow;
        fact.name = json::string(self.name(role));
        fact.environment = row.first(&fields.environment);
        fact.workspace = row.first(&fields.workspace);
        fact.session_id = row.first(&fields.session_id);
        fact.user_id = row.first(&fields.user_id);
        if holds {
            fact.input = row.first(&fields.input);
            fact.output = row.first(&fields.output);
        } else if role.is_tool() {
            fact.input = row.first(&fields.arguments);
            fact.output = row.first(&fields.result);
        }
        if role.is_run() {
            self.run(fact);
        }
        if role.is_tool() {
            fact.tool_call_id = specified(row.first(&fields.tool_call_id));
            fact.tool_type = row.first(&fields.tool_type);
        }
        if role == Role::Model {
            self.model(fact);
        }
        if uses {
            self.usage(fact);
        }
    }

    fn name(&self, role: Role) -> Text<'r> {
        let sources = match role {
            Role::Run | Role::Agent => &self.fields.agent_name,
            Role::Workflow | Role::Chain => &self.fields.workflow_name,
            Role::Tool | Role::Shadow => &self.fields.tool_name,
            Role::Model => &self.fields.model,
            Role::Step => return Cow::Borrowed(b""),
            Role::None | Role::Ignored => return Cow::Borrowed(self.row.texts.span_name),
        };
        let name = self.row.first(sources);
        if role != Role::Model {
            return name;
        }
        if !self.is_no_model(&name) {
            return self.placeless(name);
        }
        match self.row.first(&self.fields.requested_model) {
            unknown if self.is_no_model(&unknown) => Cow::Borrowed(b""),
            requested => self.placeless(requested),
        }
    }

    /// A model's name without the place where it is kept.
    fn placeless<'t>(&self, model: Text<'t>) -> Text<'t> {
        match self.program.model_place.find(&model).map(|place| place.end()) {
            Some(end) => Cow::Owned(model[end..].to_vec()),
            None => model,
        }
    }

    fn is_no_model(&self, name: &[u8]) -> bool {
        self.program.no_models.iter().any(|unknown| unknown == name)
    }

    fn run(&self, fact: &mut Fact<'r>) {
        let (row, fields) = (self.row, self.fields);
        fact.run_id = limited(row.first(&fields.run_id));
        fact.parent_run_id = limited(row.first(&fields.parent_run_id));
        fact.run_kind = row.first(&fields.run_kind);
        fact.agent_id = row.first(&fields.agent_id);
        fact.agent_version = row.first(&fields.agent_version);
        fact.trigger = row.first(&fields.trigger);
        fact.trigger_detail = row.first(&fields.trigger_detail);
        fact.queued_at = numbers::signed(&row.first(&fields.queued_at)).unwrap_or(0) / 1000;
        let waiting = numbers::double(&row.first(&fields.waiting_ms)).unwrap_or(0.0);
        fact.waiting_ms = if waiting <= 0.0 { 0.0 } else { waiting };
        fact.tags = self.tags(row.first(&fields.tags));
        fact.parameters = row.first(&fields.parameters);
        fact.rows_processed = numbers::signed(&row.first(&fields.rows_processed));
        fact.progress_done = numbers::signed(&row.first(&fields.progress_done));
        fact.progress_total = numbers::signed(&row.first(&fields.progress_total));
        fact.dry_run = *row.first(&fields.dry_run) == *b"true";
        fact.sla_ms = numbers::double(&row.first(&fields.sla_ms));
        fact.spans_reported = numbers::unsigned(&row.first(&fields.spans_reported));
        let interval = numbers::unsigned(&row.first(&fields.heartbeat_interval_ms));
        fact.heartbeat_interval_ms = interval.and_then(|interval| u32::try_from(interval).ok()).unwrap_or(0);
        fact.waiting_for = row.first(&fields.waiting_for);
    }

    fn model(&self, fact: &mut Fact<'r>) {
        let (row, fields) = (self.row, self.fields);
        let words = self.row.words();
        let implied = |word: fn(&Implied) -> &[u8]| {
            let mut said = row.dialect.implied.iter().filter(|said| !word(said).is_empty());
            said.find(|said| row.meets(&said.rule)).map(|said| Cow::Borrowed(word(said)))
        };
        fact.operation = implied(|said| &said.operation).unwrap_or_else(|| {
            let said = row.first(&fields.operation);
            match words.operations.get(&*said) {
                _ if said.is_empty() => Cow::Borrowed(b"chat"),
                Some(name) => Cow::Borrowed(name),
                None => said,
            }
        });
        fact.provider = implied(|said| &said.provider).unwrap_or_else(|| {
            let provider = lower(json::string(row.first(&fields.provider)));
            words.providers.get(&*provider).map_or(provider, |name| Cow::Borrowed(name))
        });
        fact.response_id = row.first(&fields.response_id);
        let seconds = numbers::double(&row.first(&fields.time_to_first_chunk_s));
        let milliseconds = || numbers::double(&row.first(&fields.time_to_first_chunk_ms));
        fact.time_to_first_chunk_ms = seconds.map(|seconds| seconds * 1000.0).or_else(milliseconds);
    }

    fn usage(&self, fact: &mut Fact<'r>) {
        let (row, fields) = (self.row, self.fields);
        let tokens = |sources| numbers::tokens(&row.first(sources));
        fact.cache_read_tokens = tokens(&fields.cache_read_tokens);
        fact.cache_write_tokens = tokens(&fields.cache_write_tokens);
        fact.reasoning_tokens = tokens(&fields.reasoning_tokens);
        fact.audio_input_tokens = tokens(&fields.audio_input_tokens);
        fact.audio_output_tokens = tokens(&fields.audio_output_tokens);
        fact.audio_cache_read_tokens = tokens(&fields.audio_cache_read_tokens);
        fact.image_input_tokens = tokens(&fields.image_input_tokens);
        fact.image_output_tokens = tokens(&fields.image_output_tokens);
        fact.image_cache_read_tokens = tokens(&fields.image_cache_read_tokens);
        fact.cost_usd = numbers::double(&row.first(&fields.cost_usd));
        let implied = row.dialect.implied.iter().filter(|said| !said.apart.is_empty());
        let met: Vec<_> = implied.filter(|said| row.meets(&said.rule)).collect();
        let is_apart = |field: &str| met.iter().any(|said| said.apart.iter().any(|apart| apart == field));
        let apart = |field, tokens| if is_apart(field) { tokens } else { 0 };
        fact.input_tokens = tokens(&fields.input_tokens)
            .wrapping_add(apart("cache_read_tokens", fact.cache_read_tokens))
            .wrapping_add(apart("cache_write_tokens", fact.cache_write_tokens))
            .wrapping_add(apart("audio_input_tokens", fact.audio_input_tokens));
        fact.output_tokens = tokens(&fields.output_tokens)
            .wrapping_add(apart("reasoning_tokens", fact.reasoning_tokens))
            .wrapping_add(apart("audio_output_tokens", fact.audio_output_tokens));
        if is_apart("untold_tokens") {
            let told = fact.input_tokens.wrapping_add(fact.output_tokens);
            let untold = tokens(&fields.total_tokens).saturating_sub(told);
            fact.output_tokens = fact.output_tokens.wrapping_add(untold);
            fact.reasoning_tokens = fact.reasoning_tokens.max(untold);
        }
    }

    /// A JSON array or a comma-separated list.
    fn tags(&self, text: Text<'r>) -> Vec<Text<'r>> {
        if text.is_empty() {
            return Vec::new();
        }
        let mut tags: Vec<Text<'r>> = if text.starts_with(b"[") {
            let mut document = json::Document::default();
            document.parse(&text);
            document.strings(&text).into_iter().map(|tag| Cow::Owned(tag.into_owned())).collect()
        } else {
            text.split(|&byte| byte == b',').map(|tag| Cow::Owned(trimmed(tag).to_vec())).collect()
        };
        tags.retain(|tag| !self.program.internal_tag.is_match(tag));
        tags
    }

    fn outcome(&self, fact: &mut Fact<'r>, code: &[u8]) {
        let (row, fields) = (self.row, self.fields);
        let (kind, message) = self.error();
        let said_failed = row.meets_any(&row.dialect.failed);
        let blamed = || row.meets_any(&row.dialect.blamed);
        let is_error = code == b"Error" && !blamed();
        let said_cancelled = !is_error && row.meets_any(&row.dialect.cancelled);
        let ok = code == b"Ok" && !said_failed && !said_cancelled && !row.dialect.ok_is_default;
        let cancelled = !ok
            && (said_cancelled
                || !kind.is_empty() && self.program.cancelled.is_match(&kind)
                || !message.is_empty() && self.program.cancelled_text.is_match(&message));
        let failed = (is_error
            || said_failed
            || (!ok && !row.special(Special::ErrorType).is_empty() && !blamed()))
            && !(self.program.control_flow.is_match(&kind) || self.program.control_flow.is_match(&message));
        let said = row.first(&fields.run_status);
        fact.status = match () {
            _ if !said.is_empty() => said,
            _ if cancelled => Cow::Borrowed(b"cancelled"),
            _ if failed => Cow::Borrowed(b"failed"),
            _ if ok => Cow::Borrowed(b"success"),
            _ => Cow::Borrowed(b""),
        };
        if failed || cancelled {
            fact.error_type = if kind.is_empty() && !cancelled { Cow::Borrowed(b"_OTHER") } else { kind };
            fact.error_message = message;
        }
    }

    /// Type and message. Frames glued to the message are not the message, nor is that a type; one may stand in front of it only.
    fn error(&self) -> (Text<'r>, Text<'r>) {
        let mut kind = self.row.first(&self.fields.error_type);
        let mut message = self.row.first(&self.fields.error_message);
        if kind == message && kind.contains(&b' ') {
            kind = Cow::Borrowed(b"");
        }
        if let Some(at) = TRACEBACKS.iter().filter_map(|text| find(&message, text, 1)).min() {
            let spaces = message[..at].iter().rev().take_while(|byte| SPACE.contains(byte)).count();
            message = shortened(message, (at - spaces).max(1));
        }
        let said =
            self.program.stack.captures(&message).and_then(|found| found.get(1)).map(|said| said.range());
        if let Some(said) = said {
            message = Cow::Owned(message[said].to_vec());
        }
        let size = cut(&message, self.program.content_limit).len();
        message = shortened(message, size);
        if message.is_empty() || !self.program.general_types.iter().any(|general| **general == *kind) {
            return (kind, message);
        }
        let Some(found) = self.program.type_in_message.captures(&message).and_then(|found| found.get(1))
        else {
            return (kind, message);
        };
        let kind = found.as_bytes().to_vec();
        let Some(found) = self.program.text_after_type.captures(&message) else {
            return (Cow::Owned(kind), message);
        };
        let part = |number| found.get(number).map_or(&b""[..], |part| part.as_bytes());
        let text = [part(1), part(2)].concat();
        (Cow::Owned(kind), Cow::Owned(text))
    }
}

fn microseconds(nanoseconds: u64) -> i64 {
    (nanoseconds / 1000) as i64
}

/// The first `size` bytes.
fn shortened(text: Text, size: usize) -> Text {
    match text {
        Cow::Borrowed(text) => Cow::Borrowed(&text[..size]),
        Cow::Owned(mut text) => {
            text.truncate(size);
            Cow::Owned(text)
        }
    }
}

fn limited(id: Text) -> Text {
    let size = id.len().min(RUN_ID_BYTES);
    shortened(id, size)
}

fn lower(text: Text) -> Text {
    match text.iter().any(u8::is_ascii_uppercase) {
        true => Cow::Owned(text.to_ascii_lowercase()),
        false => text,
    }
}

fn trimmed(tag: &[u8]) -> &[u8] {
    let is_space = |byte: &&u8| **byte == b' ';
    let tag = &tag[tag.iter().take_while(is_space).count()..];
    &tag[..tag.len() - tag.iter().rev().take_while(is_space).count()]
}

/// An id without what one framework puts where it has none.
fn specified(id: Text) -> Text {
    match find(&id, NOT_SPECIFIED, 0) {
        Some(at) => Cow::Owned([&id[..at], &id[at + NOT_SPECIFIED.len()..]].concat()),
        None => id,
    }
}

/// A trace or span id in hex; empty for none.
pub fn hex<'h>(id: &[u8], room: &'h mut [u8; 32]) -> &'h [u8] {
    for (pair, byte) in room.chunks_exact_mut(2).zip(id) {
        pair.copy_from_slice(&[HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
    }
    &room[..2 * id.len().min(16)]
}
