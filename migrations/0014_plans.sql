-- Planned work: what mines file, who decided, and what the engine is given of it.

-- What was filed never changes; what became of it is told by its records.
CREATE TABLE plan (
    plan_id        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    mine_id        integer NOT NULL REFERENCES mine ON DELETE RESTRICT,
    work           text NOT NULL,
    subjects       text[] NOT NULL CHECK (cardinality(subjects) > 0),
    alarm_kinds    text[] NOT NULL CHECK (cardinality(alarm_kinds) > 0),
    from_us        bigint NOT NULL,
    until_us       bigint NOT NULL,
    rank_ceiling   smallint NOT NULL CHECK (rank_ceiling BETWEEN 0 AND 3),
    value_ceiling  double precision,
    test_gas       double precision CHECK (test_gas > 0),
    reason         text NOT NULL,
    CHECK (until_us > from_us),
    CHECK ((work = 'calibration') = (test_gas IS NOT NULL))
);
CREATE INDEX plan_mine ON plan (mine_id, from_us DESC);
CREATE INDEX plan_until ON plan (until_us);

CREATE TABLE plan_record (
    record_id    bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    plan_id      bigint NOT NULL REFERENCES plan ON DELETE RESTRICT,
    event        text NOT NULL
                 CHECK (event IN ('filed', 'approved', 'refused', 'withdrawn')),
    principal    text NOT NULL,
    role         text NOT NULL,
    reason       text NOT NULL,
    recorded_at  timestamptz NOT NULL,
    action_key   text,
    asked        jsonb NOT NULL DEFAULT '{}',
    UNIQUE (plan_id, event)
);
CREATE UNIQUE INDEX plan_record_key ON plan_record (principal, action_key);
-- It is decided once, whoever decides.
CREATE UNIQUE INDEX plan_record_decided ON plan_record (plan_id)
    WHERE event IN ('approved', 'refused');

CREATE TRIGGER plan_append_only BEFORE UPDATE OR DELETE ON plan
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER plan_record_append_only BEFORE UPDATE OR DELETE ON plan_record
    FOR EACH ROW EXECUTE FUNCTION refuse_change();

-- The windows of an approved plan: one for each subject and kind.
ALTER TABLE quiet
    ADD COLUMN plan_id   bigint REFERENCES plan ON DELETE RESTRICT,
    ADD COLUMN test_gas  double precision;
CREATE INDEX quiet_plan ON quiet (plan_id) WHERE plan_id IS NOT NULL;
