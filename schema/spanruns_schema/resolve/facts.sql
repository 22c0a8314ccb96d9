-- The facts from which rows are made: calls, what speaks for runs, and contents, each with the key of the span that it tells of.
SELECT cityHash64(trace_id, if(event = 'content', parent_span_id, span_id)) AS span_key, {columns}
FROM span_facts{final}
WHERE trace_id IN {traces:Array(String)} AND started_at >= {from:DateTime64(6)} AND started_at < {to:DateTime64(6)}
    AND (role IN ('tool', 'model') OR event = 'content' OR cityHash64(trace_id, span_id) IN {keys:Array(UInt64)})
