-- What was decided: alarms, their journal, incidents, confirmations, the outbox.

CREATE TABLE incident (
    incident_id   bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    run           integer NOT NULL REFERENCES run ON DELETE RESTRICT,
    area_code     char(6) NOT NULL REFERENCES area ON DELETE RESTRICT,
    mine_id       integer REFERENCES mine ON DELETE RESTRICT,
    -- The unit when the subject has one, else the subject itself.
    scope_type    text NOT NULL,
    scope_id      text NOT NULL,
    opened_at     timestamptz NOT NULL,
    closed_at     timestamptz,
    worst_rank    smallint NOT NULL DEFAULT 0
);
CREATE UNIQUE INDEX incident_open ON incident (run, scope_type, scope_id)
    WHERE closed_at IS NULL;
CREATE INDEX incident_area ON incident (area_code, opened_at DESC);

CREATE TABLE alarm (
    alarm_id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    run           integer NOT NULL REFERENCES run ON DELETE RESTRICT,
    subject_type  text NOT NULL
                  CHECK (subject_type IN ('point', 'unit', 'substation', 'mine', 'link')),
    subject_id    text NOT NULL,
    kind          text NOT NULL,
    raised_at     timestamptz NOT NULL,              -- event time
    incident_id   bigint NOT NULL REFERENCES incident ON DELETE RESTRICT,
    area_code     char(6) NOT NULL REFERENCES area ON DELETE RESTRICT,
    mine_id       integer REFERENCES mine ON DELETE RESTRICT,
    point_id      integer REFERENCES point ON DELETE RESTRICT,
    unit_slug     text,
    rule          text NOT NULL,
    rank          smallint NOT NULL,                 -- latched: only rises while it lives
    value         double precision,                  -- at the last event
    limit_value   double precision,
    peak          double precision,
    peak_at       timestamptz,
    arrived_at    timestamptz NOT NULL,              -- of the reading that raised it
    decided_at    timestamptz NOT NULL,
    cleared_at    timestamptz,
    unknown       boolean NOT NULL DEFAULT false,    -- raised, and now without data
    late          boolean NOT NULL DEFAULT false,    -- discovered after the fact
    planned       boolean NOT NULL DEFAULT false,
    quiet         text,
    explain       jsonb NOT NULL DEFAULT '{}',
    recorded_at   timestamptz NOT NULL DEFAULT now(),
    UNIQUE (run, subject_type, subject_id, kind, raised_at),
    CHECK (cleared_at >= raised_at)
);
CREATE UNIQUE INDEX alarm_open ON alarm (run, subject_type, subject_id, kind)
    WHERE cleared_at IS NULL;
CREATE INDEX alarm_area ON alarm (run, area_code, raised_at DESC);
CREATE INDEX alarm_mine ON alarm (mine_id, raised_at DESC);
CREATE INDEX alarm_point ON alarm (point_id, raised_at DESC);
CREATE INDEX alarm_raised ON alarm (run, raised_at DESC);
CREATE INDEX alarm_incident ON alarm (incident_id);

-- Append-only. The same event decided twice (redelivery, replay) conflicts and vanishes.
CREATE TABLE alarm_journal (
    journal_id   bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    alarm_id     bigint NOT NULL REFERENCES alarm ON DELETE RESTRICT,
    -- "alarm's key/event/rank/time"; "C" so that all events of one alarm's key are
    -- one range of the index.
    event_id     text COLLATE "C" NOT NULL UNIQUE,
    event        text NOT NULL,
    happened_at  timestamptz NOT NULL,
    arrived_at   timestamptz,
    decided_at   timestamptz NOT NULL,
    recorded_at  timestamptz NOT NULL DEFAULT now(),
    rank         smallint NOT NULL,
    value        double precision,
    limit_value  double precision,
    actor        text,
    tier         text CHECK (tier IN ('mine', 'county', 'city')),
    cause_code   text,
    note         text,
    detail       jsonb NOT NULL DEFAULT '{}'
);
CREATE INDEX alarm_journal_alarm ON alarm_journal (alarm_id, journal_id);

-- One mark per tier; an upper one never clears the lower duty. A level above the
-- confirmed one alarms again, so the rank confirmed at is part of the mark.
CREATE TABLE confirmation (
    alarm_id      bigint NOT NULL REFERENCES alarm ON DELETE RESTRICT,
    tier          text NOT NULL CHECK (tier IN ('mine', 'county', 'city')),
    rank          smallint NOT NULL,
    principal     text NOT NULL,
    confirmed_at  timestamptz NOT NULL,
    cause_code    text,
    note          text NOT NULL DEFAULT '',
    PRIMARY KEY (alarm_id, tier, rank)
);

-- What must be told, in an order without holes: seq is drawn only after a
-- transaction-scoped advisory lock is held (store/outbox.py), so that a row with a
-- lower number can never become visible after one with a higher number.
CREATE SEQUENCE outbox_seq;
CREATE TABLE outbox (
    seq          bigint PRIMARY KEY,
    run          integer NOT NULL,
    area_code    char(6) NOT NULL,
    mine         char(12),
    alarm_id     bigint,
    event        text NOT NULL,
    rank         smallint NOT NULL,
    body         text NOT NULL,          -- the event's JSON, encoded once, never changed
    recorded_at  timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX outbox_recorded ON outbox (recorded_at);
