-- One row: every fact that was written until then has been resolved, by whichever resolver. A later one begins there.
CREATE TABLE IF NOT EXISTS resolved_until
(
    at DateTime64(6, 'UTC')
)
ENGINE = ReplacingMergeTree(at)
ORDER BY tuple()
