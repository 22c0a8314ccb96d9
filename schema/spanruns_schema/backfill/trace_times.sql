-- The times of traces whose spans were there before anything kept them: without, the resolver would not find their facts.
INSERT INTO otel_traces_trace_id_ts (TraceId, Start, End)
SELECT seen.TraceId, seen.first, seen.last
FROM
(
    SELECT TraceId, min(toDateTime(Timestamp)) AS first, max(toDateTime(Timestamp)) AS last
    FROM otel_traces
    WHERE Timestamp >= {from:DateTime64(9)} AND Timestamp < {to:DateTime64(9)} AND TraceId != ''
    GROUP BY TraceId
) AS seen
LEFT JOIN
(
    SELECT TraceId, min(Start) AS start, max(End) AS end
    FROM otel_traces_trace_id_ts
    WHERE TraceId IN
    (
        SELECT TraceId FROM otel_traces WHERE Timestamp >= {from:DateTime64(9)} AND Timestamp < {to:DateTime64(9)}
    )
    GROUP BY TraceId
) AS known ON known.TraceId = seen.TraceId
WHERE known.TraceId = '' OR seen.first < known.start OR seen.last > known.end
