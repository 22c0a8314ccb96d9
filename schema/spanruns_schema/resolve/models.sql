-- The names behind the keys of models.
SELECT DISTINCT cityHash64(provider, name) AS model_key, toString(provider) AS provider, name AS model
FROM span_facts
WHERE role = 'model' AND trace_id IN {traces:Array(String)} AND started_at >= {from:DateTime64(6)} AND started_at < {to:DateTime64(6)}
    AND cityHash64(provider, name) IN {keys:Array(UInt64)}
