-- Rooms: which pages are open where, and what each of them drew and sounded.

-- A receipt may come from a page: then the recipient is a person, and the console says
-- which workstation. 'blocked': it should have sounded there, and could not.
ALTER TABLE receipt ADD COLUMN console text NOT NULL DEFAULT '';
ALTER TABLE receipt
    DROP CONSTRAINT receipt_pkey,
    ADD PRIMARY KEY (alarm_id, event_id, recipient, console, step),
    DROP CONSTRAINT receipt_step_check,
    ADD CONSTRAINT receipt_step_check CHECK (step IN
        ('sent', 'received', 'stored', 'drawn', 'sounded', 'confirmed', 'blocked'));
CREATE INDEX receipt_recorded ON receipt (recorded_at);

-- Nobody was called for what a platform did not get before this was installed.
ALTER TABLE stream_recipient ADD COLUMN first_at timestamptz NOT NULL DEFAULT now();
ALTER TABLE stream_recipient ALTER COLUMN first_at DROP DEFAULT;

-- One row per tab of a browser, by what it said last.
CREATE TABLE console_page (
    page             text PRIMARY KEY,
    console          text NOT NULL,            -- the workstation
    principal_id     integer NOT NULL REFERENCES principal ON DELETE RESTRICT,
    opened_at        timestamptz NOT NULL,
    heard_at         timestamptz NOT NULL,
    closed_at        timestamptz,              -- its line ended
    left_at          timestamptz,              -- somebody signed out there
    visible          boolean NOT NULL,
    sound            text NOT NULL
                     CHECK (sound IN ('on', 'off', 'blocked', 'elsewhere')),
    sound_tested_at  timestamptz,              -- somebody said that he heard it
    clock_off_ms     integer NOT NULL          -- the workstation's clock, less ours
);
CREATE INDEX console_page_heard ON console_page (heard_at);
