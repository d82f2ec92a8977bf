-- The sealed arrival log: what each commit stored, chained, and a seal for each hour.

CREATE TABLE seal_batch (
    scope         text NOT NULL,           -- of the process that stored it
    number        bigint NOT NULL,         -- 1, 2, 3 … of that scope, without a hole
    recorded_at   timestamptz NOT NULL,
    at_from       timestamptz NOT NULL,    -- judged times of its frames and readings
    at_to         timestamptz NOT NULL,
    arrived_from  timestamptz NOT NULL,
    n_frames      integer NOT NULL,
    n_readings    integer NOT NULL,
    rows          bytea NOT NULL,          -- which frames and readings (gasmon/sealing.py)
    hash          bytea NOT NULL CHECK (length(hash) = 32),
    PRIMARY KEY (scope, number)
);
CREATE INDEX seal_batch_at ON seal_batch USING brin (at_from, at_to)
    WITH (pages_per_range = 8);
CREATE TRIGGER seal_batch_keep BEFORE UPDATE ON seal_batch
    FOR EACH ROW EXECUTE FUNCTION refuse_change();

CREATE TABLE seal_hour (
    hour       timestamptz PRIMARY KEY,
    hash       bytea NOT NULL CHECK (length(hash) = 32),
    body       text NOT NULL,              -- what the hash is of
    sealed_at  timestamptz NOT NULL
);
CREATE TRIGGER seal_hour_append_only BEFORE UPDATE OR DELETE ON seal_hour
    FOR EACH ROW EXECUTE FUNCTION refuse_change();

-- What retention took away: told by the next seal, so that nobody can say it of rows
-- that were deleted otherwise.
CREATE TABLE seal_dropped (
    dropped_id  bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    what        text NOT NULL CHECK (what IN ('reading', 'frame', 'seal_batch')),
    from_at     timestamptz NOT NULL,
    to_at       timestamptz NOT NULL,
    dropped_at  timestamptz NOT NULL
);
CREATE TRIGGER seal_dropped_append_only BEFORE UPDATE OR DELETE ON seal_dropped
    FOR EACH ROW EXECUTE FUNCTION refuse_change();

-- Seals of a node above, as its stream told them. One hour with two of them is the
-- proof that somebody made the past anew.
CREATE TABLE seal_held (
    hour         timestamptz NOT NULL,
    hash         text NOT NULL CHECK (hash ~ '^[0-9a-f]{64}$'),
    body         text NOT NULL,
    received_at  timestamptz NOT NULL,
    PRIMARY KEY (hour, hash)
);
CREATE TRIGGER seal_held_append_only BEFORE UPDATE OR DELETE ON seal_held
    FOR EACH ROW EXECUTE FUNCTION refuse_change();

-- What a person said of a point's place, whatever its location text seems to say.
-- The newest counts; a null class means that it has none.
CREATE TABLE place_ruling (
    ruling_id    bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    point_id     integer NOT NULL REFERENCES point ON DELETE RESTRICT,
    place        text NOT NULL,            -- the text that was ruled on
    old_class    text,
    new_class    text,
    takes_back   boolean NOT NULL DEFAULT false,  -- the text decides again
    reason       text NOT NULL CHECK (reason <> ''),
    ruled_by     text NOT NULL,
    ruled_at     timestamptz NOT NULL
);
CREATE INDEX place_ruling_point ON place_ruling (point_id, ruling_id DESC);
CREATE TRIGGER place_ruling_append_only BEFORE UPDATE OR DELETE ON place_ruling
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
