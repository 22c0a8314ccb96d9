-- As the one before, for log records.
DROP VIEW IF EXISTS arrived_event_facts_mv SYNC
