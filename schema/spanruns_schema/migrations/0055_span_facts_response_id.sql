-- The provider's id of the answer: two spans of one model call have the same.
ALTER TABLE span_facts ADD COLUMN IF NOT EXISTS response_id String CODEC(ZSTD(1)) AFTER provider
