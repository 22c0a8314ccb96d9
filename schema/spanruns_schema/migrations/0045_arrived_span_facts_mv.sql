-- The embedded store no longer maps rows itself: its one writer makes the facts.
DROP VIEW IF EXISTS arrived_span_facts_mv SYNC
