-- Tables that an older Collector made have no column for the event's name; it is then among the attributes.
ALTER TABLE otel_logs ADD COLUMN IF NOT EXISTS EventName String CODEC(ZSTD(1))
