//! The columns of `span_facts` that a writer fills, and the fact that becomes a row of them.

use std::borrow::Cow;

use crate::column::{Array, Column, Labels, Numbers, Optional, Strings};

pub type Text<'r> = Cow<'r, [u8]>;

/// One row; times are unix µs.
#[derive(Default)]
pub struct Fact<'r> {
    pub parent_span_id: Text<'r>,
    pub event: &'r [u8],
    pub event_at: i64,
    pub started_at: i64,
    pub ended_at: i64,
    pub dialect: &'r [u8],
    pub scope: &'r [u8],
    pub role: &'r [u8],
    pub is_shadow: bool,
    pub is_entry: bool,
    pub name: Text<'r>,
    pub service_name: &'r [u8],
    pub environment: Text<'r>,
    pub workspace: Text<'r>,
    pub run_id: Text<'r>,
    pub parent_run_id: Text<'r>,
    pub run_kind: Text<'r>,
    pub agent_id: Text<'r>,
    pub agent_version: Text<'r>,
    pub trigger: Text<'r>,
    pub trigger_detail: Text<'r>,
    pub status: Text<'r>,
    pub queued_at: i64,
    pub waiting_ms: f64,
    pub session_id: Text<'r>,
    pub user_id: Text<'r>,
    pub tags: Vec<Text<'r>>,
    pub parameters: Text<'r>,
    pub rows_processed: Option<i64>,
    pub progress_done: Option<i64>,
    pub progress_total: Option<i64>,
    pub dry_run: bool,
    pub sla_ms: Option<f64>,
    pub spans_reported: Option<u64>,
    pub heartbeat_interval_ms: u32,
    pub waiting_for: Text<'r>,
    pub tool_call_id: Text<'r>,
    pub tool_type: Text<'r>,
    pub operation: Text<'r>,
    pub provider: Text<'r>,
    pub response_id: Text<'r>,
    pub time_to_first_chunk_ms: Option<f64>,
    pub input_tokens: u64,
    pub output_tokens: u64,
    pub cache_read_tokens: u64,
    pub cache_write_tokens: u64,
    pub reasoning_tokens: u64,
    pub audio_input_tokens: u64,
    pub audio_output_tokens: u64,
    pub audio_cache_read_tokens: u64,
    pub image_input_tokens: u64,
    pub image_output_tokens: u64,
    pub image_cache_read_tokens: u64,
    pub cost_usd: Option<f64>,
    /// The whole; what is stored is cut.
    pub input: Text<'r>,
    pub output: Text<'r>,
    pub error_type: Text<'r>,
    pub error_message: Text<'r>,
}

macro_rules! columns {
    ($($name:ident: $kind:ty,)*) => {
        #[derive(Default)]
        pub struct Facts {
            pub rows: usize,
            $($name: $kind,)*
        }

        /// Their names, in order.
        pub const NAMES: &[&str] = &[$(stringify!($name)),*];

        impl Facts {
            pub fn columns(&mut self) -> Vec<&mut dyn Column> {
                vec![$(&mut self.$name),*]
            }
        }
    };
}

columns! {
    trace_id: Strings,
    span_id: Strings,
    parent_span_id: Strings,
    event: Labels,
    event_at: Numbers,
    started_at: Numbers,
    ended_at: Numbers,
    dialect: Labels,
    scope: Labels,
    role: Labels,
    is_shadow: Numbers,
    is_entry: Numbers,
    name: Strings,
    service_name: Labels,
    environment: Labels,
    workspace: Labels,
    run_id: Strings,
    parent_run_id: Strings,
    run_kind: Labels,
    agent_id: Strings,
    agent_version: Labels,
    trigger: Labels,
    trigger_detail: Strings,
    status: Labels,
    queued_at: Numbers,
    waiting_ms: Numbers,
    session_id: Strings,
    user_id: Strings,
    tags: Array<Labels>,
    parameters: Strings,
    rows_processed: Optional,
    progress_done: Optional,
    progress_total: Optional,
    dry_run: Numbers,
    sla_ms: Optional,
    spans_reported: Optional,
    heartbeat_interval_ms: Numbers,
    waiting_for: Labels,
    tool_call_id: Strings,
    tool_type: Labels,
    operation: Labels,
    provider: Labels,
    response_id: Strings,
    time_to_first_chunk_ms: Optional,
    input_tokens: Numbers,
    output_tokens: Numbers,
    cache_read_tokens: Numbers,
    cache_write_tokens: Numbers,
    reasoning_tokens: Numbers,
    audio_input_tokens: Numbers,
    audio_output_tokens: Numbers,
    audio_cache_read_tokens: Numbers,
    image_input_tokens: Numbers,
    image_output_tokens: Numbers,
    image_cache_read_tokens: Numbers,
    cost_usd: Optional,
    input: Strings,
    output: Strings,
    input_size: Numbers,
    output_size: Numbers,
    error_type: Labels,
    error_message: Strings,
}

impl Facts {
    /// Add a row; of inputs, outputs and parameters at most `characters`.
    pub fn push(&mut self, trace_id: &[u8], span_id: &[u8], fact: &Fact, characters: usize) {
        let cut = |text| super::text::cut(text, characters);
        let float = |value: Option<f64>| value.map(f64::to_le_bytes);
        let integer = |value: Option<i64>| value.map(i64::to_le_bytes);
        self.rows += 1;
        self.trace_id.push(trace_id);
        self.span_id.push(span_id);
        self.parent_span_id.push(&fact.parent_span_id);
        self.event.push(fact.event);
        self.event_at.push(fact.event_at.to_le_bytes());
        self.started_at.push(fact.started_at.to_le_bytes());
        self.ended_at.push(fact.ended_at.to_le_bytes());
        self.dialect.push(fact.dialect);
        self.scope.push(fact.scope);
        self.role.push(fact.role);
        self.is_shadow.push([u8::from(fact.is_shadow)]);
        self.is_entry.push([u8::from(fact.is_entry)]);
        self.name.push(&fact.name);
        self.service_name.push(fact.service_name);
        self.environment.push(&fact.environment);
        self.workspace.push(&fact.workspace);
        self.run_id.push(&fact.run_id);
        self.parent_run_id.push(&fact.parent_run_id);
        self.run_kind.push(&fact.run_kind);
        self.agent_id.push(&fact.agent_id);
        self.agent_version.push(&fact.agent_version);
        self.trigger.push(&fact.trigger);
        self.trigger_detail.push(&fact.trigger_detail);
        self.status.push(&fact.status);
        self.queued_at.push(fact.queued_at.to_le_bytes());
        self.waiting_ms.push(fact.waiting_ms.to_le_bytes());
        self.session_id.push(&fact.session_id);
        self.user_id.push(&fact.user_id);
        for tag in &fact.tags {
            self.tags.items.push(tag);
        }
        self.tags.end(fact.tags.len());
        self.parameters.push(cut(&fact.parameters));
        self.rows_processed.push(integer(fact.rows_processed));
        self.progress_done.push(integer(fact.progress_done));
        self.progress_total.push(integer(fact.progress_total));
        self.dry_run.push([u8::from(fact.dry_run)]);
        self.sla_ms.push(float(fact.sla_ms));
        self.spans_reported.push(fact.spans_reported.map(u64::to_le_bytes));
        self.heartbeat_interval_ms.push(fact.heartbeat_interval_ms.to_le_bytes());
        self.waiting_for.push(&fact.waiting_for);
        self.tool_call_id.push(&fact.tool_call_id);
        self.tool_type.push(&fact.tool_type);
        self.operation.push(&fact.operation);
        self.provider.push(&fact.provider);
        self.response_id.push(&fact.response_id);
        self.time_to_first_chunk_ms.push(float(fact.time_to_first_chunk_ms));
        self.input_tokens.push(fact.input_tokens.to_le_bytes());
        self.output_tokens.push(fact.output_tokens.to_le_bytes());
        self.cache_read_tokens.push(fact.cache_read_tokens.to_le_bytes());
        self.cache_write_tokens.push(fact.cache_write_tokens.to_le_bytes());
        self.reasoning_tokens.push(fact.reasoning_tokens.to_le_bytes());
        self.audio_input_tokens.push(fact.audio_input_tokens.to_le_bytes());
        self.audio_output_tokens.push(fact.audio_output_tokens.to_le_bytes());
        self.audio_cache_read_tokens.push(fact.audio_cache_read_tokens.to_le_bytes());
        self.image_input_tokens.push(fact.image_input_tokens.to_le_bytes());
        self.image_output_tokens.push(fact.image_output_tokens.to_le_bytes());
        self.image_cache_read_tokens.push(fact.image_cache_read_tokens.to_le_bytes());
        self.cost_usd.push(float(fact.cost_usd));
        self.input.push(cut(&fact.input));
        self.output.push(cut(&fact.output));
        self.input_size.push((fact.input.len() as u64).to_le_bytes());
        self.output_size.push((fact.output.len() as u64).to_le_bytes());
        self.error_type.push(&fact.error_type);
        self.error_message.push(&fact.error_message);
    }
}
