-- When a resolver last wrote, and when the oldest fact was written (microseconds, 0: never).
SELECT
    toUInt64(greatest(
        (SELECT max(version) FROM runs_data),
        (SELECT max(version) FROM tool_calls_data),
        (SELECT max(version) FROM model_calls_data))) AS resolved_us,
    (SELECT greatest(0, toUnixTimestamp64Micro(min(inserted_at))) FROM span_facts) AS fact_us
