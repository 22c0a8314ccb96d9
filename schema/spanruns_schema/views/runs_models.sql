-- How many runs of a filter (see runs_matching) called each model at least once.
CREATE OR REPLACE VIEW runs_models AS
SELECT model AS value, uniqExact(run_id) AS total
FROM model_calls
WHERE model != '' AND started_at >= {from:DateTime64(6, 'UTC')} AND run_id IN (
    SELECT run_id
    FROM runs_matching(
        filter = {filter:Map(String, Array(String))}, from = {from:DateTime64(6, 'UTC')}, to = {to:DateTime64(6, 'UTC')}))
GROUP BY value
ORDER BY total DESC, value
