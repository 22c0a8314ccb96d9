-- Rows of earlier passes that this pass no longer found.
INSERT INTO model_calls_data
SELECT * REPLACE ({version:UInt64} AS version, 1 AS is_deleted)
FROM model_calls_data AS old FINAL
WHERE trace_id IN {traces:Array(String)} AND started_at >= {from:DateTime64(6)} AND started_at < {to:DateTime64(6)}
    AND old.version < {version:UInt64}
    AND cityHash64(trace_id, span_id) NOT IN (SELECT span_key FROM {calls:Identifier} WHERE span_key = call_key)
