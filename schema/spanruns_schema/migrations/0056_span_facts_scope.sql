-- Which instrumentation speaks: two of them may tell of the same call, one of them never does twice.
ALTER TABLE span_facts ADD COLUMN IF NOT EXISTS scope LowCardinality(String) AFTER dialect
