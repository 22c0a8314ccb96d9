//! The dialects' program (`spanruns_schema.dialects.program`), taken over from Python and prepared for reading rows.

use std::collections::HashMap;

use foldhash::fast::RandomState;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use regex::bytes::{Regex, RegexBuilder};

use super::json::Step;
use super::text::{Affix, Between, Patterns};

pub type Map<V> = HashMap<Vec<u8>, V, RandomState>;

/// No dialect, no slot, no list.
pub const NONE: u32 = u32::MAX;

/// Attributes that rules outside the dialects ask for by their keys.
#[derive(Clone, Copy)]
pub enum Special {
    ErrorType,
    Spans,
    Operation,
    Kind,
    StartedAt,
    Parent,
}

pub const SPECIAL_KEYS: [&[u8]; 6] = [
    b"error.type",
    b"spanruns.run.spans",
    b"gen_ai.operation.name",
    b"spanruns.kind",
    b"spanruns.run.started_at",
    b"spanruns.run.parent_span_id",
];

#[derive(FromPyObject)]
struct GivenSource {
    kind: String,
    slot: u32,
    name: Vec<u8>,
    key: Vec<u8>,
    path: Vec<GivenStep>,
}

#[derive(FromPyObject)]
enum GivenStep {
    Number(i64),
    Key(String),
}

#[derive(FromPyObject)]
struct GivenCondition {
    source: Option<GivenSource>,
    patterns: Patterns,
    stripped: Option<Vec<Affix>>,
}

#[derive(FromPyObject)]
struct GivenImplied {
    rule: Vec<GivenCondition>,
    apart: Vec<String>,
    provider: Vec<u8>,
    operation: Vec<u8>,
}

#[derive(FromPyObject)]
struct GivenDialect {
    name: Vec<u8>,
    json_values: bool,
    affixes: Vec<Affix>,
    bare: HashMap<Vec<u8>, u32>,
    roles: Vec<(Vec<u8>, Vec<GivenCondition>)>,
    failed: Vec<Vec<GivenCondition>>,
    implied: Vec<GivenImplied>,
    cancelled: Vec<Vec<GivenCondition>>,
    blamed: Vec<Vec<GivenCondition>>,
    ok_is_default: bool,
    markers: Vec<Vec<GivenCondition>>,
    marker_parent: Vec<GivenSource>,
    fields: HashMap<String, Vec<GivenSource>>,
}

#[derive(FromPyObject)]
struct GivenRows {
    dialects: Vec<GivenDialect>,
    ranks: u32,
    keys: Map<u32>,
    no_values: Vec<Vec<u8>>,
    detected_keys: Map<u32>,
    detected_scopes: Vec<(u32, Patterns)>,
    detected_names: Vec<(u32, Patterns)>,
    operations: Map<Vec<u8>>,
    providers: Map<Vec<u8>>,
}

/// A log record that tells of its span: the first source that has something counts, an attribute's key or `$body`.
#[derive(FromPyObject)]
pub struct ContentRecord {
    pub dialect: Vec<u8>,
    pub message: Vec<u8>,
    pub input: Vec<Vec<u8>>,
    pub output: Vec<Vec<u8>>,
    pub error_type: Vec<Vec<u8>>,
    pub error_message: Vec<Vec<u8>>,
}

#[derive(FromPyObject)]
pub struct Given {
    spans: GivenRows,
    records: GivenRows,
    record_dialect: u32,
    lifecycle: Map<Vec<u8>>,
    contents: Map<ContentRecord>,
    no_contents: Vec<Vec<u8>>,
    content_limit: usize,
    cancelled: String,
    cancelled_text: String,
    control_flow: String,
    internal_tag: String,
    general_types: Vec<Vec<u8>>,
    no_models: Vec<Vec<u8>>,
    model_place: String,
    stack: String,
    type_in_message: String,
    text_after_type: String,
}

/// Where a value of a row is.
pub enum Source {
    Slot(usize),
    /// What stands at `path`; of that what is between two texts, if there are any.
    Inside {
        slot: usize,
        path: Vec<Step>,
        between: Option<Box<Between>>,
    },
    /// Number among `RowProgram::resources`.
    Resource(usize),
    /// Number among `RowProgram::prefixes`.
    Prefix(usize),
    Event {
        name: Vec<u8>,
        key: Vec<u8>,
        last: bool,
    },
    SpanName,
    OwnName,
    Scope,
    ScopeVersion,
    Status,
    StatusMessage,
}

/// Where a row has something: what is not there need not be asked.
#[derive(Default)]
pub struct Places {
    /// A bit for each slot.
    pub slots: Vec<u64>,
    /// By number of a prefix and of a resource's attribute, a bit.
    pub prefixes: u64,
    pub resources: u64,
    pub events: bool,
    pub status_message: bool,
    /// The names of span and scope, and its status.
    pub names: bool,
}

impl Places {
    pub fn put_slot(&mut self, slot: usize) {
        let word = slot / u64::BITS as usize;
        if word >= self.slots.len() {
            self.slots.resize(word + 1, 0);
        }
        self.slots[word] |= 1 << (slot % u64::BITS as usize);
    }

    fn put(&mut self, source: &Source) {
        match source {
            Source::Slot(slot) | Source::Inside { slot, .. } => self.put_slot(*slot),
            Source::Prefix(number) => self.prefixes |= 1 << number,
            Source::Resource(number) => self.resources |= 1 << number,
            Source::Event { .. } => self.events = true,
            Source::StatusMessage => self.status_message = true,
            Source::SpanName | Source::OwnName | Source::Scope | Source::ScopeVersion | Source::Status => {
                self.names = true;
            }
        }
    }

    /// Whether `source` may have something.
    #[inline]
    pub fn has(&self, source: &Source) -> bool {
        match source {
            Source::Slot(slot) | Source::Inside { slot, .. } => {
                let word = self.slots.get(slot / u64::BITS as usize).copied().unwrap_or(0);
                word >> (slot % u64::BITS as usize) & 1 != 0
            }
            Source::Prefix(number) => self.prefixes >> number & 1 != 0,
            Source::Resource(number) => self.resources >> number & 1 != 0,
            Source::Event { .. } => self.events,
            Source::StatusMessage => self.status_message,
            Source::SpanName | Source::OwnName | Source::Scope | Source::ScopeVersion | Source::Status => {
                self.names
            }
        }
    }

    #[inline]
    fn overlap(&self, other: &Places) -> bool {
        self.slots.iter().zip(&other.slots).any(|(here, there)| here & there != 0)
            || self.prefixes & other.prefixes != 0
            || self.resources & other.resources != 0
            || (self.events && other.events)
            || (self.status_message && other.status_message)
            || (self.names && other.names)
    }
}

/// The sources of a field; the first that is not empty counts.
pub struct Sources {
    list: Vec<Source>,
    places: Places,
}

impl Sources {
    fn new(list: Vec<Source>) -> Self {
        let mut places = Places::default();
        list.iter().for_each(|source| places.put(source));
        Sources { list, places }
    }

    /// Those that may have something in a row that has something in these places.
    #[inline]
    pub fn within<'s>(&'s self, here: &'s Places) -> impl Iterator<Item = &'s Source> {
        let list = if self.places.overlap(here) { self.list.as_slice() } else { &[] };
        list.iter().filter(|source| here.has(source))
    }
}

/// Whether a value (without a source always empty) matches, or is the span's name without what is stripped.
pub struct Condition {
    pub source: Option<Source>,
    pub patterns: Patterns,
    pub stripped: Option<Vec<Affix>>,
}

/// Conditions that must all be met.
pub type Rule = Vec<Condition>;

/// What a span is.
#[derive(Clone, Copy, PartialEq)]
pub enum Role {
    None,
    Run,
    Agent,
    Workflow,
    Chain,
    Step,
    Tool,
    Shadow,
    Model,
    Ignored,
}

macro_rules! fields {
    ($($name:ident)*) => {
        pub struct Fields { $(pub $name: Sources,)* }

        impl Fields {
            fn new(mut given: HashMap<String, Vec<GivenSource>>, names: &mut Names) -> PyResult<Self> {
                Ok(Fields { $($name: names.sources(given.remove(stringify!($name)).unwrap_or_default())?,)* })
            }
        }
    };
}

fields! {
    agent_name workflow_name agent_id agent_version tool_name tool_call_id tool_type arguments result operation model
    requested_model provider response_id time_to_first_chunk_s time_to_first_chunk_ms input output input_tokens output_tokens cache_read_tokens cache_write_tokens
    reasoning_tokens audio_input_tokens audio_output_tokens audio_cache_read_tokens image_input_tokens image_output_tokens
    image_cache_read_tokens total_tokens
    cost_usd session_id user_id tags workspace environment error_type error_message run_id
    parent_run_id run_kind trigger trigger_detail run_status queued_at waiting_ms waiting_for parameters
    rows_processed progress_done progress_total dry_run sla_ms spans_reported heartbeat_interval_ms
}

/// What a row that meets the rule does not say itself: fields that its sums leave apart; its provider and its operation, if not empty.
pub struct Implied {
    pub rule: Rule,
    pub apart: Vec<String>,
    pub provider: Vec<u8>,
    pub operation: Vec<u8>,
}

/// How rows of one dialect are read.
pub struct Dialect {
    pub name: Vec<u8>,
    pub json_values: bool,
    pub affixes: Vec<Affix>,
    pub roles: Vec<(Role, Rule)>,
    pub failed: Vec<Rule>,
    pub implied: Vec<Implied>,
    pub cancelled: Vec<Rule>,
    pub blamed: Vec<Rule>,
    pub ok_is_default: bool,
    pub markers: Vec<Rule>,
    pub marker_parent: Sources,
    pub fields: Fields,
}

/// What is known of an attribute's key.
#[derive(Clone, Copy)]
pub struct KeyInfo {
    /// The dialect that it shows.
    pub detected: u32,
    /// Slot and rank; 0 for none.
    pub rank: u32,
    /// The list among `RowProgram::bare` of those who read it although it has no dot.
    pub bare: u32,
    /// By number of a prefix, a bit.
    pub prefixes: u64,
    /// The number among `SPECIAL_KEYS`.
    pub special: Option<u8>,
}

/// How rows of one table are read.
pub struct RowProgram {
    /// In the order in which they are tried, the base last.
    pub dialects: Vec<Dialect>,
    pub ranks: u32,
    pub slots: usize,
    /// Values that say nothing.
    pub no_values: Vec<Vec<u8>>,
    pub bare: Vec<Vec<(u32, u32)>>,
    pub operations: Map<Vec<u8>>,
    pub providers: Map<Vec<u8>>,
    pub resources: Vec<Vec<u8>>,
    pub prefixes: Vec<Vec<u8>>,
    keys: Map<u32>,
    bare_keys: Map<u32>,
    detected_keys: Map<u32>,
    detected_scopes: Vec<(u32, Patterns)>,
    detected_names: Vec<(u32, Patterns)>,
}

/// How spans are read, and log records of the life cycle; what other records hold of their spans, by the name of the event.
pub struct Program {
    pub spans: RowProgram,
    pub records: RowProgram,
    pub record_dialect: u32,
    pub lifecycle: Map<Vec<u8>>,
    pub contents: Map<ContentRecord>,
    pub no_contents: Vec<Vec<u8>>,
    pub content_limit: usize,
    pub cancelled: Regex,
    pub cancelled_text: Regex,
    pub control_flow: Regex,
    pub internal_tag: Regex,
    pub general_types: Vec<Vec<u8>>,
    pub no_models: Vec<Vec<u8>>,
    pub model_place: Regex,
    pub stack: Regex,
    pub type_in_message: Regex,
    pub text_after_type: Regex,
}

impl Program {
    pub fn new(given: Given) -> PyResult<Self> {
        let program = Program {
            spans: RowProgram::new(given.spans)?,
            records: RowProgram::new(given.records)?,
            record_dialect: given.record_dialect,
            lifecycle: given.lifecycle,
            contents: given.contents,
            no_contents: given.no_contents,
            content_limit: given.content_limit,
            cancelled: regex(&given.cancelled)?,
            cancelled_text: regex(&given.cancelled_text)?,
            control_flow: regex(&given.control_flow)?,
            internal_tag: regex(&given.internal_tag)?,
            general_types: given.general_types,
            no_models: given.no_models,
            model_place: regex(&given.model_place)?,
            stack: regex(&given.stack)?,
            type_in_message: regex(&given.type_in_message)?,
            text_after_type: regex(&given.text_after_type)?,
        };
        match program.records.dialects.get(program.record_dialect as usize) {
            Some(_) => Ok(program),
            None => Err(PyValueError::new_err("no dialect for records")),
        }
    }
}

impl RowProgram {
    fn new(given: GivenRows) -> PyResult<Self> {
        let mut names = Names::default();
        let mut bare: Vec<Vec<(u32, u32)>> = Vec::new();
        let mut bare_keys = Map::default();
        let mut dialects = Vec::new();
        for (number, mut dialect) in (0..).zip(given.dialects) {
            for (key, rank) in dialect.bare.drain() {
                let list = *bare_keys.entry(key).or_insert(bare.len() as u32) as usize;
                if list == bare.len() {
                    bare.push(Vec::new());
                }
                bare[list].push((number, rank));
                names.highest_slot = names.highest_slot.max((rank / given.ranks.max(1)) as usize);
            }
            dialects.push(Dialect::new(dialect, &mut names)?);
        }
        if dialects.is_empty() || given.ranks == 0 {
            return Err(PyValueError::new_err("a program without dialects or ranks"));
        }
        let ranked = given.keys.values().map(|rank| (rank / given.ranks) as usize).max().unwrap_or(0);
        Ok(RowProgram {
            dialects,
            ranks: given.ranks,
            slots: names.highest_slot.max(ranked) + 1,
            no_values: given.no_values,
            bare,
            operations: given.operations,
            providers: given.providers,
            resources: names.resources,
            prefixes: names.prefixes,
            keys: given.keys,
            bare_keys,
            detected_keys: given.detected_keys,
            detected_scopes: given.detected_scopes,
            detected_names: given.detected_names,
        })
    }

    pub fn base(&self) -> u32 {
        self.dialects.len() as u32 - 1
    }

    pub fn key(&self, key: &[u8]) -> KeyInfo {
        let prefixes = self.prefixes.iter().enumerate().filter(|(_, prefix)| key.starts_with(prefix));
        KeyInfo {
            detected: self.detected_keys.get(key).copied().unwrap_or(NONE),
            rank: self.keys.get(key).copied().unwrap_or(0),
            bare: self.bare_keys.get(key).copied().unwrap_or(NONE),
            prefixes: prefixes.fold(0, |bits, (number, _)| bits | 1 << number),
            special: SPECIAL_KEYS.iter().position(|special| *special == key).map(|number| number as u8),
        }
    }

    /// The first dialect that a scope of this name shows.
    pub fn by_scope(&self, scope: &[u8]) -> u32 {
        first_match(&self.detected_scopes, scope)
    }

    /// The first dialect that a span of this name shows.
    pub fn by_name(&self, name: &[u8]) -> u32 {
        first_match(&self.detected_names, name)
    }
}

fn first_match(detected: &[(u32, Patterns)], value: &[u8]) -> u32 {
    detected.iter().find(|(_, patterns)| patterns.matches(value)).map_or(NONE, |(number, _)| *number)
}

impl Dialect {
    fn new(given: GivenDialect, names: &mut Names) -> PyResult<Self> {
        let roles = given.roles.into_iter().map(|(name, rule)| Ok((role(&name)?, names.rule(rule)?)));
        let roles = roles.collect::<PyResult<_>>()?;
        let rules = |rules: Vec<_>, names: &mut Names| {
            rules.into_iter().map(|rule| names.rule(rule)).collect::<PyResult<Vec<_>>>()
        };
        Ok(Dialect {
            name: given.name,
            json_values: given.json_values,
            affixes: given.affixes,
            roles,
            failed: rules(given.failed, names)?,
            implied: given.implied.into_iter().map(|said| names.implied(said)).collect::<PyResult<_>>()?,
            cancelled: rules(given.cancelled, names)?,
            blamed: rules(given.blamed, names)?,
            ok_is_default: given.ok_is_default,
            markers: rules(given.markers, names)?,
            marker_parent: names.sources(given.marker_parent)?,
            fields: Fields::new(given.fields, names)?,
        })
    }
}

/// Names that are looked up by number, collected from the sources.
#[derive(Default)]
struct Names {
    resources: Vec<Vec<u8>>,
    prefixes: Vec<Vec<u8>>,
    highest_slot: usize,
}

impl Names {
    fn sources(&mut self, given: Vec<GivenSource>) -> PyResult<Sources> {
        let list = given.into_iter().map(|source| self.source(source));
        Ok(Sources::new(list.collect::<PyResult<_>>()?))
    }

    fn rule(&mut self, given: Vec<GivenCondition>) -> PyResult<Rule> {
        let conditions = given.into_iter().map(|condition| {
            Ok(Condition {
                source: condition.source.map(|source| self.source(source)).transpose()?,
                patterns: condition.patterns,
                stripped: condition.stripped,
            })
        });
        conditions.collect()
    }

    fn implied(&mut self, given: GivenImplied) -> PyResult<Implied> {
        let GivenImplied { rule, apart, provider, operation } = given;
        Ok(Implied { rule: self.rule(rule)?, apart, provider, operation })
    }

    fn source(&mut self, given: GivenSource) -> PyResult<Source> {
        let slot = given.slot as usize;
        Ok(match given.kind.as_str() {
            "slot" => Source::Slot(self.slot(slot)),
            "inside" => Source::Inside {
                slot: self.slot(slot),
                path: given.path.into_iter().map(GivenStep::step).collect(),
                between: Between::new(&given.name, given.key).map(Box::new),
            },
            "resource" => Source::Resource(number(&mut self.resources, given.name)?),
            "prefix" => Source::Prefix(number(&mut self.prefixes, given.name)?),
            "event" => Source::Event { name: given.name, key: given.key, last: false },
            "last_event" => Source::Event { name: given.name, key: given.key, last: true },
            "span_name" => Source::SpanName,
            "own_name" => Source::OwnName,
            "scope" => Source::Scope,
            "scope_version" => Source::ScopeVersion,
            "status" => Source::Status,
            "status_message" => Source::StatusMessage,
            kind => return Err(PyValueError::new_err(format!("no such source: {kind}"))),
        })
    }

    fn slot(&mut self, slot: usize) -> usize {
        self.highest_slot = self.highest_slot.max(slot);
        slot
    }
}

impl GivenStep {
    fn step(self) -> Step {
        match self {
            GivenStep::Number(number) => Step::Number(number),
            GivenStep::Key(key) => Step::Key(key.into_bytes()),
        }
    }
}

fn number(names: &mut Vec<Vec<u8>>, name: Vec<u8>) -> PyResult<usize> {
    let known = names.iter().position(|known| *known == name);
    if known.is_none() {
        names.push(name);
    }
    match known.unwrap_or(names.len() - 1) {
        number if number < u64::BITS as usize => Ok(number),
        _ => Err(PyValueError::new_err("more prefixes or resources than there are bits")),
    }
}

fn role(name: &[u8]) -> PyResult<Role> {
    Ok(match name {
        b"" => Role::None,
        b"run" => Role::Run,
        b"agent" => Role::Agent,
        b"workflow" => Role::Workflow,
        b"chain" => Role::Chain,
        b"step" => Role::Step,
        b"tool" => Role::Tool,
        b"shadow" => Role::Shadow,
        b"model" => Role::Model,
        b"ignored" => Role::Ignored,
        _ => return Err(PyValueError::new_err("no such role")),
    })
}

/// Letters and digits are ASCII's, as in Python's expressions over bytes.
fn regex(expression: &str) -> PyResult<Regex> {
    let built = RegexBuilder::new(expression).unicode(false).build();
    built.map_err(|error| PyValueError::new_err(format!("{error}")))
}
