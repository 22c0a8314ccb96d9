-- The stage has what was decided of each call; all else is in its fact.
INSERT INTO model_calls_data
SELECT
    c.run_id, c.root_run_id, f.trace_id, f.span_id, f.operation, f.name AS model, f.provider,
    c.agent_name, f.service_name, if(f.workspace != '', f.workspace, c.workspace) AS workspace,
    transform(c.status, [1, 2, 3, 5], ['success', 'failed', 'cancelled', 'running'], 'success') AS status,
    f.started_at, if(f.event != '', NULL, f.ended_at) AS ended_at,
    if(f.event != '', 0, greatest(0, dateDiff('microsecond', f.started_at, f.ended_at) / 1000)) AS duration_ms,
    f.time_to_first_chunk_ms,
    c.input_tokens, c.output_tokens, c.cache_read_tokens, c.cache_write_tokens, c.reasoning_tokens,
    if(isNaN(c.cost_usd), NULL, c.cost_usd) AS cost_usd,
    transform(c.cost_source, [1, 2], ['span', 'prices'], '') AS cost_source,
    f.input, f.output, f.input_size, f.output_size, f.error_type, f.error_message,
    {version:UInt64} AS version, 0 AS is_deleted
FROM {facts:Identifier} AS f
INNER JOIN {model_calls:Identifier} AS c ON f.span_key = c.span_key
WHERE f.role = 'model' AND (f.event = '' OR (f.event = 'started' AND c.status = 5))
