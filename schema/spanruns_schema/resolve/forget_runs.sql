-- Rows of earlier passes that this pass no longer found, or found with another start (which is part of a row's key).
INSERT INTO runs_data
SELECT * REPLACE ({version:UInt64} AS version, 1 AS is_deleted)
FROM runs_data AS old FINAL
WHERE trace_id IN {traces:Array(String)} AND started_at >= {from:DateTime64(6)} AND started_at < {to:DateTime64(6)}
    AND old.version < {version:UInt64}
    AND (run_id, started_at) NOT IN (SELECT run_id, started_at FROM {rows:Identifier})
