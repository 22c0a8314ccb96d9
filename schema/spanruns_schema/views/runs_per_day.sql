-- How many runs of a filter (see runs_matching) started on each day, UTC.
CREATE OR REPLACE VIEW runs_per_day AS
SELECT toDate(started_at) AS day, count() AS total
FROM runs_matching(
    filter = {filter:Map(String, Array(String))}, from = {from:DateTime64(6, 'UTC')}, to = {to:DateTime64(6, 'UTC')})
GROUP BY day
