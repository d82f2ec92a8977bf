"""How a shelf reaches the engine of a running ingest, and how it ends there."""

from __future__ import annotations

import threading
from collections.abc import Callable

from gasmon.alarms.quiet import Quiet
from gasmon.clock import ManualClock
from gasmon.pipeline.windows import KEEP_US, QuietWindows
from gasmon.settings import DatabaseSettings
from gasmon.store import db, shelves
from gasmon.units import US_PER_MIN, US_PER_S
from tests.fix_pipeline import Live, at, defined, frame
from tests.fix_wait import wait_until

SUBJECT = "530627004499-01-001A01"


def put(
    conn: db.Connection, until_us: int, *, kind: str = "over_limit", rank: int = 3
) -> str:
    """A shelf from the beginning of the test's day."""
    alarm = {
        "subject_type": "point", "subject_id": SUBJECT, "kind": kind, "rank": rank,
        "alarm_id": None,
    }  # fmt: skip
    name = shelves.put_shelf(
        conn, alarm, until_us=until_us, reason="检修", owner="王", now_us=at(0)
    )
    conn.commit()
    return name


def test_a_shelf_quiets_its_kind_until_its_end_and_below_its_ceiling(
    store_conn: db.Connection, migrated_dsn: str
) -> None:
    """What the engine is given; another kind and a higher level sound."""
    name = put(store_conn, at(100))
    windows = QuietWindows(
        DatabaseSettings(url=migrated_dsn), ManualClock(at(1)), threading.Event(),
        lambda _: None,
    )  # fmt: skip
    windows.look(store_conn)
    live = Live()
    live.take(defined())
    quiet = windows.table()
    first = live.take(frame(1, [("001A01", 1.6, 0)]), quiet=quiet)
    worse = live.take(frame(2, [("001A01", 3.2, 0)]), quiet=quiet)
    live.take(frame(3, [("001A01", 0.3, 0)]), quiet=quiet)
    late = live.take(frame(4, [("001A01", 1.6, 0)], second=101), quiet=quiet)
    told = {event.kind: event.quiet for event in first.events}
    assert told == {"over_limit": name, "cut_off": None}
    red = [e for e in worse.events if (e.kind, e.rank) == ("over_limit", 4)]
    assert [event.quiet for event in red] == [None]
    assert {event.quiet for event in late.events} == {None}


def test_a_withdrawn_shelf_counts_until_it_was_withdrawn(
    store_conn: db.Connection,
) -> None:
    """Readings that come late from before are judged as then."""
    put(store_conn, at(100))
    alarm = {"subject_type": "point", "subject_id": SUBJECT, "kind": "over_limit"}
    shelves.end_shelves(store_conn, alarm, by="李", now_us=at(40))
    put(store_conn, at(500))
    shelves.end_shelves(store_conn, alarm, by="李", now_us=at(0))
    table = shelves.windows(store_conn, at(0))
    (window,) = table.by_subject[f"point:{SUBJECT}"]
    assert (window.from_us, window.until_us) == (at(0), at(40))
    assert not window.planned
    assert shelves.windows(store_conn, at(500)).by_subject == {}


def test_the_database_and_the_engine_agree_on_what_covers(
    store_conn: db.Connection,
) -> None:
    """A plan over a unit reaches the engine with its ceilings."""
    store_conn.execute(
        "INSERT INTO quiet (kind, subject_type, subject_id, effective_from_us,"
        " until_us, rank_ceiling, value_ceiling, reason, owner)"
        " VALUES ('plan', 'unit', '530627004499/u/11121', %s, %s, 2, 1.4, '放炮',"
        " '王')",
        (at(0), at(60)),
    )
    (window,) = shelves.windows(store_conn, at(1)).by_subject["unit:530627004499/11121"]
    assert window == Quiet(
        "plan:1", "unit:530627004499/11121", at(0), at(60), 2, 1.4, True, None
    )


def test_windows_are_followed_and_outlive_the_database(
    store_connect: Callable[[], db.Connection], migrated_dsn: str
) -> None:
    """A new shelf is there at the next look; while nobody answers it stays."""
    stop, conn = threading.Event(), store_connect()
    clock = ManualClock(at(10))
    windows = QuietWindows(
        DatabaseSettings(url=migrated_dsn), clock, stop, lambda _: None
    )
    thread = threading.Thread(target=windows.run)
    thread.start()
    try:
        assert windows.table().by_subject == {}
        put(conn, at(10) + US_PER_MIN)
        wait_until(lambda: windows.table().by_subject, what="the shelf")
        conn.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE application_name = 'gasmon windows'"
        )
        conn.commit()
        put(conn, at(10) + US_PER_MIN, kind="cut_off")
        wait_until(
            lambda: len(windows.table().by_subject[f"point:{SUBJECT}"]) == 2,
            what="the second shelf, on a new connection",
        )
        clock.advance((KEEP_US + US_PER_MIN) / US_PER_S)
        wait_until(lambda: not windows.table().by_subject, what="the ends")
    finally:
        stop.set()
        thread.join(60)
    assert not thread.is_alive()
