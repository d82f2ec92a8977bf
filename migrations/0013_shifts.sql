-- Shifts: calendars, who has duty, hand-overs with two signatures.

-- What was set for a post, in the order of its setting: a pattern from a day on, or the
-- shifts of one day. Shifts that have begun are never changed by a later row.
CREATE TABLE shift_calendar (
    set_id       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tier         text NOT NULL CHECK (tier IN ('mine', 'county', 'city')),
    place        text NOT NULL,               -- code of the mine or area
    from_day     date NOT NULL,
    only_day     boolean NOT NULL,
    slots        jsonb NOT NULL,              -- [[name, start_min, length_min], ...]
    reason       text NOT NULL,
    recorded_at  timestamptz NOT NULL,
    recorded_by  text NOT NULL
);
CREATE INDEX shift_calendar_post ON shift_calendar (tier, place, set_id);
CREATE TRIGGER shift_calendar_append_only BEFORE UPDATE OR DELETE ON shift_calendar
    FOR EACH ROW EXECUTE FUNCTION refuse_change();

-- Who is to have duty in the shifts of a name.
CREATE TABLE shift_assignment (
    assignment_id  bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tier           text NOT NULL CHECK (tier IN ('mine', 'county', 'city')),
    place          text NOT NULL,
    principal_id   integer NOT NULL REFERENCES principal ON DELETE RESTRICT,
    shift          text NOT NULL,
    from_day       date NOT NULL,
    until_day      date,                      -- the last one; null: until further notice
    instead_of     integer REFERENCES principal ON DELETE RESTRICT,
    reason         text NOT NULL,
    recorded_at    timestamptz NOT NULL,
    recorded_by    text NOT NULL,
    withdrawn_at   timestamptz,
    withdrawn_by   text,
    CHECK (until_day >= from_day)
);
CREATE INDEX shift_assignment_post ON shift_assignment (tier, place)
    WHERE withdrawn_at IS NULL;
CREATE TRIGGER shift_assignment_never_deleted BEFORE DELETE ON shift_assignment
    FOR EACH ROW EXECUTE FUNCTION refuse_delete();

-- Who was there, by his own word.
CREATE TABLE shift_presence (
    presence_id    bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tier           text NOT NULL CHECK (tier IN ('mine', 'county', 'city')),
    place          text NOT NULL,
    principal_id   integer NOT NULL REFERENCES principal ON DELETE RESTRICT,
    day            date NOT NULL,
    shift          text NOT NULL,
    from_us        bigint NOT NULL,           -- of the shift
    until_us       bigint NOT NULL,
    signed_on_at   timestamptz NOT NULL,
    signed_off_at  timestamptz,
    CHECK (signed_off_at >= signed_on_at)
);
CREATE UNIQUE INDEX shift_presence_once
    ON shift_presence (tier, place, principal_id, from_us) WHERE signed_off_at IS NULL;
CREATE INDEX shift_presence_post ON shift_presence (tier, place, until_us);
CREATE TRIGGER shift_presence_never_deleted BEFORE DELETE ON shift_presence
    FOR EACH ROW EXECUTE FUNCTION refuse_delete();

CREATE TABLE handover (
    handover_id  bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tier         text NOT NULL CHECK (tier IN ('mine', 'county', 'city')),
    place        text NOT NULL,
    day          date NOT NULL,
    shift        text NOT NULL,
    from_us      bigint NOT NULL,             -- of the shift that is handed over
    until_us     bigint NOT NULL,
    opened_at    timestamptz NOT NULL,
    UNIQUE (tier, place, from_us)
);
CREATE TRIGGER handover_append_only BEFORE UPDATE OR DELETE ON handover
    FOR EACH ROW EXECUTE FUNCTION refuse_change();

-- Notes, signatures, refusals, reminders. A signature keeps what was signed.
CREATE TABLE handover_record (
    record_id    bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    handover_id  bigint NOT NULL REFERENCES handover ON DELETE RESTRICT,
    event        text NOT NULL
                 CHECK (event IN ('noted', 'signed', 'accepted', 'refused', 'reminded')),
    principal    text,                        -- null: a reminder
    at           timestamptz NOT NULL,
    note         text NOT NULL,
    summary      jsonb,
    fingerprint  text,                        -- SHA-256 of summary and notes
    CHECK ((event = 'reminded') = (principal IS NULL)),
    CHECK (event <> 'signed' OR (summary IS NOT NULL AND fingerprint IS NOT NULL))
);
CREATE INDEX handover_record_of ON handover_record (handover_id, record_id);
CREATE TRIGGER handover_record_append_only BEFORE UPDATE OR DELETE ON handover_record
    FOR EACH ROW EXECUTE FUNCTION refuse_change();

-- Two people, whatever a program does.
CREATE FUNCTION refuse_own_handover() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.principal = (SELECT principal FROM handover_record
        WHERE handover_id = NEW.handover_id AND event = 'signed'
        ORDER BY record_id DESC LIMIT 1)
    THEN
        RAISE EXCEPTION 'the same person cannot sign on both sides';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER handover_two_people BEFORE INSERT ON handover_record
    FOR EACH ROW WHEN (NEW.event IN ('accepted', 'refused'))
    EXECUTE FUNCTION refuse_own_handover();
