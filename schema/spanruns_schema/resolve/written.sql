-- What earlier passes wrote of traces: for every row its table (0: runs, 1: tool calls, 2: model calls) and a mark of its key
-- (of a run its id, of a call its span; mixed with when it started, which is part of the key too). Tombstones are among them.
SELECT 0::UInt8 AS table, bitXor(cityHash64(run_id), toUnixTimestamp64Micro(started_at)::UInt64) AS mark
FROM runs_data
WHERE trace_id IN {traces:Array(String)} AND started_at >= {from:DateTime64(6)} AND started_at < {to:DateTime64(6)}
UNION ALL
SELECT 1::UInt8 AS table, bitXor(cityHash64(trace_id, span_id), toUnixTimestamp64Micro(started_at)::UInt64) AS mark
FROM tool_calls_data
WHERE trace_id IN {traces:Array(String)} AND started_at >= {from:DateTime64(6)} AND started_at < {to:DateTime64(6)}
UNION ALL
SELECT 2::UInt8 AS table, bitXor(cityHash64(trace_id, span_id), toUnixTimestamp64Micro(started_at)::UInt64) AS mark
FROM model_calls_data
WHERE trace_id IN {traces:Array(String)} AND started_at >= {from:DateTime64(6)} AND started_at < {to:DateTime64(6)}
