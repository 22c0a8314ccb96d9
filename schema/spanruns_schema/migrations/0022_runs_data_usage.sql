-- Whether what the run's own spans claim differs from the sum of its model calls; and how many of these have tokens but no price.
ALTER TABLE runs_data
    ADD COLUMN IF NOT EXISTS usage_mismatch Bool AFTER reported_cost_usd,
    ADD COLUMN IF NOT EXISTS unpriced_call_count UInt32 CODEC(ZSTD(1)) AFTER usage_mismatch
