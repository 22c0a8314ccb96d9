-- NULL: as other input or output; what is cached as other cached input, else as other input of its kind.
ALTER TABLE model_prices
    ADD COLUMN IF NOT EXISTS audio_input_usd_per_mtok Nullable(Float64) AFTER reasoning_usd_per_mtok,
    ADD COLUMN IF NOT EXISTS audio_output_usd_per_mtok Nullable(Float64) AFTER audio_input_usd_per_mtok,
    ADD COLUMN IF NOT EXISTS audio_cache_read_usd_per_mtok Nullable(Float64) AFTER audio_output_usd_per_mtok,
    ADD COLUMN IF NOT EXISTS image_input_usd_per_mtok Nullable(Float64) AFTER audio_cache_read_usd_per_mtok,
    ADD COLUMN IF NOT EXISTS image_output_usd_per_mtok Nullable(Float64) AFTER image_input_usd_per_mtok,
    ADD COLUMN IF NOT EXISTS image_cache_read_usd_per_mtok Nullable(Float64) AFTER image_output_usd_per_mtok
