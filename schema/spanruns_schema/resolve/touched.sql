-- Traces that have facts younger than `after`. `later` counts what is younger than `next`, the bound of the passes to come;
-- `urgent_at` is the newest fact that changes what a run is: an end, or a lifecycle event other than a heartbeat.
SELECT
    trace_id,
    count() AS facts,
    countIf(inserted_at > {next:DateTime64(6)}) AS later,
    toUnixTimestamp64Micro(maxIf(inserted_at, (event = '' AND (parent_span_id = '' OR role IN ('run', 'agent', 'workflow')))
        OR event NOT IN ('', 'heartbeat'))) AS urgent_us
FROM span_facts
WHERE inserted_at > {after:DateTime64(6)}
GROUP BY trace_id
