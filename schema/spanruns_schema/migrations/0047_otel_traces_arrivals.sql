-- Kept nothing; rows were inserted here for the views to map.
DROP TABLE IF EXISTS otel_traces_arrivals SYNC
