-- Tables that a Collector made do not remember inserts: with this a repeated one is stored once, as in tables of our own.
ALTER TABLE otel_metrics_histogram MODIFY SETTING non_replicated_deduplication_window = 10000
