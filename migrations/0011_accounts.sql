-- Accounts: what people log in with, how log-ins end, what tokens may do.

CREATE TABLE password (
    principal_id  integer PRIMARY KEY REFERENCES principal ON DELETE RESTRICT,
    hash          text NOT NULL,         -- argon2id with its parameters
    set_at        timestamptz NOT NULL
);

-- A link to set a password with, once. Its row stays, so that a used one is known as such.
CREATE TABLE password_link (
    hash          bytea PRIMARY KEY,     -- SHA-256; the link has 256 random bits
    principal_id  integer NOT NULL REFERENCES principal ON DELETE RESTRICT,
    created_at    timestamptz NOT NULL,
    expires_at    timestamptz NOT NULL,
    ended_at      timestamptz            -- when it was used, or another one took its place
);
CREATE INDEX password_link_principal ON password_link (principal_id);

-- Where somebody logged in from: there the failures of strangers elsewhere do not count.
CREATE TABLE known_address (
    principal_id  integer NOT NULL REFERENCES principal ON DELETE RESTRICT,
    address       text NOT NULL,
    last_at       timestamptz NOT NULL,
    PRIMARY KEY (principal_id, address)
);

-- Failed log-ins that still count, of a name or of an address.
CREATE TABLE log_in_failure (
    counted_for   text PRIMARY KEY,
    forgotten_at  timestamptz NOT NULL   -- when all of them are forgotten
);

-- Nobody is logged out by the upgrade; a session that was begun with a token ends with it.
ALTER TABLE session
    ADD COLUMN session_id    integer GENERATED ALWAYS AS IDENTITY UNIQUE,
    ADD COLUMN token_id      integer REFERENCES token ON DELETE RESTRICT,
    ADD COLUMN last_seen_at  timestamptz NOT NULL DEFAULT now(),
    ADD COLUMN address       text,
    ADD COLUMN agent         text;
CREATE INDEX session_principal ON session (principal_id);

ALTER TABLE token
    ADD COLUMN may  text NOT NULL DEFAULT 'act'
                    CHECK (may IN ('read', 'act', 'administer'));

CREATE INDEX audit_principal ON audit (principal, audit_id);
CREATE TRIGGER audit_never_emptied BEFORE TRUNCATE ON audit
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER principal_never_deleted BEFORE DELETE ON principal
    FOR EACH ROW EXECUTE FUNCTION refuse_delete();
