-- The stage has what was decided of each call; all else is in its fact. Where a call failed only in a span that repeats it
-- (an MCP server's), the stage also has what that one says.
INSERT INTO tool_calls_data
SELECT
    c.run_id, c.root_run_id, f.trace_id, f.span_id, f.tool_call_id, f.name AS tool_name, f.tool_type,
    c.agent_name, f.service_name, if(f.workspace != '', f.workspace, c.workspace) AS workspace,
    transform(c.status, [1, 2, 3, 5], ['success', 'failed', 'cancelled', 'running'], 'success') AS status,
    f.started_at, if(f.event != '', NULL, f.ended_at) AS ended_at,
    if(f.event != '', 0, greatest(0, dateDiff('microsecond', f.started_at, f.ended_at) / 1000)) AS duration_ms,
    f.input AS arguments, f.output AS result, f.input_size AS arguments_size, f.output_size AS result_size,
    if(f.error_type != '', toString(f.error_type), c.error_type) AS error_type,
    if(f.error_type != '', f.error_message, c.error_message) AS error_message,
    multiIf(c.status = 3, 'cancelled', error_type = '', '', {error_class}) AS error_class,
    {version:UInt64} AS version, 0 AS is_deleted
FROM {facts:Identifier} AS f
INNER JOIN {tool_calls:Identifier} AS c ON f.span_key = c.span_key
WHERE f.role = 'tool' AND (f.event = '' OR (f.event = 'started' AND c.status = 5))
