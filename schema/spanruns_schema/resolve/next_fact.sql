-- When the first fact after a time was written (microseconds, 0: none).
SELECT greatest(0, toUnixTimestamp64Micro(min(inserted_at))) AS fact_us
FROM span_facts
WHERE inserted_at > {after:DateTime64(6)}
