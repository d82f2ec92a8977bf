-- A node below a node: what is followed, and what waits to be told upwards.

-- The name of the node that judged it, and its number there; null: judged here.
ALTER TABLE alarm
    ADD COLUMN upstream           text,
    ADD COLUMN upstream_alarm_id  bigint;

-- A node's token tells what people of these tiers did there, and when.
ALTER TABLE token ADD COLUMN speaks_for text[]
    CHECK (speaks_for <> '{}' AND speaks_for <@ ARRAY['mine', 'county', 'city']);

-- Up to where the node above is followed; written in one transaction with what it told.
CREATE TABLE upstream (
    one           boolean PRIMARY KEY DEFAULT true CHECK (one),
    name          text NOT NULL,
    principal     text NOT NULL,               -- whom our token is for up there
    epoch         text NOT NULL,
    seq           bigint NOT NULL,
    subscription  text NOT NULL,               -- filter and rights of the position
    heartbeat_s   double precision NOT NULL,
    heard_at      timestamptz NOT NULL,        -- the last frame, by our clock
    complete_to   timestamptz                  -- everything up to then is here
);

-- What people did here with an alarm that is judged above, in the order of its doing.
CREATE TABLE upstream_command (
    command_id   bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    key          text NOT NULL UNIQUE,         -- the same thing is done once up there
    alarm_id     bigint NOT NULL REFERENCES alarm ON DELETE RESTRICT,
    journal_id   bigint NOT NULL UNIQUE REFERENCES alarm_journal ON DELETE RESTRICT,
    asked        jsonb NOT NULL,               -- the command, without its key
    recorded_at  timestamptz NOT NULL,
    answered_at  timestamptz,
    status       smallint,                     -- as HTTP; 400 and above: refused
    detail       text NOT NULL DEFAULT '',
    event_id     text COLLATE "C" UNIQUE,      -- what the record is called up there
    CHECK ((answered_at IS NULL) = (status IS NULL))
);
CREATE INDEX upstream_command_waiting ON upstream_command (command_id)
    WHERE answered_at IS NULL;
CREATE INDEX upstream_command_refused ON upstream_command (command_id)
    WHERE status >= 400;
