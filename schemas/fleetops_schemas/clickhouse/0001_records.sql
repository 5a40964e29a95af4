-- Control records. The columns are what people filter by; `body` is the whole record as JSON.
-- The newest `updated_at` of a key wins; before a merge, read with FINAL.

-- Events expire by when they were observed: a source's own clock may stand in 1970.
CREATE TABLE IF NOT EXISTS events
(
    id           String CODEC(ZSTD(1)),
    time         DateTime64(6, 'UTC') CODEC(Delta, ZSTD(1)),
    updated_at   DateTime64(6, 'UTC') CODEC(Delta, ZSTD(1)),
    host         LowCardinality(String),
    device       LowCardinality(String),
    device_class LowCardinality(String),
    source       LowCardinality(String),
    kind         LowCardinality(String),
    code         Nullable(Int64) CODEC(ZSTD(1)),
    severity     LowCardinality(String),
    text         String CODEC(ZSTD(1)),
    body         String CODEC(ZSTD(1))
)
ENGINE = ReplacingMergeTree(updated_at)
PARTITION BY toYYYYMM(time)
ORDER BY (host, time, id)
TTL toDateTime(updated_at) + INTERVAL 400 DAY
SETTINGS ttl_only_drop_parts = 1;

-- A finding keeps its id when it fires again later: an episode is its id and its start.
CREATE TABLE IF NOT EXISTS findings
(
    id           String CODEC(ZSTD(1)),
    started_at   DateTime64(6, 'UTC') CODEC(Delta, ZSTD(1)),
    updated_at   DateTime64(6, 'UTC') CODEC(Delta, ZSTD(1)),
    status       LowCardinality(String),
    detector     LowCardinality(String),
    kind         LowCardinality(String),
    host         LowCardinality(String),
    device       LowCardinality(String),
    device_class LowCardinality(String),
    severity     LowCardinality(String),
    action       LowCardinality(String),
    job          LowCardinality(String),
    summary      String CODEC(ZSTD(1)),
    body         String CODEC(ZSTD(1))
)
ENGINE = ReplacingMergeTree(updated_at)
ORDER BY (host, started_at, id);

CREATE TABLE IF NOT EXISTS incidents
(
    id                 String CODEC(ZSTD(1)),
    opened_at          DateTime64(6, 'UTC') CODEC(ZSTD(1)),
    updated_at         DateTime64(6, 'UTC') CODEC(ZSTD(1)),
    resolved_at        Nullable(DateTime64(6, 'UTC')) CODEC(ZSTD(1)),
    status             LowCardinality(String),
    verdict            LowCardinality(String),
    kind               LowCardinality(String),
    severity           LowCardinality(String),
    action             LowCardinality(String),
    cause_device       LowCardinality(String),
    cause_device_class LowCardinality(String),
    suspect_hosts      Array(String) CODEC(ZSTD(1)),
    affected_hosts     Array(String) CODEC(ZSTD(1)),
    job                LowCardinality(String),
    title              String CODEC(ZSTD(1)),
    body               String CODEC(ZSTD(1))
)
ENGINE = ReplacingMergeTree(updated_at)
ORDER BY id;

CREATE TABLE IF NOT EXISTS actions
(
    id           String CODEC(ZSTD(1)),
    created_at   DateTime64(6, 'UTC') CODEC(ZSTD(1)),
    updated_at   DateTime64(6, 'UTC') CODEC(ZSTD(1)),
    kind         LowCardinality(String),
    state        LowCardinality(String),
    target       LowCardinality(String),
    nodes        Array(String) CODEC(ZSTD(1)),
    intent_id    String CODEC(ZSTD(1)),
    incident_id  String CODEC(ZSTD(1)),
    requested_by LowCardinality(String),
    decided_by   LowCardinality(String),
    epoch        Int64 CODEC(ZSTD(1)),
    body         String CODEC(ZSTD(1))
)
ENGINE = ReplacingMergeTree(updated_at)
ORDER BY id;
