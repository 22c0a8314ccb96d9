-- Facts by when they were written: those of one insert have the same time.
SELECT toUnixTimestamp64Micro(inserted_at) AS inserted_us, count() AS facts
FROM span_facts
WHERE inserted_at > {after:DateTime64(6)}
GROUP BY inserted_at
