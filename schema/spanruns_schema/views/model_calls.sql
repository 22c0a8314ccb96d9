-- Model calls, current and without duplicates.
CREATE OR REPLACE VIEW model_calls AS
SELECT * EXCEPT (version, is_deleted) FROM model_calls_data FINAL
