-- Tokens that are no text: parts of the input, output and cached tokens.
ALTER TABLE model_calls_data
    ADD COLUMN IF NOT EXISTS audio_input_tokens UInt64 CODEC(ZSTD(1)) AFTER reasoning_tokens,
    ADD COLUMN IF NOT EXISTS audio_output_tokens UInt64 CODEC(ZSTD(1)) AFTER audio_input_tokens,
    ADD COLUMN IF NOT EXISTS audio_cache_read_tokens UInt64 CODEC(ZSTD(1)) AFTER audio_output_tokens,
    ADD COLUMN IF NOT EXISTS image_input_tokens UInt64 CODEC(ZSTD(1)) AFTER audio_cache_read_tokens,
    ADD COLUMN IF NOT EXISTS image_output_tokens UInt64 CODEC(ZSTD(1)) AFTER image_input_tokens,
    ADD COLUMN IF NOT EXISTS image_cache_read_tokens UInt64 CODEC(ZSTD(1)) AFTER image_output_tokens
