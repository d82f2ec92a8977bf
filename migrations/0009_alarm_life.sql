-- The life of an alarm after it was raised: records of its handling, shelves, closing.

-- Only what is cleared can be closed; the database itself holds to that.
ALTER TABLE alarm
    ADD COLUMN closed_at    timestamptz,
    ADD COLUMN closed_by    text,               -- null: by a rule
    ADD COLUMN close_rule   text,               -- the row of the closing rules
    -- By a rule that asks for no confirmation: nobody owes one any more.
    ADD COLUMN self_closed  boolean NOT NULL DEFAULT false,
    ADD CONSTRAINT closed_when_cleared CHECK (closed_at IS NULL OR cleared_at IS NOT NULL);
CREATE INDEX alarm_not_closed ON alarm (cleared_at)
    WHERE cleared_at IS NOT NULL AND closed_at IS NULL;

-- What was over before there was closing is not told of now, one by one.
UPDATE alarm SET closed_at = cleared_at, close_rule = 'upgrade', self_closed = true
    WHERE cleared_at IS NOT NULL AND (rank = 0 OR planned);

-- A correction or withdrawal names the record it is about, which stays as it is.
ALTER TABLE alarm_journal
    ADD COLUMN refers_to bigint REFERENCES alarm_journal ON DELETE RESTRICT;
CREATE INDEX alarm_journal_refers ON alarm_journal (refers_to)
    WHERE refers_to IS NOT NULL;

-- What was asked for with a key is done once, also when the answer got lost.
CREATE TABLE alarm_action (
    principal   text NOT NULL,
    action_key  text NOT NULL,
    alarm_id    bigint NOT NULL REFERENCES alarm ON DELETE RESTRICT,
    asked       jsonb NOT NULL,
    journal_id  bigint NOT NULL REFERENCES alarm_journal ON DELETE RESTRICT,
    PRIMARY KEY (principal, action_key, alarm_id)
);

-- A shelf is about one kind of alarm of its subject; a plan may be about all.
ALTER TABLE quiet
    ADD COLUMN alarm_kind    text,
    ADD COLUMN alarm_id      bigint REFERENCES alarm ON DELETE RESTRICT,
    ADD COLUMN withdrawn_by  text,
    ADD COLUMN ended_at      timestamptz;       -- when its end was told
CREATE INDEX quiet_subject ON quiet (subject_type, subject_id, until_us)
    WHERE withdrawn_at IS NULL;

-- Nothing deletes an alarm.
CREATE FUNCTION refuse_delete() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'rows of % are never deleted', TG_TABLE_NAME;
END $$;
CREATE TRIGGER alarm_never_deleted BEFORE DELETE ON alarm
    FOR EACH ROW EXECUTE FUNCTION refuse_delete();
CREATE TRIGGER incident_never_deleted BEFORE DELETE ON incident
    FOR EACH ROW EXECUTE FUNCTION refuse_delete();
CREATE TRIGGER quiet_never_deleted BEFORE DELETE ON quiet
    FOR EACH ROW EXECUTE FUNCTION refuse_delete();
CREATE TRIGGER action_append_only BEFORE UPDATE OR DELETE ON alarm_action
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
