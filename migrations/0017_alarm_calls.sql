-- Events of the alarm engine cross to the database in two calls: what they may touch is
-- asked for and locked, and what became of it is written. What becomes of a row is
-- decided in gasmon/store/alarm_book.py; here are look-ups by key, and rows.

CREATE FUNCTION at_us(us bigint) RETURNS timestamptz LANGUAGE sql STABLE AS
$$ SELECT 'epoch'::timestamptz + us * interval '1 microsecond' $$;

CREATE FUNCTION us_of(at timestamptz) RETURNS bigint LANGUAGE sql STABLE AS
$$ SELECT (extract(epoch FROM at) * 1000000)::bigint $$;

-- told: a row for each event, numbered by nr.
CREATE FUNCTION ask_alarms(told json) RETURNS json LANGUAGE plpgsql AS $$
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
    LEFT JOIN point p ON p.mine_id = m.mine_id
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

-- Row updates first, so that slots are free again; then the new rows, the journal, and
-- last the outbox under its lock (gasmon/store/outbox.py). Returns the last number
-- that was drawn there; null when nothing was told.
CREATE FUNCTION record_alarms(
    incidents json, new_incidents json, alarms json, new_alarms json, journal json,
    told json, lock_key bigint, channel text, recorded timestamptz
) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    last_seq bigint;
BEGIN
    IF json_array_length(incidents) > 0 THEN
        UPDATE incident i SET worst_rank = c.worst_rank, closed_at = at_us(c.closed_us)
        FROM json_to_recordset(incidents) AS c
             (incident_id bigint, worst_rank smallint, closed_us bigint)
        WHERE i.incident_id = c.incident_id;
    END IF;
    IF json_array_length(new_incidents) > 0 THEN
        INSERT INTO incident (incident_id, run, scope_type, scope_id, area_code,
                              mine_id, opened_at, closed_at, worst_rank)
        OVERRIDING SYSTEM VALUE
        SELECT incident_id, run, scope_type, scope_id, area_code, mine_id,
               at_us(opened_us), at_us(closed_us), worst_rank
        FROM json_to_recordset(new_incidents) AS c
             (incident_id bigint, run int, scope_type text, scope_id text,
              area_code bpchar, mine_id int, opened_us bigint, closed_us bigint,
              worst_rank smallint);
    END IF;
    IF json_array_length(alarms) > 0 THEN
        UPDATE alarm a SET rule = c.rule, rank = c.rank, value = c.value,
               limit_value = c.limit_value, peak = c.peak, peak_at = at_us(c.peak_us),
               cleared_at = at_us(c.cleared_us), unknown = c.unknown, quiet = c.quiet,
               explain = c.explain::jsonb
        FROM json_to_recordset(alarms) AS c
             (alarm_id bigint, rule text, rank smallint, value float8,
              limit_value float8, peak float8, peak_us bigint, cleared_us bigint,
              unknown boolean, quiet text, explain text)
        WHERE a.alarm_id = c.alarm_id;
    END IF;
    IF json_array_length(new_alarms) > 0 THEN
        INSERT INTO alarm (alarm_id, run, subject_type, subject_id, kind, raised_at,
                           incident_id, area_code, mine_id, point_id, unit_slug, rule,
                           rank, value, limit_value, peak, peak_at, arrived_at,
                           decided_at, cleared_at, unknown, late, planned, quiet,
                           explain)
        OVERRIDING SYSTEM VALUE
        SELECT alarm_id, run, subject_type, subject_id, kind, at_us(raised_us),
               incident_id, area_code, mine_id, point_id, unit_slug, rule, rank, value,
               limit_value, peak, at_us(peak_us), at_us(arrived_us), at_us(decided_us),
               at_us(cleared_us), unknown, late, planned, quiet, explain::jsonb
        FROM json_to_recordset(new_alarms) AS c
             (alarm_id bigint, run int, subject_type text, subject_id text, kind text,
              raised_us bigint, incident_id bigint, area_code bpchar, mine_id int,
              point_id int, unit_slug text, rule text, rank smallint, value float8,
              limit_value float8, peak float8, peak_us bigint, arrived_us bigint,
              decided_us bigint, cleared_us bigint, unknown boolean, late boolean,
              planned boolean, quiet text, explain text);
    END IF;
    IF json_array_length(journal) > 0 THEN
        INSERT INTO alarm_journal (alarm_id, event_id, event, happened_at, arrived_at,
                                   decided_at, recorded_at, rank, value, limit_value,
                                   actor, tier, cause_code, note, detail)
        SELECT alarm_id, event_id, event, at_us(happened_us), at_us(arrived_us),
               at_us(decided_us), recorded, rank, value, limit_value, actor, tier,
               cause_code, note, detail::jsonb
        FROM json_to_recordset(journal) AS c
             (nr int, alarm_id bigint, event_id text, event text, happened_us bigint,
              arrived_us bigint, decided_us bigint, rank smallint, value float8,
              limit_value float8, actor text, tier text, cause_code text, note text,
              detail text)
        ORDER BY nr;
    END IF;
    IF json_array_length(told) > 0 THEN
        PERFORM pg_advisory_xact_lock(lock_key);
        WITH rows AS (
            INSERT INTO outbox (seq, run, area_code, mine, alarm_id, event, rank, body,
                                mine_only, recorded_at)
            SELECT nextval('outbox_seq'), r.run, r.area, r.mine, r.alarm_id, r.event,
                   r.rank, r.body, r.mine_only, recorded
            FROM (SELECT * FROM json_to_recordset(told) AS f
                      (nr int, run int, area bpchar, mine bpchar, alarm_id bigint,
                       event text, rank smallint, body text, mine_only boolean)
                  ORDER BY nr) r
            RETURNING seq)
        SELECT max(seq) INTO last_seq FROM rows;
        PERFORM pg_notify(channel, '');
    END IF;
    RETURN last_seq;
END $$;
