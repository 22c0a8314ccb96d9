-- Tool calls, current and without duplicates.
CREATE OR REPLACE VIEW tool_calls AS
SELECT * EXCEPT (version, is_deleted) FROM tool_calls_data FINAL
