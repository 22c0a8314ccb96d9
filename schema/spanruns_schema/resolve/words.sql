-- What the facts that speak for runs say in words.
SELECT
    span_key,
    transform(event, ['started', 'queued', 'heartbeat', 'waiting', 'resumed', 'progress'], [1, 2, 3, 4, 5, 6], 0)::UInt8 AS event_,
    toUnixTimestamp64Micro(event_at) AS event_us,
    trace_id, span_id, run_id, parent_run_id,
    run_kind::String AS run_kind, name, agent_id, agent_version::String AS agent_version,
    service_name::String AS service_name, environment::String AS environment, workspace::String AS workspace,
    trigger::String AS trigger, trigger_detail, session_id, user_id, CAST(tags, 'Array(String)') AS tags,
    parameters, input, output, input_size, output_size,
    error_type::String AS error_type, error_message,
    if(error_type = '' AND error_message = '', '', {error_class})::String AS error_class,
    if(error_type = '' AND error_message = '', '', {error_fingerprint})::String AS error_fingerprint,
    waiting_for::String AS waiting_for,
    rows_processed, progress_done, progress_total, dry_run, sla_ms, spans_reported
FROM {facts:Identifier}
WHERE span_key IN {keys:Array(UInt64)}
