-- Values that went beyond a limit and began no alarm: a delay or the deadband of a
-- living one held it. Told to nobody, and never deleted, as the journal of alarms.

CREATE TABLE crossing (
    run          integer NOT NULL REFERENCES run ON DELETE RESTRICT,
    point_id     integer NOT NULL REFERENCES point ON DELETE RESTRICT,
    kind         text NOT NULL,                  -- of the alarm that it would have begun
    crossed_at   timestamptz NOT NULL,           -- event time
    arrived_at   timestamptz NOT NULL,
    value        double precision,               -- null: the mine's own bit says it
    limit_value  double precision,
    rule         text NOT NULL,
    held_by      text NOT NULL CHECK (held_by IN ('on_delay', 'deadband', 'off_delay')),
    late         boolean NOT NULL,               -- found in data that came afterwards
    PRIMARY KEY (run, point_id, crossed_at, kind)
);
CREATE TRIGGER crossing_append_only BEFORE UPDATE OR DELETE ON crossing
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
