-- What an engine goes on with after a restart: snapshots, and its log since then.

-- What each engine remembered at a step of its log. A scope is what one ingest process
-- owns (area codes joined by commas, or * for all).
CREATE TABLE engine_snapshot (
    run          integer NOT NULL,
    scope        text NOT NULL,
    step         bigint NOT NULL,        -- the last step that is in it
    taken_at     timestamptz NOT NULL,
    owner        text NOT NULL,
    n_points     integer NOT NULL,
    raw_bytes    bigint NOT NULL,        -- before compression
    body         bytea NOT NULL,         -- zlib of alarms/snapshot.py
    PRIMARY KEY (run, scope, step)
);
-- It is compressed already; the server need not try.
ALTER TABLE engine_snapshot ALTER COLUMN body SET STORAGE EXTERNAL;

-- What each engine was given, in order, in the transaction that stores what came of
-- it. Kept only since the oldest snapshot: readings have their own table.
CREATE TABLE engine_log (
    run          integer NOT NULL,
    scope        text NOT NULL,
    last_step    bigint NOT NULL,
    first_step   bigint NOT NULL,
    body         bytea NOT NULL,         -- alarms/steps.py
    PRIMARY KEY (run, scope, last_step),
    CHECK (first_step <= last_step)
);
ALTER TABLE engine_log ALTER COLUMN body SET STORAGE EXTERNAL;
