-- The spans of the trace that one run is in, in the order of their start, each once: rows for a tree (parent_span_id).
--   type: what the span is to us: run, tool, model, or '' for everything between; label: the name of that run, tool or model
--   limit: at most so many spans
CREATE OR REPLACE VIEW run_timeline AS
WITH
    (SELECT trace_id FROM run_detail(run_id = {run_id:String})) AS trace,
    (SELECT min(Start) FROM otel_traces_trace_id_ts WHERE TraceId = trace) AS first,
    (SELECT max(End) + 1 FROM otel_traces_trace_id_ts WHERE TraceId = trace) AS last
SELECT
    spans.TraceId AS trace_id,
    spans.SpanId AS span_id,
    spans.ParentSpanId AS parent_span_id,
    spans.SpanName AS name,
    spans.SpanKind AS kind,
    spans.ServiceName AS service_name,
    spans.ScopeName AS scope_name,
    named.type AS type,
    named.label AS label,
    toDateTime64(spans.Timestamp, 6, 'UTC') AS started_at,
    addMicroseconds(started_at, intDiv(spans.Duration, 1000)) AS ended_at,
    spans.Duration / 1e6 AS duration_ms,
    multiIf(spans.StatusCode IN ('Error', 'STATUS_CODE_ERROR'), 'error', spans.StatusCode IN ('Ok', 'STATUS_CODE_OK'), 'ok', 'unset') AS status,
    spans.StatusMessage AS status_message
FROM
(
    SELECT *
    FROM otel_traces
    WHERE TraceId = trace AND Timestamp >= first AND Timestamp <= last
        AND SpanAttributes['logfire.span_type'] != 'pending_span'
    ORDER BY Timestamp, SpanId
    LIMIT 1 BY SpanId
    LIMIT {limit:UInt32}
) AS spans
LEFT ANY JOIN
(
    SELECT span_id, 'run' AS type, toString(agent_name) AS label FROM runs
    WHERE trace_id = trace AND started_at >= first - INTERVAL 1 DAY AND started_at <= last + INTERVAL 1 DAY
    UNION ALL
    SELECT span_id, 'tool', toString(tool_name) FROM tool_calls
    WHERE trace_id = trace AND started_at >= first - INTERVAL 1 DAY AND started_at <= last + INTERVAL 1 DAY
    UNION ALL
    SELECT span_id, 'model', toString(model) FROM model_calls
    WHERE trace_id = trace AND started_at >= first - INTERVAL 1 DAY AND started_at <= last + INTERVAL 1 DAY
) AS named ON spans.SpanId = named.span_id
ORDER BY started_at, span_id
