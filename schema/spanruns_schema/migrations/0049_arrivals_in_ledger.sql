-- What the four before have dropped is no longer applied.
INSERT INTO schema_migrations (name, checksum)
SELECT arrayJoin(['arrived_span_facts_mv', 'arrived_event_facts_mv', 'otel_traces_arrivals', 'otel_logs_arrivals']), ''
