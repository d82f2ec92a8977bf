"""How events are cut into batches, and who writes them, changes nothing."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from gasmon.alarms.events import AlarmEvent
from gasmon.store import alarms, db
from gasmon.units import US_PER_S

MINE = "530627004499"
T0 = 1_795_000_000 * US_PER_S
Connect = Callable[[], db.Connection]
KINDS = ("over_limit", "low_limit")


def lives(rng: random.Random, run: int) -> list[AlarmEvent]:
    """What an engine says of six points over a while: alarms that come and go."""
    told: list[AlarmEvent] = []
    for no in range(6):
        for kind in KINDS:
            at_us = T0 + rng.randrange(100) * US_PER_S
            for _ in range(rng.randrange(4)):
                rank = rng.randrange(4)
                event = AlarmEvent(
                    event="raised",
                    kind=kind,
                    rule="mine",
                    subject_type="point",
                    subject_id=f"{MINE}-01-{no}",
                    area=MINE[:6],
                    mine=MINE,
                    system="01",
                    no=str(no),
                    unit=str(no % 2) if no < 4 else None,
                    raised_at_us=at_us,
                    happened_at_us=at_us,
                    arrived_at_us=at_us,
                    decided_at_us=at_us,
                    rank=rank,
                    run=run,
                    value=rng.random(),
                    limit=0.5,
                    peak=0.5,
                    peak_at_us=at_us,
                )
                told.append(event)
                for what in rng.choices(("level", "unknown", "known"), k=3):
                    at_us += rng.randrange(1, 50) * US_PER_S
                    rank = min(4, rank + (what == "level"))
                    value = None if what == "unknown" else rng.random()
                    changes = {"event": what, "happened_at_us": at_us, "rank": rank}
                    told.append(
                        replace(event, **changes, value=value, peak=value)  # type: ignore[arg-type]
                    )
                at_us += rng.randrange(1, 50) * US_PER_S
                if rng.random() < 0.2:
                    break
                told.append(
                    replace(event, event="cleared", happened_at_us=at_us, rank=rank)
                )
                at_us += rng.randrange(1, 50) * US_PER_S
    return sorted(told, key=lambda e: e.happened_at_us)


def cut(rng: random.Random, told: list[AlarmEvent], n: int) -> list[list[AlarmEvent]]:
    """The same events in n batches, some of them given twice."""
    edges = sorted(rng.randrange(len(told) + 1) for _ in range(n - 1))
    bounds = zip([0, *edges], [*edges, len(told)], strict=True)
    parts = [told[begin:end] for begin, end in bounds]
    return [
        p for part in parts for p in ([part, part] if rng.random() < 0.2 else [part])
    ]


def rows(conn: db.Connection, run: int) -> list[tuple[object, ...]]:
    """Alarms of a run with their incident's times, without anybody's numbers."""
    return conn.execute(
        "SELECT subject_id, kind, raised_at, a.rank, value, peak, peak_at, cleared_at,"
        " unknown, i.scope_type, i.opened_at, i.closed_at, i.worst_rank"
        " FROM alarm a JOIN incident i USING (incident_id) WHERE a.run = %s"
        " ORDER BY 1, 2, 3",
        (run,),
    ).fetchall()


def journal(conn: db.Connection, run: int) -> list[tuple[object, ...]]:
    """What was written and what was told, in order."""
    return conn.execute(
        "SELECT substr(event_id, strpos(event_id, '/')), rank FROM alarm_journal"
        " WHERE event_id LIKE %s ORDER BY journal_id",
        (f"{run}/%",),
    ).fetchall()


@pytest.mark.parametrize("seed", range(4))
def test_any_cut_gives_the_same_rows(store_conn: db.Connection, seed: int) -> None:
    """One batch, one event at a time, or anything between: the same alarms."""
    for run, n in enumerate((1, 3, 10, 10_000), start=1):
        rng = random.Random(seed)
        told = lives(rng, run)
        parts = cut(rng, told, n) if n < 10_000 else [[event] for event in told]
        for part in parts:
            alarms.record(store_conn, part, lambda stored: stored.event.event_id, T0)
            store_conn.commit()
    for run in (2, 3, 4):
        assert rows(store_conn, run) == rows(store_conn, 1)
        assert journal(store_conn, run) == journal(store_conn, 1)
    count = "SELECT count(*) = (SELECT count(*) FROM alarm_journal) FROM outbox"
    assert store_conn.execute(count).fetchone() == (True,)
    open_ones = "SELECT count(*) FROM incident i WHERE closed_at IS NULL AND NOT EXISTS"
    orphans = store_conn.execute(
        f"{open_ones} (SELECT FROM alarm a WHERE a.incident_id = i.incident_id"
        " AND a.cleared_at IS NULL)".encode()
    ).fetchone()
    assert orphans == (0,)


def test_two_writers_with_the_same_events(
    store_conn: db.Connection, store_connect: Connect
) -> None:
    """A writer that believes to be alone and one that took over: nothing is doubled."""
    told = lives(random.Random(3), 0)
    parts = [told[i : i + 5] for i in range(0, len(told), 5)]
    failed: list[BaseException] = []
    opened = [store_connect(), store_connect()]
    together = threading.Barrier(2)

    def write(own: db.Connection) -> None:
        try:
            for part in parts:
                together.wait(30)

                def once(part: Sequence[AlarmEvent] = part) -> None:
                    with own.transaction():
                        alarms.record(own, part, lambda s: s.event.event_id, T0)

                db.retry_deadlock(once)
        except BaseException as error:
            failed.append(error)
            together.abort()

    threads = [threading.Thread(target=write, args=(own,)) for own in opened]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert failed == []
    bodies = store_conn.execute("SELECT body FROM outbox ORDER BY seq").fetchall()
    assert [body for (body,) in bodies] == [event.event_id for event in told]
