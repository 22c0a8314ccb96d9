-- Rows of earlier passes that this pass no longer found, or found with another start; `marks` as in written.sql.
INSERT INTO runs_data
SELECT * REPLACE ({version:UInt64} AS version, 1 AS is_deleted)
FROM runs_data AS old FINAL
WHERE trace_id IN {traces:Array(String)} AND started_at >= {from:DateTime64(6)} AND started_at < {to:DateTime64(6)}
    AND old.version < {version:UInt64}
    AND bitXor(cityHash64(run_id), toUnixTimestamp64Micro(started_at)::UInt64) IN {marks:Array(UInt64)}
