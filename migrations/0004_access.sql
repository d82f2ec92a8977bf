-- Who may see and do what, and who did.

CREATE TABLE principal (
    principal_id  integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name          text NOT NULL UNIQUE,
    role          text NOT NULL CHECK (role IN ('viewer', 'mine_dispatcher',
                  'county_officer', 'city_officer', 'trainer', 'administrator', 'platform')),
    areas         text[],                -- null: all areas
    mines         text[],                -- null: all mines of those areas
    created_at    timestamptz NOT NULL,
    retired_at    timestamptz
);

CREATE TABLE token (
    token_id      integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    principal_id  integer NOT NULL REFERENCES principal ON DELETE RESTRICT,
    hash          bytea NOT NULL UNIQUE,  -- SHA-256; the token has 256 random bits
    created_at    timestamptz NOT NULL,
    expires_at    timestamptz,
    revoked_at    timestamptz,
    last_used_at  timestamptz
);

CREATE TABLE session (
    hash          bytea PRIMARY KEY,
    principal_id  integer NOT NULL REFERENCES principal ON DELETE RESTRICT,
    csrf          text NOT NULL,
    created_at    timestamptz NOT NULL,
    expires_at    timestamptz NOT NULL
);

CREATE TABLE audit (
    audit_id     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    recorded_at  timestamptz NOT NULL DEFAULT now(),
    principal    text,
    action       text NOT NULL,
    subject      text,
    outcome      text NOT NULL,
    detail       jsonb NOT NULL DEFAULT '{}'
);
CREATE INDEX audit_recorded ON audit (recorded_at DESC);

CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only', TG_TABLE_NAME;
END $$;
CREATE TRIGGER audit_append_only BEFORE UPDATE OR DELETE ON audit
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER journal_append_only BEFORE UPDATE OR DELETE ON alarm_journal
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
