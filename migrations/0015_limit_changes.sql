-- Changes of limits: what was proposed, what it would have done, who decided.

-- What was proposed never changes; what became of it is told by its records.
CREATE TABLE limit_change (
    change_id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    point_id           integer NOT NULL REFERENCES point ON DELETE RESTRICT,
    limits             jsonb NOT NULL,     -- name → number; {} takes back the one before
    effective_from_us  bigint NOT NULL,    -- as it is wished; 0 = at its approval
    reason             text NOT NULL
);
CREATE INDEX limit_change_point ON limit_change (point_id, change_id DESC);

CREATE TABLE limit_change_record (
    record_id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    change_id          bigint NOT NULL REFERENCES limit_change ON DELETE RESTRICT,
    event              text NOT NULL
                       CHECK (event IN ('proposed', 'approved', 'refused', 'withdrawn')),
    principal          text NOT NULL,
    role               text NOT NULL,
    reason             text NOT NULL,
    effective_from_us  bigint,             -- approved: from when it counts
    recorded_at        timestamptz NOT NULL,
    action_key         text,
    asked              jsonb NOT NULL DEFAULT '{}',
    UNIQUE (change_id, event),
    CHECK ((event = 'approved') = (effective_from_us IS NOT NULL))
);
CREATE UNIQUE INDEX limit_change_record_key
    ON limit_change_record (principal, action_key);
-- It is decided once, whoever decides.
CREATE UNIQUE INDEX limit_change_record_decided ON limit_change_record (change_id)
    WHERE event IN ('approved', 'refused');

CREATE TRIGGER limit_change_append_only BEFORE UPDATE OR DELETE ON limit_change
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER limit_change_record_append_only
    BEFORE UPDATE OR DELETE ON limit_change_record
    FOR EACH ROW EXECUTE FUNCTION refuse_change();

-- The back-test of each change; a job of duty goes through the stored readings.
CREATE TABLE back_test (
    change_id  bigint PRIMARY KEY REFERENCES limit_change ON DELETE RESTRICT,
    days       smallint NOT NULL,          -- before it was proposed
    progress   real NOT NULL DEFAULT 0,    -- 0 to 1
    failure    text,                       -- why the change cannot count
    result     jsonb,
    ended_at   timestamptz
);
CREATE INDEX back_test_waiting ON back_test (change_id) WHERE ended_at IS NULL;

-- Beside an alarm stand the changes of its point.
CREATE INDEX point_change_point ON point_change (point_id, changed_at DESC);
