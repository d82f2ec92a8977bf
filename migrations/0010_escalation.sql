-- Escalation: which steps came for which alarm, and what each alarm waits for.

-- A step happens once for an alarm at a level in one time without an answer, whoever
-- looks and however often (alarms/escalation.py).
CREATE TABLE escalation (
    escalation_id  bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    incident_id    bigint NOT NULL REFERENCES incident ON DELETE RESTRICT,
    alarm_id       bigint NOT NULL REFERENCES alarm ON DELETE RESTRICT,
    step           text NOT NULL,
    rank           smallint NOT NULL,
    since_us       bigint NOT NULL,            -- from when on nobody had answered
    rule           text NOT NULL,
    tier           text NOT NULL CHECK (tier IN ('mine', 'county', 'city')),
    of_tier        text NOT NULL CHECK (of_tier IN ('mine', 'county', 'city')),
    due_at         timestamptz NOT NULL,
    recorded_at    timestamptz NOT NULL,
    -- folded: the incident's tier was called a moment ago; answered: before anybody looked.
    outcome        text NOT NULL CHECK (outcome IN ('called', 'folded', 'answered')),
    folded_into    bigint REFERENCES escalation ON DELETE RESTRICT,
    journal_id     bigint NOT NULL REFERENCES alarm_journal ON DELETE RESTRICT,
    UNIQUE (alarm_id, step, rank, since_us),
    CHECK ((outcome = 'folded') = (folded_into IS NOT NULL))
);
CREATE INDEX escalation_incident ON escalation (incident_id, step, recorded_at);
CREATE TRIGGER escalation_append_only BEFORE UPDATE OR DELETE ON escalation
    FOR EACH ROW EXECUTE FUNCTION refuse_change();

-- What is known of each alarm that somebody must answer: for lists and counters, and for
-- the next look. Computed anew from the alarm's history, so nothing is lost with it.
CREATE TABLE alarm_watch (
    alarm_id   bigint PRIMARY KEY REFERENCES alarm ON DELETE RESTRICT,
    overdue    text[] NOT NULL,                -- tiers that must act now
    next_tier  text,
    next_at    timestamptz,                    -- the next step, if nothing happens
    look_at    timestamptz                     -- when this must be computed anew
);
CREATE INDEX alarm_watch_look ON alarm_watch (look_at);
CREATE INDEX alarm_watch_owed ON alarm_watch (alarm_id)
    WHERE overdue <> '{}' OR next_at IS NOT NULL;

-- Up to where the outbox was read: every change of an alarm has a row there.
CREATE TABLE escalation_position (
    one  boolean PRIMARY KEY DEFAULT true CHECK (one),
    seq  bigint NOT NULL
);

-- What is raised when this is installed is watched; what was over before is left alone.
INSERT INTO escalation_position (seq) SELECT coalesce(max(seq), 0) FROM outbox;
INSERT INTO alarm_watch (alarm_id, overdue, look_at)
    SELECT alarm_id, '{}', '2000-01-01Z' FROM alarm WHERE cleared_at IS NULL;
