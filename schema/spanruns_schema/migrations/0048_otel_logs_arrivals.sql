-- As the one before, for log records.
DROP TABLE IF EXISTS otel_logs_arrivals SYNC
