-- One page of the runs of a filter (see runs_matching), newest first, without their contents.
--   before_at, before_id: started_at and run_id of the last row of the page before; for the first page a time in the far
--     future and ''
--   limit: rows of a page
-- First the moments that the page reaches over, from narrow columns; then the rows of these moments alone.
CREATE OR REPLACE VIEW runs_list AS
SELECT
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
FROM runs_matching(
    filter = {filter:Map(String, Array(String))}, from = {from:DateTime64(6, 'UTC')}, to = {to:DateTime64(6, 'UTC')})
WHERE
    (started_at = {before_at:DateTime64(6, 'UTC')} OR started_at IN (
        SELECT started_at
        FROM runs_matching(
            filter = {filter:Map(String, Array(String))}, from = {from:DateTime64(6, 'UTC')}, to = {to:DateTime64(6, 'UTC')})
        WHERE started_at < {before_at:DateTime64(6, 'UTC')}
        ORDER BY started_at DESC
        LIMIT {limit:UInt32}))
    AND (started_at < {before_at:DateTime64(6, 'UTC')} OR run_id < {before_id:String})
ORDER BY started_at DESC, run_id DESC
LIMIT {limit:UInt32}
