-- The model calls of one run, in the order of their start. Those of its sub-runs belong to the sub-runs.
CREATE OR REPLACE VIEW run_model_calls AS
SELECT * FROM model_calls WHERE run_id = {run_id:String} ORDER BY started_at, span_id
