-- How far each backfill has come, so that one that was stopped goes on there.
CREATE TABLE IF NOT EXISTS schema_backfills
(
    start DateTime64(6, 'UTC'),
    mapping String,
    done_until DateTime64(6, 'UTC'),
    is_finished Bool,
    updated_at DateTime64(6, 'UTC') DEFAULT now64(6, 'UTC')
)
ENGINE = ReplacingMergeTree(updated_at)
ORDER BY (start, mapping)
