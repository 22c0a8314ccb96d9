-- `enriched`: some calls failed only in a span that repeats them (an MCP server's), which then tells why.
INSERT INTO tool_calls_data
SELECT
    r.run_id, r.root_run_id, f.trace_id, f.span_id, f.tool_call_id, f.name AS tool_name, f.tool_type,
    r.agent_name, f.service_name, if(f.workspace != '', f.workspace, r.workspace) AS workspace,
    transform(c.status, [1, 2, 3, 5], ['success', 'failed', 'cancelled', 'running'], 'success') AS status,
    f.started_at, if(f.event != '', NULL, f.ended_at) AS ended_at,
    if(f.event != '', 0, greatest(0, dateDiff('microsecond', f.started_at, f.ended_at) / 1000)) AS duration_ms,
    f.input AS arguments, f.output AS result, f.input_size AS arguments_size, f.output_size AS result_size,
    if(f.error_type != '', f.error_type, why.error_type) AS error_type,
    if(f.error_type != '', f.error_message, why.error_message) AS error_message,
    multiIf(c.status = 3, 'cancelled', error_type = '', '', {error_class}) AS error_class,
    {version:UInt64} AS version, 0 AS is_deleted
FROM
(
    SELECT * FROM span_facts{final}
    WHERE role = 'tool' AND trace_id IN {traces:Array(String)} AND started_at >= {from:DateTime64(6)} AND started_at < {to:DateTime64(6)}
) AS f
INNER JOIN (SELECT * FROM {calls:Identifier} WHERE span_key = call_key) AS c ON f.span_key = c.span_key
LEFT JOIN
(
    SELECT c.call_key AS call_key, f.error_type, f.error_message
    FROM span_facts AS f{final}
    INNER JOIN {calls:Identifier} AS c ON f.span_key = c.span_key
    WHERE {enriched:UInt8} AND c.span_key != c.call_key
        AND f.trace_id IN {traces:Array(String)} AND f.started_at >= {from:DateTime64(6)} AND f.started_at < {to:DateTime64(6)}
    LIMIT 1 BY c.call_key
) AS why ON why.call_key = c.span_key
LEFT JOIN
(
    SELECT r.run_key, r.run_id, r.agent_name, r.workspace,
        multiIf(root.run_id != '', root.run_id, r.parent_run_id != '', r.parent_run_id, r.run_id) AS root_run_id
    FROM {rows:Identifier} AS r LEFT JOIN {rows:Identifier} AS root ON root.run_key = r.root_run_key
) AS r ON r.run_key = c.run_key
WHERE f.event = '' OR (f.event = 'started' AND c.status = 5)
