-- The tool calls of one run, in the order of their start. Those of its sub-runs belong to the sub-runs.
CREATE OR REPLACE VIEW run_tool_calls AS
SELECT * FROM tool_calls WHERE run_id = {run_id:String} ORDER BY started_at, span_id
