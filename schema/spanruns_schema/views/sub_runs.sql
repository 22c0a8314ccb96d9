-- The runs that one run started directly, in the order of their start. They are looked for from a day before it started.
CREATE OR REPLACE VIEW sub_runs AS
WITH (SELECT started_at FROM run_detail(run_id = {run_id:String})) AS parent_started_at
SELECT
    run_id, kind, agent_name, agent_version, status, started_at, ended_at, duration_ms, tool_call_count, model_call_count,
    input_tokens, output_tokens, cost_usd, error_type, substringUTF8(error_message, 1, 200) AS message
FROM runs
WHERE (started_at, run_id) IN (
    SELECT started_at, run_id
    FROM runs
    WHERE parent_run_id = {run_id:String} AND run_id != {run_id:String} AND started_at >= parent_started_at - INTERVAL 1 DAY)
ORDER BY started_at, run_id
