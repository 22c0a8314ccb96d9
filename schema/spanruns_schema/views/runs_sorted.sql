-- One page of the runs of a filter (see runs_matching) in another order than runs_list has, without their contents.
--   sort: started, duration, cost or tokens; a run without it comes where the smallest value would
--   direction: 1 for ascending, -1 for descending; runs that are equal come by run_id
--   after_position, after_id: position and run_id of the last row of the page before; for the first page -inf and ''
--   limit: rows of a page
CREATE OR REPLACE VIEW runs_sorted AS
WITH
    {sort:String} AS by,
    {direction:Int8} * toFloat64(
        if(by = 'started', toUnixTimestamp64Micro(started_at),
        if(by = 'duration', ifNull(duration_ms, -1),
        if(by = 'cost', ifNull(runs.cost_usd, -1),
        if(by = 'tokens', runs.input_tokens + runs.output_tokens,
        throwIf(true, 'runs_sorted does not know this order')))))) AS position
SELECT
    position,
    run_id, parent_run_id, root_run_id, trace_id, span_id, kind, agent_name, agent_id, agent_version,
    service_name, environment, workspace, trigger, trigger_detail, status,
    queued_at, started_at, ended_at, queue_ms, waiting_ms, duration_ms, total_ms, session_id, user_id, tags,
    substringUTF8(multiIf(
        error_message != '', error_message,
        status = 'waiting' AND waiting_for != '', concat('waiting for ', waiting_for),
        ''), 1, 200) AS message,
    error_type, error_class, error_fingerprint, tool_call_count, tool_error_count, model_call_count,
    input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, reasoning_tokens, cost_usd,
    rows_processed, progress_done, progress_total, dry_run, sla_ms, last_heartbeat_at, waiting_since, waiting_for
FROM runs
WHERE (started_at, run_id) IN (
    WITH
        {sort:String} AS by,
        {direction:Int8} * toFloat64(
            if(by = 'started', toUnixTimestamp64Micro(started_at),
            if(by = 'duration', ifNull(duration_ms, -1),
            if(by = 'cost', ifNull(matched.cost_usd, -1),
            if(by = 'tokens', matched.input_tokens + matched.output_tokens,
            throwIf(true, 'runs_sorted does not know this order')))))) AS position
    SELECT started_at, run_id
    FROM runs_matching(
        filter = {filter:Map(String, Array(String))}, from = {from:DateTime64(6, 'UTC')}, to = {to:DateTime64(6, 'UTC')}) AS matched
    WHERE position > {after_position:Float64} OR (position = {after_position:Float64} AND run_id > {after_id:String})
    ORDER BY position, run_id
    LIMIT {limit:UInt32})
ORDER BY position, run_id
