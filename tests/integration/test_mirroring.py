"""However the stream is cut, a node puts each event on the alarm it is on above."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator

import pytest

from gasmon.alarms.events import AlarmEvent
from gasmon.embedded.postgres import EmbeddedPostgres
from gasmon.remote.client_session import Arrived, Keep
from gasmon.remote.frames import encode_body, id_of
from gasmon.remote.parsing import Hello
from gasmon.settings import DatabaseSettings
from gasmon.store import alarms, db
from gasmon.store.mirroring import Unfinished
from gasmon.units import US_PER_S
from gasmon.upstream.keeper import Keeper

NOW_US = 1_795_401_981_000_000
MINE = "530627000001"
HELLO = Hello("e", 0, 5.0, "node", None, ("history", "made"))

Pair = tuple[db.Connection, db.Connection]


@pytest.fixture
def pair(
    postgres_server: EmbeddedPostgres,
    new_migrated: Callable[[EmbeddedPostgres], str],
) -> Iterator[Pair]:
    """The database above, and the node's."""
    above, below = (
        db.connect(DatabaseSettings(url=new_migrated(postgres_server)))
        for _ in range(2)
    )
    yield above, below
    above.close()
    below.close()


def event(name: str, raised_s: int, at_s: int, no: str = "001A01") -> AlarmEvent:
    """An event of one point, seconds after a fixed moment."""
    return AlarmEvent(
        event=name,
        kind="over_limit",
        rule="law:FACE_T0",
        subject_type="point",
        subject_id=f"{MINE}-01-{no}",
        area=MINE[:6],
        mine=MINE,
        system="01",
        no=no,
        raised_at_us=NOW_US + raised_s * US_PER_S,
        happened_at_us=NOW_US + at_s * US_PER_S,
        arrived_at_us=NOW_US,
        decided_at_us=NOW_US,
        rank=2,
    )


def record(conn: db.Connection, *events: AlarmEvent) -> None:
    """One transaction of the node above."""
    with conn.transaction():
        alarms.record(conn, events, encode_body, NOW_US)


def bodies(conn: db.Connection) -> list[str]:
    """What was told, in order."""
    rows = conn.execute("SELECT body FROM outbox ORDER BY seq").fetchall()
    conn.commit()
    return [str(body) for (body,) in rows]


def follow(keeper: Keeper, told: list[str], cuts: list[int]) -> None:
    """Keep what was told in these pieces, as a line does."""
    waiting: tuple[Arrived, ...] = ()
    for begin, end in zip([0, *cuts], [*cuts, len(told)], strict=True):
        piece = tuple(
            Arrived(id_of(body), "e", at, body)
            for at, body in enumerate(told[begin:end], begin)
        )
        action = Keep(waiting + piece, ("e", end), "[]")
        try:
            keeper.keep(action, HELLO)
        except Unfinished:
            waiting = action.events
        else:
            waiting = ()
    assert not waiting


def rows(conn: db.Connection) -> set[tuple[object, ...]]:
    """Each alarm: when it was, how it stands, and the events that are on it."""
    found = conn.execute(
        "SELECT a.raised_at, a.cleared_at, a.rank, i.closed_at,"
        " array_agg(j.event_id ORDER BY j.event_id)::text FROM alarm a"
        " JOIN incident i USING (incident_id) JOIN alarm_journal j USING (alarm_id)"
        " GROUP BY a.alarm_id, i.closed_at"
    ).fetchall()
    conn.commit()
    return set(found)


LATE = [event("raised", 10, 10), event("cleared", 10, 20)]
"""Found late, and over: told in one transaction, beside the alarm that is open."""


@pytest.mark.parametrize("cut", [[], [1], [2], [1, 2]])
def test_what_was_found_late_does_not_end_what_is_open(
    pair: Pair, cut: list[int]
) -> None:
    """Wherever the line was cut, the present alarm stays open."""
    above, below = pair
    record(above, event("raised", 100, 100))
    record(above, *LATE)
    keeper = Keeper(below, "hub", lambda: NOW_US)
    follow(keeper, bodies(above), cut)
    assert rows(below) == rows(above)
    assert len(rows(below)) == 2


@pytest.mark.parametrize("cut", [[], [1], [2]])
def test_what_goes_on_under_another_key_ends_with_it(
    pair: Pair, cut: list[int]
) -> None:
    """An engine that forgot began anew: one alarm there, and here, whatever the cut."""
    above, below = pair
    record(above, event("raised", 100, 100))
    record(above, event("raised", 150, 150))
    record(above, event("cleared", 150, 200))
    keeper = Keeper(below, "hub", lambda: NOW_US)
    follow(keeper, bodies(above), cut)
    assert rows(below) == rows(above)
    assert len(rows(below)) == 1


@pytest.mark.parametrize("seed", range(6))
def test_any_cut_gives_the_same_rows(pair: Pair, seed: int) -> None:
    """Alarms that come, rise, go, go on and are found late, in pieces at random."""
    above, below = pair
    rng = random.Random(seed)
    at_s, is_open = 0, dict.fromkeys(("001A01", "001A02"), 0)
    for _ in range(40):
        at_s += 10
        no = rng.choice(list(is_open))
        what = rng.choice(["turn", "turn", "go on", "late", "level"])
        if what == "late":
            late_s = at_s - 9
            told = [event("raised", late_s, late_s, no)]
            record(above, *told, event("cleared", late_s, late_s + 1, no))
        elif not is_open[no] or what == "go on":
            record(above, event("raised", at_s, at_s, no))
            is_open[no] = at_s
        elif what == "level":
            record(above, event("level", is_open[no], at_s, no))
        else:
            record(above, event("cleared", is_open[no], at_s, no))
            is_open[no] = 0
    told = bodies(above)
    cuts = sorted(rng.sample(range(1, len(told)), rng.randrange(len(told) // 2)))
    keeper = Keeper(below, "hub", lambda: NOW_US)

    follow(keeper, told, cuts)

    assert rows(below) == rows(above), (seed, cuts)
    assert [id_of(body) for body in bodies(below)] == [id_of(body) for body in told]
    # All of it once more, as after a crash that forgot the position: nothing changes.
    follow(keeper, told, cuts)
    assert rows(below) == rows(above)
    assert len(bodies(below)) == len(told)
