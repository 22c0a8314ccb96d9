-- How many runs of a filter (see runs_matching) have each value, for the fields that runs are chosen by: status, trigger, agent,
-- service, environment, and waiting (true: runs that wait or have waited).
CREATE OR REPLACE VIEW runs_facets AS
SELECT
    multiIf(
        grouping(status) = 1, 'status', grouping(trigger) = 1, 'trigger', grouping(agent_name) = 1, 'agent',
        grouping(service_name) = 1, 'service', grouping(environment) = 1, 'environment', 'waiting') AS facet,
    multiIf(
        facet = 'status', toString(status), facet = 'trigger', toString(trigger), facet = 'agent', toString(agent_name),
        facet = 'service', toString(service_name), facet = 'environment', toString(environment),
        if(has_waited, 'true', 'false')) AS value,
    count() AS total
FROM
(
    SELECT
        status, trigger, agent_name, service_name, environment,
        waiting_ms > 0 OR waiting_since IS NOT NULL OR status = 'waiting' AS has_waited
    FROM runs_matching(
        filter = {filter:Map(String, Array(String))}, from = {from:DateTime64(6, 'UTC')}, to = {to:DateTime64(6, 'UTC')})
)
GROUP BY GROUPING SETS ((status), (trigger), (agent_name), (service_name), (environment), (has_waited))
ORDER BY facet, total DESC, value
SETTINGS force_grouping_standard_compatibility = 0
