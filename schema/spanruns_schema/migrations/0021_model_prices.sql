-- What models cost, by the names that spans give them. The receiver adds rows for names when it first sees them
-- (`source` = 'genai-prices …'); all others are left alone and win, so `INSERT INTO model_prices (provider, model, input_usd_per_mtok, …)` sets a price.
-- Of several rows that hold for a call the last by (valid_from, time of day, above_input_tokens) counts.
CREATE TABLE IF NOT EXISTS model_prices
(
    provider LowCardinality(String),
    model String,
    valid_from DateTime('UTC') DEFAULT toDateTime(0, 'UTC'),
    day_from_s UInt32 DEFAULT 0, -- seconds of the day (UTC) between which the price holds
    day_until_s UInt32 DEFAULT 86400,
    above_input_tokens UInt64 DEFAULT 0, -- for calls with more input tokens than these, all of their tokens
    input_usd_per_mtok Nullable(Float64),
    output_usd_per_mtok Nullable(Float64),
    cache_read_usd_per_mtok Nullable(Float64), -- NULL: as other input
    cache_write_usd_per_mtok Nullable(Float64), -- NULL: as other input
    reasoning_usd_per_mtok Nullable(Float64), -- NULL: as other output
    request_usd Nullable(Float64), -- for each call, beside its tokens
    source LowCardinality(String) DEFAULT 'own',
    loaded_at DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC')
)
ENGINE = ReplacingMergeTree(loaded_at)
ORDER BY (provider, model, startsWith(source, 'genai-prices '), valid_from, day_from_s, above_input_tokens)
