-- The rules that each owner of areas judges by, as text, from the first ones on: pages
-- and API are other processes than the one that read the file. The engine's log has the
-- same text, but only for as long as it is kept.

CREATE TABLE rules_in_force (
    rules_id  bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    scope     text NOT NULL,
    from_at   timestamptz NOT NULL,
    taken_at  timestamptz NOT NULL,
    name      text NOT NULL,
    sha256    text NOT NULL CHECK (length(sha256) = 64),
    text      text NOT NULL
);
CREATE INDEX rules_in_force_scope ON rules_in_force (scope, rules_id DESC);
CREATE TRIGGER rules_in_force_append_only BEFORE UPDATE OR DELETE ON rules_in_force
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
