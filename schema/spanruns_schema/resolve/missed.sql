-- Traces that got facts in a stretch of time.
SELECT DISTINCT trace_id FROM span_facts WHERE inserted_at >= {from:DateTime64(6)} AND inserted_at < {to:DateTime64(6)}
