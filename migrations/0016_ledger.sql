-- Who received which alarm event by the stream, step by step.

-- Who ever subscribed, with the newest subscription: whom events are expected at.
CREATE TABLE stream_recipient (
    recipient      text PRIMARY KEY,          -- a principal's name
    areas          text[],                    -- null: all of the principal's
    kinds          text[],
    min_rank       smallint NOT NULL,
    reports        text[] NOT NULL,           -- steps that it said it would report
    subscribed_at  timestamptz NOT NULL
);

CREATE TABLE receipt (
    alarm_id     bigint NOT NULL REFERENCES alarm ON DELETE RESTRICT,
    event_id     text COLLATE "C" NOT NULL,
    recipient    text NOT NULL,
    step         text NOT NULL CHECK (step IN
                 ('sent', 'received', 'stored', 'drawn', 'sounded', 'confirmed')),
    happened_at  timestamptz NOT NULL,        -- the recipient's time where it says one
    recorded_at  timestamptz NOT NULL,
    PRIMARY KEY (alarm_id, event_id, recipient, step)
);
