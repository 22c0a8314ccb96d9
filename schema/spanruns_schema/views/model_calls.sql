-- Model calls, current and without duplicates; `cost_source` says who gave the cost: the `span`, or the table of `prices`.
CREATE OR REPLACE VIEW model_calls AS
SELECT * EXCEPT (version, is_deleted) FROM model_calls_data FINAL
