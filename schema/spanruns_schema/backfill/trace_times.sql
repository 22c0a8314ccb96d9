-- The times of traces whose spans were there before anything kept them: without, the resolver would not find their facts.
INSERT INTO otel_traces_trace_id_ts (TraceId, Start, End)
SELECT TraceId, min(toDateTime(Timestamp)) AS first, max(toDateTime(Timestamp)) AS last
FROM otel_traces
WHERE Timestamp >= {from:DateTime64(9)} AND Timestamp < {to:DateTime64(9)} AND TraceId != ''
GROUP BY TraceId
HAVING TraceId NOT IN
(
    SELECT known.TraceId FROM otel_traces_trace_id_ts AS known
    WHERE known.TraceId IN
    (
        SELECT TraceId FROM otel_traces WHERE Timestamp >= {from:DateTime64(9)} AND Timestamp < {to:DateTime64(9)}
    )
)
