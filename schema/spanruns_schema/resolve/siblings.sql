-- Other traces that carry a run id of these traces: a resumed or repeated run is one run over several traces.
SELECT DISTINCT trace_id
FROM span_facts
WHERE trace_id NOT IN {traces:Array(String)} AND run_id IN
(
    SELECT run_id FROM span_facts
    WHERE run_id != '' AND trace_id IN {traces:Array(String)} AND started_at >= {from:DateTime64(6)} AND started_at < {to:DateTime64(6)}
)
