INSERT INTO model_calls_data
SELECT
    r.run_id, r.root_run_id, f.trace_id, f.span_id, f.operation, f.name AS model, f.provider,
    r.agent_name, f.service_name, if(f.workspace != '', f.workspace, r.workspace) AS workspace,
    transform(c.status, [1, 2, 3, 5], ['success', 'failed', 'cancelled', 'running'], 'success') AS status,
    f.started_at, if(f.event != '', NULL, f.ended_at) AS ended_at,
    if(f.event != '', 0, greatest(0, dateDiff('microsecond', f.started_at, f.ended_at) / 1000)) AS duration_ms,
    f.time_to_first_chunk_ms,
    c.input_tokens, c.output_tokens, c.cache_read_tokens, c.cache_write_tokens, c.reasoning_tokens,
    if(isNaN(c.cost_usd), NULL, c.cost_usd) AS cost_usd,
    transform(c.cost_source, [1, 2], ['span', 'prices'], '') AS cost_source,
    f.input, f.output, f.input_size, f.output_size, f.error_type, f.error_message,
    {version:UInt64} AS version, 0 AS is_deleted
FROM
(
    SELECT * FROM span_facts{final}
    WHERE role = 'model' AND trace_id IN {traces:Array(String)} AND started_at >= {from:DateTime64(6)} AND started_at < {to:DateTime64(6)}
) AS f
INNER JOIN {calls:Identifier} AS c ON f.span_key = c.span_key
LEFT JOIN
(
    SELECT r.run_key, r.run_id, r.agent_name, r.workspace,
        multiIf(root.run_id != '', root.run_id, r.parent_run_id != '', r.parent_run_id, r.run_id) AS root_run_id
    FROM {rows:Identifier} AS r LEFT JOIN {rows:Identifier} AS root ON root.run_key = r.root_run_key
) AS r ON r.run_key = c.run_key
WHERE f.event = '' OR (f.event = 'started' AND c.status = 5)
