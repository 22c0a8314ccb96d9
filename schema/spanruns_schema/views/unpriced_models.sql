-- Models that used tokens which nobody has a price for: their calls have no cost, and so have runs of nothing else.
CREATE OR REPLACE VIEW unpriced_models AS
SELECT
    provider, model, count() AS calls, sum(input_tokens) AS input_tokens, sum(output_tokens) AS output_tokens,
    min(started_at) AS first_call_at, max(started_at) AS last_call_at
FROM model_calls AS calls_
WHERE calls_.cost_usd IS NULL AND calls_.input_tokens + calls_.output_tokens > 0
GROUP BY provider, model
