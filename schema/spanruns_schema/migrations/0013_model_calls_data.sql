-- Model calls as resolved; the view `model_calls` reads it.
CREATE TABLE IF NOT EXISTS model_calls_data
(
    run_id String CODEC(ZSTD(1)),
    root_run_id String CODEC(ZSTD(1)),
    trace_id String CODEC(ZSTD(1)),
    span_id String CODEC(ZSTD(1)),
    operation LowCardinality(String),
    model LowCardinality(String),
    provider LowCardinality(String),
    agent_name LowCardinality(String),
    service_name LowCardinality(String),
    workspace LowCardinality(String),
    status LowCardinality(String),
    started_at DateTime64(6, 'UTC') CODEC(Delta, ZSTD(1)),
    ended_at Nullable(DateTime64(6, 'UTC')) CODEC(ZSTD(1)),
    duration_ms Float64 CODEC(ZSTD(1)),
    time_to_first_chunk_ms Nullable(Float64) CODEC(ZSTD(1)),
    input_tokens UInt64 CODEC(ZSTD(1)),
    output_tokens UInt64 CODEC(ZSTD(1)),
    cache_read_tokens UInt64 CODEC(ZSTD(1)),
    cache_write_tokens UInt64 CODEC(ZSTD(1)),
    reasoning_tokens UInt64 CODEC(ZSTD(1)),
    cost_usd Nullable(Float64) CODEC(ZSTD(1)),
    input String CODEC(ZSTD(1)),
    output String CODEC(ZSTD(1)),
    input_size UInt64 CODEC(ZSTD(1)),
    output_size UInt64 CODEC(ZSTD(1)),
    error_type LowCardinality(String),
    error_message String CODEC(ZSTD(1)),
    version UInt64 CODEC(ZSTD(1)),
    is_deleted UInt8,
    INDEX idx_run_id run_id TYPE bloom_filter(0.001) GRANULARITY 1,
    INDEX idx_trace_id trace_id TYPE bloom_filter(0.001) GRANULARITY 1
)
ENGINE = ReplacingMergeTree(version, is_deleted)
PARTITION BY toDate(started_at)
ORDER BY (started_at, trace_id, span_id)
TTL toDate(started_at) + INTERVAL 90 DAY
SETTINGS ttl_only_drop_parts = 1
