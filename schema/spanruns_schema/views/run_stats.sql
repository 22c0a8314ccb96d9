-- Counts, rates, cost and tokens of the runs of a filter (see runs_matching); no row when there are none.
--   by: '' for one row of all; or agent, version, trigger, status, kind, service, environment, workspace, user, session,
--     error_class for one row for each `value` of it
-- success_rate: successes among the runs that ended by themselves or were lost; those who were cancelled tell nothing.
-- cost_usd and tokens: what a run contains its parent contains too, so a run whose parent is counted in the same row is not
--   counted again.
-- avg_duration_ms: execution time of the runs that have ended, waiting excluded.
-- Nested `if`s, because those with a constant condition are resolved before any column is read; and no view between this one
-- and runs_matching, because every further layer doubles the time of planning.
CREATE OR REPLACE VIEW run_stats AS
SELECT
    value,
    count() AS total,
    countIf(status = 'success') AS success,
    countIf(status = 'failed') AS failed,
    countIf(status = 'cancelled') AS cancelled,
    countIf(status = 'running') AS running,
    countIf(status = 'queued') AS queued,
    countIf(status = 'waiting') AS waiting,
    countIf(status = 'lost') AS lost,
    if(success + failed + lost = 0, NULL, success / (success + failed + lost)) AS success_rate,
    sumIf(matched.cost_usd, is_outermost) AS cost_usd,
    sumIf(matched.input_tokens, is_outermost) AS input_tokens,
    sumIf(matched.output_tokens, is_outermost) AS output_tokens,
    avg(duration_ms) AS avg_duration_ms
FROM
(
    WITH {by:String} AS dimension
    SELECT
        status, cost_usd, input_tokens, output_tokens, duration_ms,
        toString(
            if(dimension = '', '', if(dimension = 'agent', agent_name, if(dimension = 'version', agent_version,
            if(dimension = 'trigger', trigger, if(dimension = 'status', status, if(dimension = 'kind', kind,
            if(dimension = 'service', service_name, if(dimension = 'environment', environment,
            if(dimension = 'workspace', workspace, if(dimension = 'user', user_id, if(dimension = 'session', session_id,
            if(dimension = 'error_class', error_class,
            toString(throwIf(true, 'run_stats does not know this dimension'))))))))))))))) AS value,
        parent_run_id = '' OR (parent_run_id, value) NOT IN (
            WITH {by:String} AS dimension
            SELECT
                run_id,
                toString(
                    if(dimension = '', '', if(dimension = 'agent', agent_name, if(dimension = 'version', agent_version,
                    if(dimension = 'trigger', trigger, if(dimension = 'status', status, if(dimension = 'kind', kind,
                    if(dimension = 'service', service_name, if(dimension = 'environment', environment,
                    if(dimension = 'workspace', workspace, if(dimension = 'user', user_id, if(dimension = 'session', session_id,
                    if(dimension = 'error_class', error_class,
                    toString(throwIf(true, 'run_stats does not know this dimension'))))))))))))))) AS value
            FROM runs_matching(
                filter = {filter:Map(String, Array(String))}, from = {from:DateTime64(6, 'UTC')}, to = {to:DateTime64(6, 'UTC')})
            WHERE run_id IN (
                SELECT parent_run_id
                FROM runs_data -- old versions too: this only narrows what is looked at
                WHERE parent_run_id != ''
                    AND started_at >= {from:DateTime64(6, 'UTC')} AND started_at < {to:DateTime64(6, 'UTC')})
        ) AS is_outermost
    FROM runs_matching(
        filter = {filter:Map(String, Array(String))}, from = {from:DateTime64(6, 'UTC')}, to = {to:DateTime64(6, 'UTC')})
) AS matched
GROUP BY value
