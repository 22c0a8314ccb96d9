-- The ids behind the keys that the tree is computed on.
SELECT trace_id
FROM (SELECT arrayJoin({traces:Array(String)}) AS trace_id)
WHERE cityHash64(trace_id) IN {keys:Array(UInt64)}
