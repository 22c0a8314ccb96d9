INSERT INTO schema_backfills (start, mapping, done_until, is_finished)
SELECT {from:DateTime64(6)}, {mapping:String}, {until:DateTime64(6)}, {finished:Bool}
