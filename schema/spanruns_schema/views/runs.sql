-- Runs, current and without duplicates. A running run whose heartbeats stopped is `lost` from the moment they are missing,
-- whoever asks: three intervals after the last one, or a day after the start when there never was a heartbeat.
CREATE OR REPLACE VIEW runs AS
SELECT
    run_id, parent_run_id, root_run_id, trace_id, span_id, kind, agent_name, agent_id, agent_version,
    service_name, environment, workspace, trigger, trigger_detail,
    multiIf(
        stored.status != 'running', toString(stored.status),
        heartbeat_interval_ms > 0
            AND now64(6, 'UTC') > ifNull(last_heartbeat_at, started_at) + toIntervalMillisecond(3 * heartbeat_interval_ms), 'lost',
        heartbeat_interval_ms = 0 AND now64(6, 'UTC') > started_at + INTERVAL 1 DAY, 'lost',
        'running') AS status,
    queued_at, started_at, ended_at, queue_ms, waiting_ms,
    if(ended_at IS NULL, NULL, greatest(0, dateDiff('microsecond', started_at, assumeNotNull(ended_at)) / 1000 - waiting_ms)) AS duration_ms,
    if(ended_at IS NULL, NULL, dateDiff('microsecond', ifNull(queued_at, started_at), assumeNotNull(ended_at)) / 1000) AS total_ms,
    session_id, user_id, tags, parameters, input, output, error_type, error_message, error_class, error_fingerprint,
    tool_call_count, tool_error_count, model_call_count,
    input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, reasoning_tokens, cost_usd,
    reported_input_tokens, reported_output_tokens, reported_cost_usd, usage_mismatch, unpriced_call_count,
    rows_processed, progress_done, progress_total, dry_run, sla_ms, spans_reported, spans_stored, last_heartbeat_at,
    waiting_since, waiting_for, input_size, output_size, heartbeat_interval_ms, version
FROM runs_data AS stored FINAL
