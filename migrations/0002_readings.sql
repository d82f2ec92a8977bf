-- What came in: frames, readings, refusals, the latest value of everything.

CREATE TABLE frame (
    judged_at    timestamptz NOT NULL,   -- device time if it is sane, else arrival
    arrived_at   timestamptz NOT NULL,
    device_ms    bigint NOT NULL,        -- as sent, even when absurd
    seq          bigint NOT NULL,
    mine_id      integer NOT NULL,
    run          integer NOT NULL,
    n_readings   integer NOT NULL,
    channel      smallint NOT NULL,      -- 0 data, 1 backfill
    boot         text NOT NULL
);

CREATE TABLE reading (
    at          timestamptz NOT NULL,    -- the time it is judged at
    arrived_at  timestamptz NOT NULL,
    value       double precision,        -- null: the mine sent no value
    point_id    integer NOT NULL,
    run         integer NOT NULL,
    state       integer NOT NULL         -- state bits
);

-- gasmon: when timescaledb
SELECT create_hypertable('frame', 'judged_at', chunk_time_interval => interval '1 day',
                         create_default_indexes => false);
SELECT create_hypertable('reading', 'at', chunk_time_interval => interval '1 day',
                         create_default_indexes => false);
CREATE UNIQUE INDEX frame_key ON frame (run, mine_id, boot, seq, judged_at);
CREATE UNIQUE INDEX reading_key ON reading (run, point_id, at);
-- gasmon: when tsl
ALTER TABLE reading SET (timescaledb.compress,
    timescaledb.compress_segmentby = 'run, point_id',
    timescaledb.compress_orderby = 'at');
SELECT add_compression_policy('reading', interval '3 days');
-- gasmon: when plain
-- Partitions are made by gasmon itself (store/partitions.py): PostgreSQL needs the
-- table to be declared partitioned from the start. What lies outside the span that is
-- kept (a clock that is years off) goes to *_other, so that no reading is refused for
-- its time and no clock can create partitions decades away.
DROP TABLE frame;
DROP TABLE reading;
CREATE TABLE frame (
    judged_at    timestamptz NOT NULL,
    arrived_at   timestamptz NOT NULL,
    device_ms    bigint NOT NULL,
    seq          bigint NOT NULL,
    mine_id      integer NOT NULL,
    run          integer NOT NULL,
    n_readings   integer NOT NULL,
    channel      smallint NOT NULL,
    boot         text NOT NULL
) PARTITION BY RANGE (judged_at);
CREATE TABLE reading (
    at          timestamptz NOT NULL,
    arrived_at  timestamptz NOT NULL,
    value       double precision,
    point_id    integer NOT NULL,
    run         integer NOT NULL,
    state       integer NOT NULL
) PARTITION BY RANGE (at);
CREATE UNIQUE INDEX frame_key ON frame (run, mine_id, boot, seq, judged_at);
CREATE UNIQUE INDEX reading_key ON reading (run, point_id, at);
CREATE TABLE frame_other PARTITION OF frame DEFAULT;
CREATE TABLE reading_other PARTITION OF reading DEFAULT;
-- gasmon: always

CREATE TABLE reject (
    reject_id    bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    arrived_at   timestamptz NOT NULL,
    recorded_at  timestamptz NOT NULL DEFAULT now(),
    run          integer NOT NULL,
    mine         text,
    topic        text NOT NULL,
    layer        text NOT NULL,          -- packet, frame, reading, definition, store
    reason       text NOT NULL,
    detail       text NOT NULL,
    first_bytes  bytea NOT NULL,
    size         bigint NOT NULL,
    n            integer NOT NULL DEFAULT 1
);
CREATE INDEX reject_arrived ON reject (arrived_at DESC);
CREATE INDEX reject_mine ON reject (mine, arrived_at DESC);

-- One row per mine with all its points packed (store/latest.py names the layout), so
-- that a city's live values are 259 rows and the api need not live beside ingest.
CREATE SEQUENCE mine_latest_seq;
CREATE TABLE mine_latest (
    run         integer NOT NULL,
    mine_id     integer NOT NULL REFERENCES mine ON DELETE RESTRICT,
    seq         bigint NOT NULL DEFAULT nextval('mine_latest_seq'),
    online      boolean NOT NULL DEFAULT true,
    boot        text,
    frame_seq   bigint,
    judged_at   timestamptz,
    arrived_at  timestamptz NOT NULL,
    points      bytea NOT NULL,
    PRIMARY KEY (run, mine_id)
) WITH (fillfactor = 50);

-- The clock marks that the engine was given, in order with the frames.
CREATE TABLE clock_mark (
    at          timestamptz NOT NULL,
    run         integer NOT NULL,
    recorded_at timestamptz NOT NULL DEFAULT now(),
    owner       text NOT NULL,
    PRIMARY KEY (run, owner, at)
);
CREATE INDEX clock_mark_at ON clock_mark USING brin (at);
