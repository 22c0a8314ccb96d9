-- Runs that changed after the row (after_us, after_id), oldest change first, without contents: new ones, others that went on,
-- ended or were lost. Only runs that started at `from` or later are looked at.
--   changed_us: when it changed, microseconds since 1970
CREATE OR REPLACE VIEW runs_changed AS
SELECT
    if(status = 'lost',
        greatest(version, toUInt64(toUnixTimestamp64Micro(
            ifNull(last_heartbeat_at, started_at)
            + if(heartbeat_interval_ms > 0, toIntervalMillisecond(3 * heartbeat_interval_ms), toIntervalMillisecond(86400000))))),
        version) AS changed_us,
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
WHERE started_at >= {from:DateTime64(6, 'UTC')} AND (changed_us, run_id) > ({after_us:UInt64}, {after_id:String})
ORDER BY changed_us, run_id
LIMIT {limit:UInt32}
