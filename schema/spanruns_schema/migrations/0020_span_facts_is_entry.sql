-- Whether the span is where a request entered its process: its parent is another's, and may never arrive.
ALTER TABLE span_facts ADD COLUMN IF NOT EXISTS is_entry Bool AFTER is_shadow
