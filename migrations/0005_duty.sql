-- What keeps duty without being asked: jobs, owners of areas, quiet windows.

-- Each job is run by the one holder of the duty lock; the row is its memory.
CREATE TABLE job (
    name         text PRIMARY KEY,
    every_s      integer NOT NULL,
    last_start   timestamptz,
    last_end     timestamptz,
    last_result  text,
    last_error   text
);

-- Who ingests which area; the fencing epoch rises with each owner, and a writer
-- whose epoch is not the newest is refused.
CREATE TABLE ingest_owner (
    scope       text PRIMARY KEY,        -- area code, or * for all
    owner       text NOT NULL,
    fencing     bigint NOT NULL,
    taken_at    timestamptz NOT NULL
);

-- Plans, shelves and calibration windows: what the engine's QuietTable is read from.
CREATE TABLE quiet (
    quiet_id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind               text NOT NULL CHECK (kind IN ('plan', 'shelf', 'calibration')),
    subject_type       text NOT NULL,
    subject_id         text NOT NULL,
    effective_from_us  bigint NOT NULL,
    until_us           bigint NOT NULL,
    rank_ceiling       smallint NOT NULL CHECK (rank_ceiling BETWEEN 0 AND 3),
    value_ceiling      double precision,
    reason             text NOT NULL,
    owner              text NOT NULL,
    approved_by        text,
    withdrawn_at       timestamptz,
    recorded_at        timestamptz NOT NULL DEFAULT now(),
    CHECK (until_us > effective_from_us)
);
CREATE INDEX quiet_until ON quiet (until_us);
