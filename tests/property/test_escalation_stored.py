"""Any life of an alarm and any looks of duty: the database holds what one run would.

The pure side is held by test_escalation.py. Here people act through the real database
at made-up times, duty looks whenever it happens to, and nothing is kept in between.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gasmon.alarms.closing import default_closing
from gasmon.alarms.escalation import came
from gasmon.alarms.escalation_rules import default_escalation
from gasmon.duty.escalating import Escalation
from gasmon.errors import GasmonError
from gasmon.remote.frames import encode_body
from gasmon.store import access, alarms, db, escalations
from gasmon.store.access import Principal
from gasmon.store.alarm_actions import act
from gasmon.store.alarm_effects import LifeRules, Wish
from gasmon.store.on_duty import load_on_duty
from gasmon.units import US_PER_S, to_datetime
from tests.answers_only import EXPECTING
from tests.fix_examples import examples
from tests.integration.test_store_alarms import MINE, T0, later, raised

RULES = LifeRules(default_closing(), 480)
CONN: list[db.Connection] = []
DUTY = Escalation(default_escalation(), EXPECTING, encode_body)
WISHES = {
    "confirm": Wish("confirm"),
    "handle": Wish("handle", "x"),
    "feed_back": Wish("feed_back", "x"),
    "shelve": Wish("shelve", "x", minutes=7),
    "unshelve": Wish("unshelve"),
}
ARRIVED = (
    "INSERT INTO receipt (alarm_id, event_id, recipient, step, happened_at,"
    " recorded_at) SELECT alarm_id, event_id, 'county', 'stored', %s, %s"
    " FROM alarm_journal WHERE alarm_id = %s ON CONFLICT DO NOTHING"
)
ROLES = ("mine_dispatcher", "county_officer", "city_officer")
HAPPENS = st.lists(
    st.tuples(
        st.integers(1, 1200),
        st.sampled_from((*WISHES, "level", "cleared", "look", "look", "arrive")),
        st.sampled_from(ROLES),
    ),
    max_size=10,
)


@pytest.fixture
def kept_conn(
    migrated_dsn: str, store_connect: Callable[[], db.Connection]
) -> db.Connection:
    """One connection for all examples, with somebody of the mine and of the city, and
    a platform of the county that is in operation."""
    conn = store_connect()
    for role, areas in (("mine_dispatcher", [MINE[:6]]), ("city_officer", None)):
        access.create_token(
            conn, name=role, role=role, areas=areas, mines=None, now_us=T0
        )
    access.create_token(
        conn,
        name="county",
        role="platform",
        areas=[MINE[:6]],
        mines=None,
        now_us=T0 - US_PER_S,
    )
    at = to_datetime(T0 - US_PER_S)
    conn.execute(
        "INSERT INTO stream_recipient VALUES ('county', NULL, NULL, 0, '{}', %s, %s)",
        (at, at),
    )
    conn.commit()
    CONN[:] = [conn]
    return conn


def happen(rank: int, happens: list[tuple[int, str, str]]) -> tuple[int, int]:
    """Play one life of a new alarm; gives its number and when it ended."""
    conn = CONN[0]
    (n,) = conn.execute("SELECT count(*) FROM alarm").fetchone() or (0,)
    event = raised(f"{n:06}", rank=rank, unit=None)
    now_us = T0

    def record(*events: object) -> int:
        with conn.transaction():
            done = alarms.record(conn, events, encode_body, now_us)  # type: ignore[arg-type]
        return done.events[0].alarm_id

    alarm_id = record(event)
    cleared = False
    for gap_s, what, role in happens:
        now_us += gap_s * US_PER_S
        after_s = (now_us - T0) / US_PER_S
        if what == "look":
            DUTY.look(conn, now_us)
        elif what == "arrive":
            with conn.transaction():
                conn.execute(ARRIVED, (*[to_datetime(now_us)] * 2, alarm_id))
        elif what in WISHES:
            who = Principal(1, role, role, None, None)
            try:
                with conn.transaction():
                    act(
                        conn,
                        alarm_id,
                        who,
                        WISHES[what],
                        rules=RULES,
                        encode=encode_body,
                        now_us=now_us,
                    )
            except GasmonError:
                continue
        elif not cleared:
            cleared = what == "cleared"
            rank = rank if cleared else min(4, rank + 1)
            record(later(event, what, after_s, rank=rank))
    return alarm_id, now_us + 7200 * US_PER_S


@given(st.integers(1, 4), HAPPENS)
@settings(examples(10), suppress_health_check=list(HealthCheck))
def check(rank: int, happens: list[tuple[int, str, str]]) -> None:
    """Everything that came is recorded once, at or after its time."""
    conn = CONN[0]
    alarm_id, end_us = happen(rank, happens)
    DUTY.look(conn, end_us)
    DUTY.look(conn, end_us)
    (alarm,) = escalations.watched(conn, [alarm_id], EXPECTING, end_us)
    steps = came(DUTY.steps(alarm, load_on_duty(conn, end_us)), end_us)
    rows = conn.execute(
        "SELECT step, rank, since_us, tier,"
        " (extract(epoch FROM due_at) * 1000000)::bigint, due_at <= recorded_at"
        " FROM escalation WHERE alarm_id = %s",
        (alarm_id,),
    ).fetchall()
    told = conn.execute(
        "SELECT count(*) FROM outbox o JOIN alarm_journal j USING (alarm_id)"
        " WHERE alarm_id = %s AND j.actor = 'gasmon' AND o.body::jsonb->>'id'"
        " = j.event_id",
        (alarm_id,),
    ).fetchone()
    conn.commit()
    wanted = {(d.key, d.rank, d.since_us, d.tier, d.due_us, True) for d in steps}
    assert len(rows) == len(wanted)
    assert set(rows) == wanted
    assert told == (len(rows),)


def test_the_database_holds_the_steps_of_one_uninterrupted_run(
    kept_conn: db.Connection,
) -> None:
    """On both kinds of database."""
    assert kept_conn is CONN[0]
    check()
