-- Numbers that follow from other columns: hashing when they are asked for costs less than computing and storing them at every insert.
ALTER TABLE span_facts DROP COLUMN IF EXISTS span_key, DROP COLUMN IF EXISTS parent_key, DROP COLUMN IF EXISTS run_key
