-- Other traces that carry a run id of these traces: a resumed or repeated run is one run over several traces. An id that was
-- given may be the one the store had made of trace and span: then the run began in that trace. The other way round, a run that was
-- suspended here may go on elsewhere under the id that the store made for it.
SELECT DISTINCT trace_id
FROM span_facts
WHERE trace_id NOT IN {traces:Array(String)} AND run_id IN
(
    SELECT run_id FROM span_facts
    WHERE run_id != '' AND trace_id IN {traces:Array(String)} AND started_at >= {from:DateTime64(6)} AND started_at < {to:DateTime64(6)}
)
UNION DISTINCT
SELECT DISTINCT named AS trace_id
FROM
(
    SELECT substring(run_id, 1, 32) AS named FROM span_facts
    WHERE match(run_id, '^[0-9a-f]{32}-[0-9a-f]{16}$')
        AND trace_id IN {traces:Array(String)} AND started_at >= {from:DateTime64(6)} AND started_at < {to:DateTime64(6)}
)
WHERE named NOT IN {traces:Array(String)}
UNION DISTINCT
SELECT DISTINCT trace_id
FROM span_facts
WHERE trace_id NOT IN {traces:Array(String)} AND run_id IN
(
    SELECT concat(trace_id, '-', span_id) FROM span_facts
    WHERE status = 'waiting' AND run_id = ''
        AND trace_id IN {traces:Array(String)} AND started_at >= {from:DateTime64(6)} AND started_at < {to:DateTime64(6)}
)
