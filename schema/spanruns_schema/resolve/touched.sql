-- Traces that have facts of these inserts. `urgent`: among them is one that changes what a run is: an end, or a lifecycle event
-- other than a heartbeat. Contents alone, which may come long after their span, do not tell when a trace began: never (NEVER_S).
SELECT
    trace_id,
    max((event = '' AND (parent_span_id = '' OR role IN ('run', 'agent', 'workflow'))) OR event NOT IN ('', 'heartbeat', 'content'))::UInt8 AS urgent,
    if(countIf(event != 'content') = 0, 9223372036854, toInt64(toUnixTimestamp(min(started_at)))) AS start_s,
    toInt64(toUnixTimestamp(max(started_at))) AS end_s
FROM span_facts
WHERE inserted_at >= {from:DateTime64(6)} AND inserted_at <= {to:DateTime64(6)}
    AND toUnixTimestamp64Micro(inserted_at) IN {inserts:Array(Int64)}
GROUP BY trace_id
