-- As many rows a merge as before, now that a batch has three quarters of them.
ALTER TABLE model_calls_data MODIFY SETTING merge_selector_base = 14
