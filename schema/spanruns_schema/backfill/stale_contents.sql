-- The same for facts that were made from records with contents of a span: a record has the trace and the time of its fact.
SELECT DISTINCT trace_id, span_id, {key} AS key
FROM span_facts
WHERE event_at >= {from:DateTime64(9)} AND event_at < {to:DateTime64(9)} AND event = 'content'
    AND (trace_id, event_at) IN
    (
        SELECT TraceId, toDateTime64(Timestamp, 6, 'UTC') FROM otel_logs
        WHERE Timestamp >= {from:DateTime64(9)} AND Timestamp < {to:DateTime64(9)} AND SpanId != ''
    )
    AND key NOT IN (SELECT {key} FROM ({select}))
