-- What is told of alarms travels with its notification, where it fits: a reader that has
-- everything before it needs no statement more (gasmon/store/outbox.py). All else is as
-- in 0017_alarm_calls.sql.

CREATE OR REPLACE FUNCTION record_alarms(
    incidents json, new_incidents json, alarms json, new_alarms json, journal json,
    told json, lock_key bigint, channel text, recorded timestamptz
) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    last_seq bigint;
    before bigint;
    news text;
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
        -- Under the lock nobody else draws a number: this one is committed.
        SELECT coalesce(max(seq), 0) INTO before FROM outbox;
        WITH rows AS (
            INSERT INTO outbox (seq, run, area_code, mine, alarm_id, event, rank, body,
                                mine_only, recorded_at)
            SELECT nextval('outbox_seq'), r.run, r.area, r.mine, r.alarm_id, r.event,
                   r.rank, r.body, r.mine_only, recorded
            FROM (SELECT * FROM json_to_recordset(told) AS f
                      (nr int, run int, area bpchar, mine bpchar, alarm_id bigint,
                       event text, rank smallint, body text, mine_only boolean)
                  ORDER BY nr) r
            RETURNING *)
        SELECT max(seq),
               json_build_array(before, json_agg(json_build_array(
                   seq, run, area_code, mine, alarm_id, event, rank, body, mine_only)
                   ORDER BY seq))::text
        INTO last_seq, news FROM rows;
        -- A payload has less than 8000 bytes; what is longer is read from the table.
        PERFORM pg_notify(channel,
                          CASE WHEN octet_length(news) < 8000 THEN news ELSE '' END);
    END IF;
    RETURN last_seq;
END $$;
