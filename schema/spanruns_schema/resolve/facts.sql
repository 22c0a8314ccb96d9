-- The facts from which rows are made: calls, and what speaks for runs.
SELECT cityHash64(trace_id, span_id) AS span_key, {columns}
FROM span_facts{final}
WHERE trace_id IN {traces:Array(String)} AND started_at >= {from:DateTime64(6)} AND started_at < {to:DateTime64(6)}
    AND (role IN ('tool', 'model') OR cityHash64(trace_id, span_id) IN {keys:Array(UInt64)})
