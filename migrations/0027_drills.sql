-- Drills: runs that somebody declared, with points of their own. A drill's definitions
-- must not touch a live point, so the run is part of a point's identity.

ALTER TABLE point ADD COLUMN run integer NOT NULL DEFAULT 0
    REFERENCES run ON DELETE RESTRICT;
ALTER TABLE point DROP CONSTRAINT point_mine_id_system_no_key;
ALTER TABLE point ADD CONSTRAINT point_key UNIQUE (mine_id, system, no, run);

CREATE TABLE drill (
    run                 integer PRIMARY KEY REFERENCES run ON DELETE RESTRICT,
    scenario            text NOT NULL CHECK (scenario <> ''),
    title               text NOT NULL DEFAULT '',
    areas               text[] NOT NULL CHECK (areas <> '{}'),
    announced           boolean NOT NULL,
    starts_at           timestamptz NOT NULL,
    until               timestamptz NOT NULL CHECK (until > starts_at),
    stop_on_real_alarm  boolean NOT NULL,
    participants        text[] NOT NULL DEFAULT '{}',
    note                text NOT NULL DEFAULT '',
    declared_by         text NOT NULL,
    declared_at         timestamptz NOT NULL,
    action_key          text,
    asked               jsonb NOT NULL,
    ended_at            timestamptz,
    end_cause           text,
    end_reason          text NOT NULL DEFAULT '',
    ended_by            text,
    UNIQUE (declared_by, action_key),
    CHECK ((ended_at IS NULL) = (end_cause IS NULL))
);
CREATE INDEX drill_running ON drill (run) WHERE ended_at IS NULL;

-- Which process judges a run's part of the country; a successor finds it and ends the
-- run, because nobody else knows what its engine knew.
CREATE TABLE drill_judge (
    run       integer NOT NULL REFERENCES drill ON DELETE RESTRICT,
    scope     text NOT NULL,
    owner     text NOT NULL,
    begun_at  timestamptz NOT NULL,
    PRIMARY KEY (run, scope)
);

-- Real alarms in a drill's areas while it ran.
CREATE TABLE drill_real_alarm (
    run       integer NOT NULL REFERENCES drill ON DELETE RESTRICT,
    alarm_id  bigint NOT NULL REFERENCES alarm ON DELETE RESTRICT,
    noted_at  timestamptz NOT NULL,
    PRIMARY KEY (run, alarm_id)
);

-- What came on topics of drills and was not taken, counted: a flood is a row.
CREATE TABLE drill_refused (
    run       integer NOT NULL,
    reason    text NOT NULL,
    n         bigint NOT NULL,
    first_at  timestamptz NOT NULL,
    last_at   timestamptz NOT NULL,
    PRIMARY KEY (run, reason)
);

-- As in migration 0017, but that a point is sought in the event's own run.
-- told: a row for each event, numbered by nr.
CREATE OR REPLACE FUNCTION ask_alarms(told json) RETURNS json LANGUAGE plpgsql AS $$
DECLARE
    ids text[] := ARRAY(SELECT e ->> 'event_id' FROM json_array_elements(told) AS e);
    known text[] := ARRAY(SELECT event_id FROM alarm_journal WHERE event_id = ANY(ids));
    touched bigint[];
    facts json;
    aliases json;
    alarms json;
    incidents json;
    alarm_ids bigint[];
    incident_ids bigint[];
BEGIN
    SELECT json_agg(json_build_array(
               m.mine_id, coalesce(m.name, ''), p.point_id,
               coalesce(v.place, u.name, ''), coalesce(v.quantity, ''),
               coalesce(v.uom, ''),
               EXISTS (SELECT FROM run WHERE run.run = e.run)
               AND EXISTS (SELECT FROM area WHERE code = e.area::bpchar)) ORDER BY e.nr)
    INTO facts
    FROM json_to_recordset(told) AS e (nr int, mine text, system text, no text,
         raised_us bigint, subject_type text, unit text, run int, area text)
    LEFT JOIN mine m ON m.code = e.mine::bpchar
    LEFT JOIN unit u ON u.mine_id = m.mine_id AND u.slug = e.unit
         AND e.subject_type = 'unit'
    LEFT JOIN point p ON p.mine_id = m.mine_id AND p.run = e.run
         AND p.system = e.system::bpchar AND p.no = e.no
    -- By the version in force when the alarm began.
    LEFT JOIN LATERAL (
        SELECT w.place, w.quantity, w.uom FROM point_version w
        WHERE w.point_id = p.point_id AND w.effective_from_us <= e.raised_us
        ORDER BY w.effective_from_us DESC LIMIT 1) v ON true;

    -- The alarms that earlier events of the keys were put on. "0" follows "/" in ASCII,
    -- and the column is compared byte by byte.
    SELECT json_object_agg(e.key, j.alarm_id) INTO aliases
    FROM (SELECT DISTINCT key FROM json_to_recordset(told) AS e (key text)) e
    CROSS JOIN LATERAL (
        SELECT alarm_id FROM alarm_journal
        WHERE event_id >= e.key || '/' AND event_id < e.key || '0'
        ORDER BY journal_id DESC LIMIT 1) j;

    -- Look-ups by key instead of one with an OR, which would read every alarm that the
    -- subject ever had.
    touched := ARRAY(
        SELECT b.alarm_id
        FROM json_to_recordset(told) AS e
             (run int, subject_type text, subject_id text, kind text)
        JOIN alarm b USING (run, subject_type, subject_id, kind)
        WHERE b.cleared_at IS NULL
        UNION
        SELECT b.alarm_id
        FROM json_to_recordset(told) AS e (run int, subject_type text,
             subject_id text, kind text, raised_us bigint)
        JOIN alarm b ON (b.run, b.subject_type, b.subject_id, b.kind)
             = (e.run, e.subject_type, e.subject_id, e.kind)
             AND b.raised_at = at_us(e.raised_us)
        UNION
        SELECT value::bigint FROM json_each_text(aliases));

    SELECT json_agg(a) INTO alarms FROM (
        SELECT alarm_id, incident_id, run, subject_type, subject_id, kind, area_code,
               mine_id, point_id, unit_slug, rule, rank, value, limit_value, peak,
               us_of(raised_at) AS raised_us, us_of(arrived_at) AS arrived_us,
               us_of(decided_at) AS decided_us, us_of(peak_at) AS peak_us,
               us_of(cleared_at) AS cleared_us, unknown, late, planned, quiet, explain
        FROM alarm WHERE alarm_id = ANY(touched) ORDER BY alarm_id FOR UPDATE) a;

    -- Those of the alarms that are touched, and those open at the events' scopes.
    SELECT json_agg(i) INTO incidents FROM (
        SELECT i.incident_id, i.run, i.scope_type, i.scope_id, i.area_code, i.mine_id,
               us_of(i.opened_at) AS opened_us, i.worst_rank,
               (SELECT count(*) FROM alarm a WHERE a.incident_id = i.incident_id
                AND a.cleared_at IS NULL) AS n_open,
               i.closed_at IS NULL AS is_open
        FROM incident i
        WHERE i.incident_id = ANY(ARRAY(
            SELECT t.incident_id FROM alarm t WHERE t.alarm_id = ANY(touched)
            UNION
            SELECT o.incident_id
            FROM json_to_recordset(told) AS e
                 (run int, scope_type text, scope_id text)
            JOIN incident o USING (run, scope_type, scope_id)
            WHERE o.closed_at IS NULL))
        ORDER BY i.incident_id FOR UPDATE OF i) i;

    -- None is drawn for nothing: a gap looks like an alarm that somebody deleted.
    alarm_ids := ARRAY(
        SELECT nextval(pg_get_serial_sequence('alarm', 'alarm_id'))
        FROM json_to_recordset(told) AS e (event_id text, event text, run int,
             subject_type text, subject_id text, kind text)
        WHERE e.event = 'raised' AND e.event_id <> ALL(known) AND NOT EXISTS (
            SELECT FROM alarm a
            WHERE (a.run, a.subject_type, a.subject_id, a.kind)
                  = (e.run, e.subject_type, e.subject_id, e.kind)
              AND a.cleared_at IS NULL));
    incident_ids := ARRAY(
        SELECT nextval(pg_get_serial_sequence('incident', 'incident_id'))
        FROM (SELECT DISTINCT e.run, e.scope_type, e.scope_id
              FROM json_to_recordset(told) AS e (event_id text, event text, run int,
                   scope_type text, scope_id text)
              WHERE e.event = 'raised' AND e.event_id <> ALL(known)) w
        WHERE NOT EXISTS (
            SELECT FROM incident o
            WHERE (o.run, o.scope_type, o.scope_id) = (w.run, w.scope_type, w.scope_id)
              AND o.closed_at IS NULL));

    RETURN json_build_object(
        'known', known, 'facts', facts, 'aliases', aliases, 'alarms', alarms,
        'incidents', incidents, 'alarm_ids', alarm_ids, 'incident_ids', incident_ids);
END $$;
