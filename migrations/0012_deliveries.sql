-- Calls by channels: what is to be sent, how that went, and how channels fare.

-- What is to be sent by channels: one row per recipient of a call. The same key goes out
-- with each attempt, so whoever gets it twice can tell.
CREATE TABLE delivery (
    delivery_id    bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    escalation_id  bigint NOT NULL REFERENCES escalation ON DELETE RESTRICT,
    channel        text NOT NULL,
    kind           text NOT NULL CHECK (kind IN ('webhook', 'mail', 'sms')),
    recipient      text NOT NULL,
    delivery_key   text NOT NULL UNIQUE,
    exercise       boolean NOT NULL,
    body           text NOT NULL,
    state          text NOT NULL
                   CHECK (state IN ('waiting', 'sent', 'given_up', 'withheld')),
    attempts       integer NOT NULL DEFAULT 0,
    created_at     timestamptz NOT NULL,
    next_at        timestamptz,
    sent_at        timestamptz,
    last_error     text,
    UNIQUE (escalation_id, channel, recipient),
    -- No exercise ever sends an SMS, whatever a program does.
    CHECK (NOT exercise OR kind <> 'sms' OR state = 'withheld')
);
CREATE INDEX delivery_waiting ON delivery (channel, next_at) WHERE state = 'waiting';
CREATE TRIGGER delivery_never_deleted BEFORE DELETE ON delivery
    FOR EACH ROW EXECUTE FUNCTION refuse_delete();

-- How each channel fares; a failing one is shown.
CREATE TABLE channel_state (
    channel        text PRIMARY KEY,
    kind           text NOT NULL,
    ok_at          timestamptz,
    failing_since  timestamptz,
    n_failed       integer NOT NULL DEFAULT 0,
    last_error     text
);
