-- When each trace began and ended (seconds), so that its facts are found without a scan.
SELECT TraceId AS trace_id, toInt64(toUnixTimestamp(min(Start))) AS start_s, toInt64(toUnixTimestamp(max(End))) AS end_s
FROM otel_traces_trace_id_ts
WHERE TraceId IN {traces:Array(String)}
GROUP BY TraceId
