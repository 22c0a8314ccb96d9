-- As many rows a merge as before, now that a batch has three quarters of them.
ALTER TABLE otel_traces MODIFY SETTING merge_selector_base = 33
