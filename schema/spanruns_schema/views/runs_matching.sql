-- The runs that a filter asks for, started in [from, to). Every list, count and chart of runs reads this view, so the same
-- filter means the same runs everywhere.
--   filter: map from a name to values, e.g. map('agent', ['planner'], 'not_status', ['success', 'running'])
--     agent, status, trigger, kind, service, environment, session, user, workspace, error_class, fingerprint, version, parent:
--         any of the values; not_agent …: none of them
--     tag, tool, model: a run that has any of them; not_tag …: a run that has none of them
--     min_duration_ms, max_duration_ms, min_cost_usd, max_cost_usd: one number
--     has_error, was_waiting, root_only: 'true' or 'false'
--     search: every one of these texts is in input, output or error message, whatever its case
--   from, to: times, UTC
-- Names that are not given cost nothing: their conditions are constant.
CREATE OR REPLACE VIEW runs_matching AS
WITH {filter:Map(String, Array(String))} AS f
SELECT *
FROM runs
WHERE started_at >= {from:DateTime64(6, 'UTC')} AND started_at < {to:DateTime64(6, 'UTC')}
    AND NOT throwIf(
        notEmpty(arrayFilter(
            name -> NOT has(
                ['agent', 'status', 'trigger', 'kind', 'service', 'environment', 'session', 'user', 'workspace', 'error_class',
                 'fingerprint', 'version', 'parent', 'tag', 'tool', 'model', 'min_duration_ms', 'max_duration_ms', 'min_cost_usd',
                 'max_cost_usd', 'has_error', 'was_waiting', 'root_only', 'search'],
                replaceRegexpOne(name, '^not_', '')),
            mapKeys(f))),
        'the filter has a name that runs_matching does not know')
    AND (empty(f['agent']) OR has(f['agent'], agent_name)) AND (empty(f['not_agent']) OR NOT has(f['not_agent'], agent_name))
    AND (empty(f['status']) OR has(f['status'], status)) AND (empty(f['not_status']) OR NOT has(f['not_status'], status))
    AND (empty(f['trigger']) OR has(f['trigger'], trigger)) AND (empty(f['not_trigger']) OR NOT has(f['not_trigger'], trigger))
    AND (empty(f['kind']) OR has(f['kind'], kind)) AND (empty(f['not_kind']) OR NOT has(f['not_kind'], kind))
    AND (empty(f['service']) OR has(f['service'], service_name)) AND (empty(f['not_service']) OR NOT has(f['not_service'], service_name))
    AND (empty(f['environment']) OR has(f['environment'], environment)) AND (empty(f['not_environment']) OR NOT has(f['not_environment'], environment))
    AND (empty(f['session']) OR has(f['session'], session_id)) AND (empty(f['not_session']) OR NOT has(f['not_session'], session_id))
    AND (empty(f['user']) OR has(f['user'], user_id)) AND (empty(f['not_user']) OR NOT has(f['not_user'], user_id))
    AND (empty(f['workspace']) OR has(f['workspace'], workspace)) AND (empty(f['not_workspace']) OR NOT has(f['not_workspace'], workspace))
    AND (empty(f['error_class']) OR has(f['error_class'], error_class)) AND (empty(f['not_error_class']) OR NOT has(f['not_error_class'], error_class))
    AND (empty(f['fingerprint']) OR has(f['fingerprint'], error_fingerprint)) AND (empty(f['not_fingerprint']) OR NOT has(f['not_fingerprint'], error_fingerprint))
    AND (empty(f['version']) OR has(f['version'], agent_version)) AND (empty(f['not_version']) OR NOT has(f['not_version'], agent_version))
    AND (empty(f['parent']) OR has(f['parent'], parent_run_id)) AND (empty(f['not_parent']) OR NOT has(f['not_parent'], parent_run_id))
    AND (empty(f['tag']) OR hasAny(f['tag'], tags)) AND (empty(f['not_tag']) OR NOT hasAny(f['not_tag'], tags))
    AND (empty(f['tool']) OR run_id IN (SELECT run_id FROM tool_calls WHERE has({filter:Map(String, Array(String))}['tool'], tool_name)))
    AND (empty(f['not_tool']) OR run_id NOT IN (SELECT run_id FROM tool_calls WHERE has({filter:Map(String, Array(String))}['not_tool'], tool_name)))
    AND (empty(f['model']) OR run_id IN (SELECT run_id FROM model_calls WHERE has({filter:Map(String, Array(String))}['model'], model)))
    AND (empty(f['not_model']) OR run_id NOT IN (SELECT run_id FROM model_calls WHERE has({filter:Map(String, Array(String))}['not_model'], model)))
    AND (empty(f['min_duration_ms']) OR duration_ms >= toFloat64(if(empty(f['min_duration_ms']), '0', f['min_duration_ms'][1])))
    AND (empty(f['max_duration_ms']) OR duration_ms <= toFloat64(if(empty(f['max_duration_ms']), '0', f['max_duration_ms'][1])))
    AND (empty(f['min_cost_usd']) OR cost_usd >= toFloat64(if(empty(f['min_cost_usd']), '0', f['min_cost_usd'][1])))
    AND (empty(f['max_cost_usd']) OR cost_usd <= toFloat64(if(empty(f['max_cost_usd']), '0', f['max_cost_usd'][1])))
    AND (empty(f['has_error']) OR (status = 'failed' OR error_type != '' OR error_message != '') = (f['has_error'][1] = 'true'))
    AND (empty(f['was_waiting']) OR (waiting_ms > 0 OR waiting_since IS NOT NULL) = (f['was_waiting'][1] = 'true'))
    AND (empty(f['root_only']) OR f['root_only'][1] != 'true' OR parent_run_id = '')
    AND (empty(f['search']) OR arrayAll(
        text -> positionCaseInsensitiveUTF8(input, text) > 0 OR positionCaseInsensitiveUTF8(output, text) > 0
            OR positionCaseInsensitiveUTF8(error_message, text) > 0,
        f['search']))
