INSERT INTO runs_data
SELECT r.* EXCEPT (run_key, parent_run_key, root_run_key) REPLACE (
    multiIf(parent.run_id != '', parent.run_id, r.parent_run_id) AS parent_run_id,
    multiIf(root.run_id != '', root.run_id, r.parent_run_id != '', r.parent_run_id, r.run_id) AS root_run_id)
FROM {rows:Identifier} AS r
LEFT JOIN {rows:Identifier} AS parent ON parent.run_key = r.parent_run_key
LEFT JOIN {rows:Identifier} AS root ON root.run_key = r.root_run_key
