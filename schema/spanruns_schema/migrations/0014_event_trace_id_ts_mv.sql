-- A run that has begun but has no span yet is found by the time of its lifecycle events.
CREATE MATERIALIZED VIEW IF NOT EXISTS event_trace_id_ts_mv TO otel_traces_trace_id_ts AS
SELECT trace_id AS TraceId, toDateTime(min(started_at)) AS Start, toDateTime(max(greatest(started_at, event_at))) AS End
FROM span_facts
WHERE event != '' AND trace_id != ''
GROUP BY trace_id
