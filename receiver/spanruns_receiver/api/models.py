"""What the API answers. Field names are the columns' names."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class _Model(BaseModel):
    # Columns that a newer schema adds are passed through.
    model_config = ConfigDict(extra="allow")


class RunSummary(_Model):
    """A run in a list: everything but its contents."""

    run_id: str
    parent_run_id: str = Field(description="Empty for a run that no other run started.")
    root_run_id: str
    trace_id: str
    span_id: str
    kind: str = Field(description="`agent`, `workflow` or `job`")
    agent_name: str
    agent_id: str
    agent_version: str
    service_name: str
    environment: str
    workspace: str
    trigger: str
    trigger_detail: str
    status: str = Field(description="`queued` `running` `waiting` `success` `failed` `cancelled` `lost`")
    queued_at: datetime | None
    started_at: datetime
    ended_at: datetime | None
    queue_ms: float | None
    waiting_ms: float
    duration_ms: float | None = Field(description="Execution, waiting excluded; null while it runs.")
    total_ms: float | None = Field(description="From being queued (else started) to its end.")
    session_id: str
    user_id: str
    tags: list[str]
    error_type: str
    error_class: str
    error_fingerprint: str
    tool_call_count: int
    tool_error_count: int
    model_call_count: int
    input_tokens: int
    output_tokens: int
    cache_read_tokens: int
    cache_write_tokens: int
    reasoning_tokens: int
    cost_usd: float | None
    rows_processed: int | None
    progress_done: int | None
    progress_total: int | None
    dry_run: bool
    sla_ms: float | None
    last_heartbeat_at: datetime | None
    waiting_since: datetime | None
    waiting_for: str


class ListedRun(RunSummary):
    """A run of a page."""

    message: str = Field(description="The error, or whom the run waits for; at most 200 characters.")


class SubRun(_Model):
    """A run that another one started."""

    run_id: str
    kind: str
    agent_name: str
    agent_version: str
    status: str
    started_at: datetime
    ended_at: datetime | None
    duration_ms: float | None
    tool_call_count: int
    model_call_count: int
    input_tokens: int
    output_tokens: int
    cost_usd: float | None
    error_type: str
    message: str


class RunDetail(RunSummary):
    """A run with its contents and its direct sub-runs."""

    parameters: str
    input: str
    output: str
    input_size: int = Field(description="Bytes of the whole input, also where `input` is cut.")
    output_size: int
    error_message: str
    reported_input_tokens: int | None = Field(description="What the run itself claimed to have used.")
    reported_output_tokens: int | None
    reported_cost_usd: float | None
    usage_mismatch: bool = Field(description="Whether that claim differs from the sum of its model calls.")
    unpriced_call_count: int = Field(
        description="Model calls with tokens but no known price: `cost_usd` is without them."
    )
    spans_reported: int | None = Field(
        description="Spans that the service says it has ended, those that it had to drop too."
    )
    spans_stored: int
    sub_runs: list[SubRun]


class RunPage(BaseModel):
    """A page of runs, newest first."""

    runs: list[ListedRun]
    total_count: int = Field(description="Runs that the filter finds, on all pages.")
    has_more: bool
    next_cursor: str | None = Field(description="Give it as `cursor` for the next page.")
    filters_applied: dict[str, Any]


class ToolCall(_Model):
    """A call of a tool."""

    run_id: str
    root_run_id: str
    trace_id: str
    span_id: str
    tool_call_id: str
    tool_name: str
    tool_type: str
    agent_name: str
    service_name: str
    workspace: str
    status: str
    started_at: datetime
    ended_at: datetime | None
    duration_ms: float
    arguments: str
    result: str
    arguments_size: int
    result_size: int
    error_type: str
    error_message: str
    error_class: str


class ToolCalls(BaseModel):
    """Tool calls of a run, in the order of their start."""

    tool_calls: list[ToolCall]
    total_count: int
    has_more: bool


class ModelCall(_Model):
    """A request to a model."""

    run_id: str
    root_run_id: str
    trace_id: str
    span_id: str
    operation: str
    model: str
    provider: str
    agent_name: str
    service_name: str
    workspace: str
    status: str
    started_at: datetime
    ended_at: datetime | None
    duration_ms: float
    time_to_first_chunk_ms: float | None
    input_tokens: int
    output_tokens: int
    cache_read_tokens: int
    cache_write_tokens: int
    reasoning_tokens: int
    audio_input_tokens: int
    audio_output_tokens: int
    audio_cache_read_tokens: int
    image_input_tokens: int
    image_output_tokens: int
    image_cache_read_tokens: int
    cost_usd: float | None
    cost_source: str = Field(description="Who says so: the `span`, the table of `prices`, or nobody.")
    input: str
    output: str
    input_size: int
    output_size: int
    error_type: str
    error_message: str


class ModelCalls(BaseModel):
    """Model calls of a run, in the order of their start."""

    model_calls: list[ModelCall]
    total_count: int
    has_more: bool


class TimelineSpan(_Model):
    """A span with those below it."""

    span_id: str
    parent_span_id: str
    name: str
    kind: str
    service_name: str
    scope_name: str
    type: str = Field(description="`run`, `tool`, `model`, or empty for what lies between.")
    label: str = Field(description="Name of the run, tool or model.")
    started_at: datetime
    ended_at: datetime
    duration_ms: float
    status: str = Field(description="`ok`, `error` or `unset`")
    status_message: str
    depth: int
    children: list[TimelineSpan]


class Timeline(BaseModel):
    """The spans of the trace a run is in."""

    run_id: str
    trace_id: str
    span_id: str = Field(description="The span of the run itself.")
    span_count: int
    truncated: bool = Field(description="The trace has more spans than were asked for.")
    spans: list[TimelineSpan]


class Counts(BaseModel):
    """Counts, rates, cost and tokens of some runs."""

    total: int = 0
    success: int = 0
    failed: int = 0
    cancelled: int = 0
    running: int = 0
    queued: int = 0
    waiting: int = 0
    lost: int = 0
    success_rate: float | None = Field(
        None, description="Successes among those that succeeded, failed or were lost; null without any."
    )
    cost_usd: float | None = Field(None, description="Null where no cost is known.")
    input_tokens: int = 0
    output_tokens: int = 0
    avg_duration_ms: float | None = Field(None, description="Execution time of those that have ended.")


class TriggerCounts(Counts):
    """The same for one trigger."""

    trigger: str


class AgentCounts(Counts):
    """The same for one agent."""

    agent_name: str


class Stats(Counts):
    """Counts of all, and for each trigger and agent, those with most runs first."""

    by_trigger: list[TriggerCounts]
    by_agent: list[AgentCounts]
    filters_applied: dict[str, Any]


class Problem(BaseModel):
    """An error."""

    error: str
    message: str
    parameter: str | None = None


class FacetValue(BaseModel):
    """A value that runs have, and how many."""

    value: str
    count: int


class Facets(BaseModel):
    """What there is to choose from."""

    facets: dict[str, list[FacetValue]] = Field(description="Most frequent first, at most 100 a facet.")
    filters_applied: dict[str, Any]


class Bucket(BaseModel):
    """Starts within an interval, by status."""

    time: datetime
    success: int
    failed: int
    cancelled: int
    running: int
    queued: int
    waiting: int
    lost: int


class Histogram(BaseModel):
    """Starts over time. Intervals without any are left out."""

    model_config = ConfigDict(serialize_by_alias=True)

    from_: datetime = Field(alias="from")
    to: datetime
    step_s: int
    buckets: list[Bucket]
    filters_applied: dict[str, Any]


class Changes(BaseModel):
    """Runs that changed."""

    changes: list[Change]
    after: str = Field(description="Give it as `after` for what changes next.")


class Change(BaseModel):
    """A run and what happened to it."""

    event: str = Field(description="`run_started` `run_updated` `run_completed` `run_failed`")
    id: str
    run: ListedRun
