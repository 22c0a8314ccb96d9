-- Raw rows that have facts, per interval: spans, lifecycle records, and those with contents of a span (`contents`: their events).
SELECT toUnixTimestamp(toStartOfInterval(at, toIntervalSecond({seconds:UInt32}))) AS start_s, count() AS records
FROM
(
    SELECT Timestamp AS at FROM otel_traces
    WHERE Timestamp >= {from:DateTime64(9)} AND Timestamp < {to:DateTime64(9)}
    UNION ALL
    SELECT Timestamp AS at FROM otel_logs
    WHERE Timestamp >= {from:DateTime64(9)} AND Timestamp < {to:DateTime64(9)}
        AND (startsWith(EventName, 'spanruns.run.') OR startsWith(LogAttributes['event.name'], 'spanruns.run.')
            OR {event_name} IN ({contents}))
)
GROUP BY start_s
ORDER BY start_s
