-- Everything about one run; no row when there is none.
CREATE OR REPLACE VIEW run_detail AS
SELECT * FROM runs WHERE run_id = {run_id:String} ORDER BY version DESC LIMIT 1
