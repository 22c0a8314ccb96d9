-- The run rows of this pass: the numbers from the stage, the words from the facts that speak for each run, first rank first.
INSERT INTO {rows:Identifier}
SELECT
    r.run_key, r.parent_run_key, r.root_run_key,
    if(said.run_id != '', said.run_id, concat(said.trace_id, '-', said.span_id)) AS run_id,
    said.given_parent AS parent_run_id, '' AS root_run_id, said.trace_id, said.span_id,
    multiIf(r.is_workflow = 1, 'workflow', said.run_kind IN ('agent', 'workflow', 'job'), said.run_kind, 'agent') AS kind,
    if(said.name != '', said.name, said.service_name) AS agent_name,
    said.agent_id, said.agent_version, said.service_name, said.environment, said.workspace, said.trigger, said.trigger_detail,
    transform(r.status, [1, 2, 3, 4, 5, 6], ['success', 'failed', 'cancelled', 'waiting', 'running', 'queued'], 'running') AS status,
    if(r.queued_us > 0, fromUnixTimestamp64Micro(r.queued_us, 'UTC'), NULL) AS queued_at,
    fromUnixTimestamp64Micro(r.started_us, 'UTC') AS started_at,
    if(r.ended_us > 0, fromUnixTimestamp64Micro(r.ended_us, 'UTC'), NULL) AS ended_at,
    if(r.queued_us > 0 AND r.status != 6, greatest(0, (r.started_us - r.queued_us) / 1000), NULL) AS queue_ms,
    r.waiting_ms,
    if(r.waiting_since_us > 0, fromUnixTimestamp64Micro(r.waiting_since_us, 'UTC'), NULL) AS waiting_since,
    if(r.waiting_since_us > 0, said.waiting_for, '') AS waiting_for,
    said.session_id, said.user_id, said.tags, said.parameters, said.input, said.output, said.input_size, said.output_size,
    if(r.status IN (2, 3), said.error_type, '') AS error_type,
    if(r.status IN (2, 3), said.error_message, '') AS error_message,
    multiIf(r.status = 3, 'cancelled', r.status = 2, {error_class}, '') AS error_class,
    if(r.status IN (2, 3), {error_fingerprint}, '') AS error_fingerprint,
    r.tool_call_count, r.tool_error_count, r.model_call_count,
    r.input_tokens, r.output_tokens, r.cache_read_tokens, r.cache_write_tokens, r.reasoning_tokens,
    if(isNaN(r.cost_usd), NULL, r.cost_usd) AS cost_usd,
    nullIf(r.reported_input_tokens, 0) AS reported_input_tokens,
    nullIf(r.reported_output_tokens, 0) AS reported_output_tokens,
    if(isNaN(r.reported_cost_usd), NULL, r.reported_cost_usd) AS reported_cost_usd,
    r.usage_mismatch, r.unpriced_call_count,
    said.rows_processed, said.progress_done, said.progress_total, said.dry_run, said.sla_ms, said.spans_reported, r.spans_stored,
    if(r.last_heartbeat_us > 0, fromUnixTimestamp64Micro(r.last_heartbeat_us, 'UTC'), NULL) AS last_heartbeat_at,
    r.heartbeat_interval_ms,
    {version:UInt64} AS version, 0 AS is_deleted
FROM {runs:Identifier} AS r
INNER JOIN
(
    SELECT
        m.run_key AS run_key,
        argMin(f.trace_id, (m.use, place)) AS trace_id,
        argMin(f.span_id, (m.use, place)) AS span_id,
        argMinIf(f.run_id, place, m.use = 0 AND f.run_id != '') AS run_id,
        argMinIf(f.parent_run_id, place, m.use = 0 AND f.parent_run_id != '') AS given_parent,
        argMinIf(f.run_kind, place, m.use = 0 AND f.run_kind != '') AS run_kind,
        argMinIf(f.name, place, m.use = 0 AND f.name != '') AS name,
        argMinIf(f.agent_id, place, m.use = 0 AND f.agent_id != '') AS agent_id,
        argMinIf(f.agent_version, place, m.use = 0 AND f.agent_version != '') AS agent_version,
        argMinIf(f.service_name, place, f.service_name != '') AS service_name,
        argMinIf(f.environment, place, f.environment != '') AS environment,
        argMinIf(f.workspace, place, f.workspace != '') AS workspace,
        argMinIf(f.trigger, place, m.use = 0 AND f.trigger != '') AS trigger,
        argMinIf(f.trigger_detail, place, m.use = 0 AND f.trigger_detail != '') AS trigger_detail,
        argMinIf(f.session_id, place, f.session_id != '') AS session_id,
        argMinIf(f.user_id, place, f.user_id != '') AS user_id,
        groupUniqArrayArray(f.tags) AS tags,
        argMinIf(f.parameters, place, m.use = 0 AND f.parameters != '') AS parameters,
        argMinIf(f.input, place, m.use IN (0, 1) AND f.input_size > 0) AS input,
        argMinIf(f.input_size, place, m.use IN (0, 1) AND f.input_size > 0) AS input_size,
        argMinIf(f.output, place, m.use IN (0, 2) AND f.output_size > 0) AS output,
        argMinIf(f.output_size, place, m.use IN (0, 2) AND f.output_size > 0) AS output_size,
        argMinIf(f.error_type, place, m.use = 0 AND f.error_type != '') AS error_type,
        argMinIf(f.error_message, place, m.use = 0 AND f.error_message != '') AS error_message,
        argMaxIf(f.waiting_for, f.event_at, f.waiting_for != '') AS waiting_for,
        argMaxIf(f.rows_processed, (f.event = '', f.event_at), f.rows_processed IS NOT NULL) AS rows_processed,
        argMaxIf(f.progress_done, (f.event = '', f.event_at), f.progress_done IS NOT NULL) AS progress_done,
        argMaxIf(f.progress_total, (f.event = '', f.event_at), f.progress_total IS NOT NULL) AS progress_total,
        max(f.dry_run) AS dry_run,
        argMinIf(f.sla_ms, place, f.sla_ms IS NOT NULL) AS sla_ms,
        sumIf(f.spans_reported, f.spans_reported IS NOT NULL AND m.use = 0) AS spans_reported
    FROM
    (
        SELECT * FROM span_facts{final}
        WHERE trace_id IN {traces:Array(String)} AND started_at >= {from:DateTime64(6)} AND started_at < {to:DateTime64(6)}
    ) AS f
    INNER JOIN (SELECT *, rank * 2 AS twice FROM {members:Identifier}) AS m ON f.span_key = m.span_key
    LEFT ARRAY JOIN [m.twice + (f.event != '')] AS place
    GROUP BY m.run_key
) AS said ON said.run_key = r.run_key
