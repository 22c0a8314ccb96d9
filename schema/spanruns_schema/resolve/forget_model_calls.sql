-- Rows of earlier passes that this pass no longer found; `marks` as in written.sql.
INSERT INTO model_calls_data
SELECT * REPLACE ({version:UInt64} AS version, 1 AS is_deleted)
FROM model_calls_data AS old FINAL
WHERE trace_id IN {traces:Array(String)} AND started_at >= {from:DateTime64(6)} AND started_at < {to:DateTime64(6)}
    AND old.version < {version:UInt64}
    AND bitXor(cityHash64(trace_id, span_id), toUnixTimestamp64Micro(started_at)::UInt64) IN {marks:Array(UInt64)}
