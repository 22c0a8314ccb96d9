-- The fingerprint of each error.
SELECT {error_fingerprint} AS said
FROM
(
    SELECT arrayJoin(arrayZip({types:Array(String)}, {messages:Array(String)})) AS error, error.1 AS error_type, error.2 AS error_message
)
