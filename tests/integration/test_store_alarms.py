"""Alarms, journal, incidents, confirmations and outbox on a real database."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace

import psycopg
import pytest

from gasmon.alarms.closing import default_closing
from gasmon.alarms.events import AlarmEvent
from gasmon.alarms.lifecycle import TIER_OF_ROLE, TIERS
from gasmon.errors import NotFound, StateConflict
from gasmon.points import MineDef, PointDef, PointKey, UnitDef
from gasmon.store import alarms, db, outbox, points
from gasmon.store.access import Principal
from gasmon.store.alarm_actions import act
from gasmon.store.alarm_effects import LifeRules, Wish
from gasmon.store.alarm_ends import EndedAlarm, ended_since
from gasmon.store.alarms import StoredEvent
from gasmon.store.definitions import save_definitions
from gasmon.units import US_PER_S
from tests.fix_wait import wait_until

MINE = "530627004499"
T0 = 1_795_000_000 * US_PER_S
Connect = Callable[[], db.Connection]


def encode(stored: StoredEvent) -> str:
    """A body that names what the tests look at."""
    return json.dumps({"id": stored.event.event_id, "alarm_id": stored.alarm_id})


def raised(no: str = "001A01", at_s: float = 0, **fields: object) -> AlarmEvent:
    """An alarm of a point that begins ``at_s`` after T0."""
    at_us = T0 + round(at_s * US_PER_S)
    event = AlarmEvent(
        event="raised",
        kind="over_limit",
        rule="law:FACE_T1",
        subject_type="point",
        subject_id=f"{MINE}-01-{no}",
        area=MINE[:6],
        mine=MINE,
        system="01",
        no=no,
        unit="11121",
        raised_at_us=at_us,
        happened_at_us=at_us,
        arrived_at_us=at_us + 1,
        decided_at_us=at_us + 2,
        rank=2,
        value=1.2,
        limit=1.0,
        peak=1.2,
        peak_at_us=at_us,
        explain={"limit": 1.0},
    )
    return replace(event, **fields)  # type: ignore[arg-type]


def later(event: AlarmEvent, kind: str, after_s: float, **fields: object) -> AlarmEvent:
    """A further event of the same alarm."""
    at_us = event.raised_at_us + round(after_s * US_PER_S)
    changed = replace(event, event=kind, happened_at_us=at_us)
    return replace(changed, **fields)  # type: ignore[arg-type]


def put(conn: db.Connection, *events: AlarmEvent) -> list[StoredEvent]:
    """Record and commit."""
    done = alarms.record(conn, events, encode, T0).events
    conn.commit()
    return done


def column(conn: db.Connection, query: str) -> list[object]:
    """First column of a query."""
    return [row[0] for row in conn.execute(query.encode()).fetchall()]


@pytest.fixture
def conn(store_conn: db.Connection) -> db.Connection:
    """A database that knows one mine with points in two units."""
    points.ensure_areas(store_conn)
    mine = MineDef(MINE, MINE[:6], "一号煤矿", units=(UnitDef("11121"), UnitDef("2")))
    defs = [
        PointDef(PointKey(MINE, "01", f"001A{i:02}"), place="回风", uom="%")
        for i in range(1, 6)
    ]
    save_definitions(store_conn, mine, defs, now_us=T0)
    store_conn.commit()
    return store_conn


def test_life_of_an_alarm(conn: db.Connection) -> None:
    """Raise, rise, lose, regain and clear leave one row, one journal, one incident."""
    first = raised()
    put(
        conn,
        first,
        later(first, "level", 10, rank=4, value=1.9, peak=1.9, peak_at_us=T0 + 10),
        later(first, "unknown", 20, rank=4, value=None),
    )
    (open_one,) = alarms.open_alarms(conn, 0)
    assert (open_one.rank, open_one.peak, open_one.unknown) == (4, 1.9, True)
    assert (open_one.value, open_one.no, open_one.mine) == (1.9, "001A01", MINE)
    (stored,) = put(conn, later(first, "cleared", 30, rank=4, value=0.5))
    assert (stored.mine_name, stored.place, stored.uom) == ("一号煤矿", "回风", "%")
    assert stored.cleared_at_us == T0 + 30 * US_PER_S
    assert alarms.open_alarms(conn, 0) == []
    events = column(conn, "SELECT event FROM alarm_journal ORDER BY journal_id")
    assert events == ["raised", "level", "unknown", "cleared"]
    assert column(conn, "SELECT event FROM outbox ORDER BY seq") == events
    assert column(conn, "SELECT worst_rank FROM incident WHERE closed_at IS NOT NULL")


def test_a_level_never_falls(conn: db.Connection) -> None:
    """A lower rank and a smaller peak in a later event leave the row as it was."""
    first = raised(rank=3)
    put(conn, first, later(first, "level", 5, rank=1, value=1.0, peak=1.0))
    (row,) = alarms.open_alarms(conn, 0)
    assert (row.rank, row.peak, row.value) == (3, 1.2, 1.0)


def test_low_alarms_keep_the_lowest_peak(conn: db.Connection) -> None:
    """Where too little is the danger, the worst value is the smallest."""
    first = raised(kind="low_limit", value=0.2, peak=0.2)
    put(conn, first, later(first, "level", 5, rank=3, value=0.1, peak=0.1))
    put(conn, later(first, "known", 6, rank=3, value=0.3, peak=0.3))
    assert alarms.open_alarms(conn, 0)[0].peak == 0.1


def test_told_twice_changes_nothing(conn: db.Connection) -> None:
    """The same events again, in one batch or in another, are neither kept nor told."""
    first = raised()
    cleared = later(first, "cleared", 5)
    assert len(put(conn, first, first)) == 1
    assert len(put(conn, first, cleared)) == 1
    assert put(conn, cleared, first) == []
    assert column(conn, "SELECT count(*) FROM outbox") == [2]
    assert column(conn, "SELECT count(*) FROM alarm") == [1]


def test_an_open_alarm_is_continued(conn: db.Connection) -> None:
    """A raise while the same alarm is open goes on with it; the journal says so."""
    first, again = raised(), raised(at_s=60, rank=3)
    (one,) = put(conn, first)
    (two,) = put(conn, again)
    assert (two.alarm_id, two.continued) == (one.alarm_id, True)
    details = column(
        conn, "SELECT detail ->> 'continues' FROM alarm_journal ORDER BY 1"
    )
    assert details == [again.key, None]
    put(conn, later(again, "cleared", 70))
    assert column(conn, "SELECT count(*) FROM alarm WHERE cleared_at IS NULL") == [0]


def test_a_late_alarm_does_not_end_the_present_one(conn: db.Connection) -> None:
    """An alarm found after the fact gets a row of its own beside the open one."""
    now_open = raised(at_s=100)
    put(conn, now_open)
    late = raised(at_s=10, late=True)
    put(conn, late, later(late, "cleared", 20, late=True))
    (row,) = alarms.open_alarms(conn, 0)
    assert row.raised_at_us == now_open.raised_at_us
    # Even in two batches, its end is about a time before the open one began.
    other = raised(at_s=30, late=True)
    put(conn, other)
    put(conn, later(other, "cleared", 20, late=True))
    assert len(alarms.open_alarms(conn, 0)) == 1


def test_what_was_continued_outlives_its_alarm(conn: db.Connection) -> None:
    """When the alarm it was put on is over, a continued one gets its own row."""
    first, again = raised(), raised(at_s=60)
    put(conn, first, again, later(first, "cleared", 61))
    put(conn, later(again, "level", 5, rank=4))
    (row,) = alarms.open_alarms(conn, 0)
    assert (row.raised_at_us, row.rank) == (again.raised_at_us, 4)


@pytest.mark.parametrize("event", ["level", "unknown", "cleared"])
def test_an_event_without_its_raise_is_kept(conn: db.Connection, event: str) -> None:
    """Whatever comes first makes the row: nothing is dropped for what was lost."""
    put(conn, later(raised(), event, 5, rank=3))
    assert column(conn, "SELECT rank FROM alarm") == [3]
    assert len(alarms.open_alarms(conn, 0)) == (0 if event == "cleared" else 1)


def test_alarms_of_unknown_places_are_kept(conn: db.Connection) -> None:
    """No area, mine, point or run of that name: the alarm is stored all the same."""
    strange = raised(
        area="990000", mine="990000000001", subject_id="990000000001-01-X", run=7
    )
    put(conn, strange)
    assert [a.mine for a in alarms.open_alarms(conn, 7)] == [""]


def test_incident_of_a_unit(conn: db.Connection) -> None:
    """Alarms of one unit share an incident until the last one is cleared."""
    one, two, elsewhere = raised(), raised("001A02", 5), raised("001A03", unit="2")
    stored = put(conn, one, two, elsewhere)
    assert stored[0].incident_id == stored[1].incident_id != stored[2].incident_id
    put(conn, later(one, "cleared", 20))
    third = put(conn, raised("001A04", 30, rank=4))[0]
    assert third.incident_id == stored[0].incident_id
    worst = column(conn, "SELECT worst_rank FROM incident ORDER BY incident_id LIMIT 1")
    assert worst == [4]
    put(conn, later(two, "cleared", 40), later(raised("001A04", 30), "cleared", 50))
    (next_one,) = put(conn, raised(at_s=60))
    assert next_one.incident_id != stored[0].incident_id
    assert column(conn, "SELECT count(*) FROM incident WHERE closed_at IS NULL") == [2]


def test_the_journal_is_append_only(conn: db.Connection) -> None:
    """Nobody rewrites what was decided."""
    put(conn, raised())
    with pytest.raises(psycopg.errors.RaiseException, match="append-only"):
        conn.execute("DELETE FROM alarm_journal")
    conn.rollback()


RULES = LifeRules(default_closing(), longest_shelf_min=480)
ROLES = {tier: role for role, tier in TIER_OF_ROLE.items()}


def confirm(conn: db.Connection, alarm_id: int, tier: str, by: str = "王") -> None:
    """Confirm and commit."""
    conn.commit()
    who = Principal(1, by, ROLES[tier], None, None)
    with conn.transaction():
        act(
            conn,
            alarm_id,
            who,
            Wish("confirm", "看过"),
            rules=RULES,
            encode=encode,
            now_us=T0 + 99,
        )


def test_each_tier_confirms_once_per_level(conn: db.Connection) -> None:
    """A tier confirms a level once; a risen alarm is confirmed again; tiers differ."""
    first = raised()
    alarm_id = put(conn, first)[0].alarm_id
    confirm(conn, alarm_id, "mine")
    with pytest.raises(StateConflict, match=r"yellow by 王 \(mine\) at 2026-"):
        confirm(conn, alarm_id, "mine", by="李")
    confirm(conn, alarm_id, "county")
    assert alarms.open_alarms(conn, 0)[0].confirmed_by == ("county", "mine")
    put(conn, later(first, "level", 5, rank=4))
    assert alarms.open_alarms(conn, 0)[0].confirmed_by == ()
    confirm(conn, alarm_id, "mine")
    assert column(conn, "SELECT count(*) FROM confirmation") == [3]
    told = column(conn, "SELECT event FROM outbox ORDER BY seq")
    assert told == ["raised", "confirmed", "confirmed", "level", "confirmed"]


def test_a_cleared_alarm_can_be_confirmed(conn: db.Connection) -> None:
    """Cleared but unconfirmed alarms wait for somebody."""
    first = raised()
    put(conn, first, later(first, "cleared", 9))
    confirm(conn, alarms_of(conn)[0], "city")
    assert column(conn, "SELECT tier FROM confirmation") == ["city"]


def alarms_of(conn: db.Connection) -> list[int]:
    """Ids of all alarms."""
    return [int(str(a)) for a in column(conn, "SELECT alarm_id FROM alarm ORDER BY 1")]


def test_confirm_refuses_what_is_not_there(conn: db.Connection) -> None:
    """An unknown alarm is named."""
    with pytest.raises(NotFound, match="no alarm 12345"):
        confirm(conn, 12345, "mine")


def storm(n: int, at_s: float = 0) -> list[AlarmEvent]:
    """n alarms of as many points, a third of them rising and clearing."""
    events: list[AlarmEvent] = []
    for i in range(n // 2):
        first = raised(f"{i:06}", at_s, unit=str(i % 50))
        events += [first, later(first, "level", 5, rank=3)]
    return events


def test_a_storm_of_ten_thousand_events(conn: db.Connection) -> None:
    """10,000 events in one transaction: each told once, each alarm one row."""
    assert len(put(conn, *storm(10_000))) == 10_000
    assert column(conn, "SELECT count(*) FROM alarm") == [5_000]
    assert column(conn, "SELECT count(*) FROM alarm_journal") == [10_000]
    assert column(conn, "SELECT count(*) FROM outbox") == [10_000]


def test_numbers_become_visible_in_order(
    conn: db.Connection, store_connect: Connect
) -> None:
    """While one writer has drawn a number, a second one waits for its commit."""
    first, second = store_connect(), store_connect()
    row = outbox.OutboxRow(0, MINE[:6], MINE, None, "raised", 2, "{}")
    seq = outbox.append(first, [row, row], T0)
    drawn: list[int] = []

    def write() -> None:
        drawn.append(outbox.append(second, [row], T0))
        second.commit()

    thread = threading.Thread(target=write)
    thread.start()
    waiting = "SELECT count(*) FROM pg_locks WHERE locktype='advisory' AND NOT granted"
    wait_until(lambda: column(conn, waiting) == [1], what="second writer waits")
    assert outbox.read(conn, 0, 10) == []
    first.commit()
    thread.join(30)
    assert drawn == [seq + 1]
    assert [t.seq for t in outbox.read(conn, 0, 10)] == [seq - 1, seq, seq + 1]
    assert outbox.position(conn).last_seq == seq + 1


def test_position_of_an_empty_outbox(conn: db.Connection) -> None:
    """Nothing told: head 0, and a number drawn but not committed is not the head."""
    at = outbox.position(conn)
    assert (at.first_seq, at.last_seq) == (1, 0)
    outbox.append(conn, [outbox.OutboxRow(0, "530627", None, None, "x", 0, "{}")], T0)
    conn.rollback()
    assert outbox.position(conn) == at
    assert outbox.append(conn, [], T0) == 0


def test_confirm_against_persist(conn: db.Connection, store_connect: Connect) -> None:
    """Writers and confirmers at once: no deadlock, and a reader misses no number."""
    put(conn, *[raised(f"001A{i:02}", unit="") for i in range(1, 6)])
    ids = alarms_of(conn)
    failed: list[BaseException] = []

    def run(work: Callable[[db.Connection], None]) -> Callable[[], None]:
        def body() -> None:
            own = store_connect_locked()
            try:
                work(own)
            except BaseException as error:
                failed.append(error)

        return body

    lock = threading.Lock()

    def store_connect_locked() -> db.Connection:
        with lock:
            return store_connect()

    def persist(own: db.Connection) -> None:
        for turn in range(30):
            batch = [
                later(raised(f"001A{i:02}", unit=""), "known", turn + 1)
                for i in ((1, 2, 3, 4, 5) if turn % 2 else (5, 4, 3, 2, 1))
            ]

            def once(batch: Sequence[AlarmEvent] = batch) -> None:
                with own.transaction():
                    alarms.record(own, batch, encode, T0)

            db.retry_deadlock(once)

    def confirms(tier: str) -> Callable[[db.Connection], None]:
        def body(own: db.Connection) -> None:
            for alarm_id in ids * 4:
                try:
                    confirm(own, alarm_id, tier)
                except StateConflict:
                    pass

        return body

    seen: list[int] = []
    done = threading.Event()

    def follow(own: db.Connection) -> None:
        own.autocommit = True
        while True:
            last_look = done.is_set()
            for told in outbox.read(own, seen[-1] if seen else 0, 7):
                seen.append(told.seq)
            if last_look and outbox.position(own).last_seq == (seen or [0])[-1]:
                return

    reader = threading.Thread(target=run(follow))
    works = [persist, persist, *map(confirms, TIERS)]
    writers = [threading.Thread(target=run(work)) for work in works]
    for thread in (reader, *writers):
        thread.start()
    for thread in writers:
        thread.join(60)
    done.set()
    reader.join(30)
    assert failed == []
    stored = column(conn, "SELECT seq FROM outbox ORDER BY seq")
    assert seen == stored
    assert len(stored) == 5 + 30 * 5 + 5 * 3


def test_what_ended_lately_is_what_lived_about_mines(conn: db.Connection) -> None:
    """Of points and of units, with the level it reached; nothing found afterwards."""
    open_yet, old, point = raised("001A01"), raised("001A02"), raised("001A03", 5)
    of_unit = {"subject_type": "unit", "subject_id": f"{MINE}/u/11121"}
    none = dict.fromkeys(["system", "no", "peak", "peak_at_us"])
    unit = raised(at_s=6, **{"kind": "duct_silent", **of_unit, **none})
    put(conn, open_yet, old, point, unit)
    put(conn, later(old, "cleared", 10), later(point, "level", 10, rank=3))
    put(conn, later(point, "cleared", 20, rank=3), later(unit, "cleared", 30))
    late = raised("001A04", 7, late=True)
    put(conn, late, later(late, "cleared", 40, late=True))
    about = (MINE, "01", "001A03", "over_limit", T0 + 5 * US_PER_S, 3)
    units = (MINE, None, None, "duct_silent", T0 + 6 * US_PER_S, 2)
    assert ended_since(conn, 0, T0 + 10 * US_PER_S) == [
        EndedAlarm(point.subject, *about, T0 + 25 * US_PER_S),
        EndedAlarm(unit.subject, *units, T0 + 36 * US_PER_S),
    ]
    assert ended_since(conn, 1, T0) == []
