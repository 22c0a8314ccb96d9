-- Facts that were made from spans of the slice and that the mapping no longer gives. A fact counts only if the row it was made from is
-- visible (same trace, same time): it may be newer than what is seen here, or outlive its raw row.
SELECT DISTINCT trace_id, span_id, {key} AS key
FROM span_facts
WHERE started_at >= {from:DateTime64(9)} AND started_at < {to:DateTime64(9)} AND (event = '' OR (dialect != 'spanruns' AND event != 'content'))
    AND (trace_id, started_at) IN
    (
        SELECT TraceId, toDateTime64(Timestamp, 6, 'UTC') FROM otel_traces
        WHERE Timestamp >= {from:DateTime64(9)} AND Timestamp < {to:DateTime64(9)}
    )
    AND key NOT IN (SELECT {key} FROM ({select}))
