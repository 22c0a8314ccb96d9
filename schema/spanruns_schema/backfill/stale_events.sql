-- The same for facts that were made from lifecycle records: a record has the time of its event and the service of its run.
SELECT DISTINCT trace_id, span_id, {key} AS key
FROM span_facts
WHERE event_at >= {from:DateTime64(9)} AND event_at < {to:DateTime64(9)} AND event NOT IN ('', 'content') AND dialect = 'spanruns'
    AND (service_name, event_at) IN
    (
        SELECT ServiceName, toDateTime64(Timestamp, 6, 'UTC') FROM otel_logs
        WHERE Timestamp >= {from:DateTime64(9)} AND Timestamp < {to:DateTime64(9)}
            AND (startsWith(EventName, 'spanruns.run.') OR startsWith(LogAttributes['event.name'], 'spanruns.run.'))
    )
    AND key NOT IN (SELECT {key} FROM ({select}))
