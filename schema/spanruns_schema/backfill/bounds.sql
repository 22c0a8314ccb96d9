-- When the raw rows begin and end; both are 0 without any.
SELECT toUnixTimestamp(min(Timestamp)) AS first_s, toUnixTimestamp(max(Timestamp)) AS last_s FROM otel_traces
