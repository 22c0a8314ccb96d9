-- How many runs of a filter (see runs_matching) started in each interval of `step_s` seconds, by status.
CREATE OR REPLACE VIEW runs_over_time AS
SELECT toStartOfInterval(started_at, toIntervalSecond({step_s:UInt32})) AS time, status, count() AS total
FROM runs_matching(
    filter = {filter:Map(String, Array(String))}, from = {from:DateTime64(6, 'UTC')}, to = {to:DateTime64(6, 'UTC')})
GROUP BY time, status
ORDER BY time, status
