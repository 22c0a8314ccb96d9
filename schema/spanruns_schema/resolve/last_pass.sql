-- Up to when every fact has been resolved, and, for stores where nobody noted that, when a resolver last wrote and when the oldest fact was
-- written (microseconds, 0: never).
SELECT
    (SELECT greatest(0, toUnixTimestamp64Micro(max(at))) FROM resolved_until) AS until_us,
    toUInt64(greatest(
        (SELECT max(version) FROM runs_data),
        (SELECT max(version) FROM tool_calls_data),
        (SELECT max(version) FROM model_calls_data))) AS resolved_us,
    (SELECT greatest(0, toUnixTimestamp64Micro(min(inserted_at))) FROM span_facts) AS fact_us
