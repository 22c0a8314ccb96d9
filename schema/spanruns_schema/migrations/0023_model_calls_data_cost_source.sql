-- Where the cost is from: `span` (the span said it), `prices` (the table model_prices), or empty where there is none.
ALTER TABLE model_calls_data ADD COLUMN IF NOT EXISTS cost_source LowCardinality(String) AFTER cost_usd
