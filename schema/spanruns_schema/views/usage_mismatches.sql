-- Runs whose own spans claim other usage or cost than their model calls add up to (without and with those of their sub-runs):
-- by a hundredth and more than a token. What is shown of a run is always the sum.
CREATE OR REPLACE VIEW usage_mismatches AS
SELECT
    run_id, agent_name, service_name, started_at,
    reported_input_tokens, input_tokens, reported_output_tokens, output_tokens, reported_cost_usd, cost_usd, unpriced_call_count
FROM runs
WHERE usage_mismatch
