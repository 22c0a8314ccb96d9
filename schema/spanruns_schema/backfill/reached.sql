-- How far an unfinished backfill from the same start with the same mapping has come.
SELECT toUnixTimestamp64Micro(done_until) AS until_us
FROM schema_backfills FINAL
WHERE start = {from:DateTime64(6)} AND mapping = {mapping:String} AND NOT is_finished
