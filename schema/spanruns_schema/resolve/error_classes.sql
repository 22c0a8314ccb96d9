-- The class of each error.
SELECT {error_class} AS said
FROM
(
    SELECT arrayJoin(arrayZip({types:Array(String)}, {messages:Array(String)})) AS error, error.1 AS error_type, error.2 AS error_message
)
