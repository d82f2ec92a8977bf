"""A restart from snapshot and log goes on as if nothing had happened."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import pytest

from gasmon.alarms.engine import AlarmEngine
from gasmon.alarms.packing import BadPacking
from gasmon.alarms.silence import Sign
from gasmon.alarms.snapshot import dump, load
from gasmon.alarms.steps import Step, decode_steps, encode_steps
from gasmon.batch import Int32
from gasmon.errors import StateConflict
from gasmon.store import db, replay_log, snapshots
from gasmon.store.snapshots import StoredSnapshot
from gasmon.units import US_PER_S
from tests.engine_world import START_US, Reading, World, batch_of, point

SCOPE = "530627"
MINES = ("530627000001", "530627000002", "530627000003")
WORLD = World.of(
    *(point(no, mine=mine) for mine in MINES for no in ("001A01", "002A01"))
)
Connect = Callable[[], db.Connection]


def point_ids(rows: Int32) -> Int32:
    """As a database numbers them: in no order of ours."""
    return ((rows * 5) % WORLD.table.n + 40).astype(np.int32)


ROW_OF = np.full(100, -1, np.int32)
ROW_OF[point_ids(np.arange(WORLD.table.n, dtype=np.int32))] = np.arange(WORLD.table.n)


def a_log(seed: int) -> Iterator[Step]:
    """Steps of readings around their limits, late ones, wills and clock marks."""
    rng = random.Random(seed)
    clock_us = START_US
    for number in range(1, 200):
        clock_us += rng.choice([1, 5, 20]) * US_PER_S
        readings = [
            Reading(
                row=rng.randrange(WORLD.table.n),
                value=rng.choice([0.1, 0.4, 0.9, 1.2, 1.6, 2.1]),
                at_us=clock_us - rng.choice([0, 0, 0, 50]) * US_PER_S,
                arrived_us=clock_us,
                state=rng.choice([0, 0, 0, 0, 4, 16, 128]),
            )
            for _ in range(rng.randrange(5))
        ]
        signs = tuple(
            Sign(rng.randrange(len(readings) + 1), rng.randrange(3), False, clock_us)
            for _ in range(rng.randrange(10) == 0)
        )
        marks = (clock_us,) if rng.random() < 0.3 else ()
        yield Step(number, batch_of(readings), signs, marks)


def give(engine: AlarmEngine, step: Step) -> list[str]:
    """Let an engine judge a step; the ids of its events."""
    said = engine.tick(step.batch, now_us=0, marks=step.marks, signs=step.signs)
    return [event.event_id for event in said]


def store_turn(conn: db.Connection, steps: list[Step], scope: str = SCOPE) -> None:
    """What persist does with the steps of a turn."""
    body = encode_steps(steps, point_ids, [m.code for m in WORLD.table.mines])
    replay_log.append_steps(conn, 0, scope, steps[0].number, steps[-1].number, body)


def a_snapshot(engine: AlarmEngine, step: int) -> StoredSnapshot:
    """A snapshot after a step."""
    return StoredSnapshot(step, START_US, "test", engine.table.n, dump(engine))


def restart(conn: db.Connection, scope: str = SCOPE) -> tuple[AlarmEngine, int]:
    """A new engine from what is stored, and how many steps it was given again."""
    engine = WORLD.engine()
    for found in snapshots.load_newest_first(conn, 0, scope):
        try:
            load(engine, found.body)
        except BadPacking:
            continue
        n = 0
        for body in replay_log.bodies_since(conn, 0, scope, found.step):
            for step in decode_steps(body, ROW_OF, WORLD.table.mine_index):
                if step.number > found.step:
                    give(engine, step)
                    n += 1
        return engine, n
    return engine, 0


@pytest.mark.parametrize(
    "seed", [1, *(pytest.param(seed, marks=pytest.mark.long) for seed in (2, 3))]
)
def test_a_restart_at_any_moment_goes_on_the_same(
    store_connect: Connect, seed: int
) -> None:
    """Kill after any committed turn: snapshot and log make the same engine."""
    conn, rng = store_connect(), random.Random(seed)
    engine, turn = WORLD.engine(), list[Step]()
    kills = 0
    n_events = 0
    for step in a_log(seed):
        n_events += len(give(engine, step))
        turn.append(step)
        if rng.random() < 0.5:
            continue
        store_turn(conn, turn)
        if step.number < 10 or rng.random() < 0.2:
            snapshots.save(conn, 0, SCOPE, a_snapshot(engine, step.number))
        conn.commit()
        turn = []
        if rng.random() < 0.2:
            kills += 1
            before = dump(engine)
            engine, _ = restart(store_connect())
            assert dump(engine) == before
    assert kills > 5
    assert n_events > 50


def test_a_snapshot_taken_amid_a_turn(store_conn: db.Connection) -> None:
    """The part of a turn that is in the snapshot is not judged twice."""
    log = list(a_log(4))[:60]
    engine = WORLD.engine()
    for step in log[:25]:
        give(engine, step)
    taken = a_snapshot(engine, 25)
    for step in log[25:]:
        give(engine, step)
    store_turn(store_conn, log[:20])
    store_turn(store_conn, log[20:40])
    store_turn(store_conn, log[40:])
    snapshots.save(store_conn, 0, SCOPE, taken)
    again, n = restart(store_conn)
    assert n == 35
    assert dump(again) == dump(engine)


def test_only_the_newest_are_kept_with_their_log(store_conn: db.Connection) -> None:
    """Two snapshots, and every turn after the older one."""
    engine = WORLD.engine()
    log = list(a_log(5))[:50]
    for step in log:
        give(engine, step)
        store_turn(store_conn, [step])
        if step.number % 10 == 0:
            snapshots.save(store_conn, 0, SCOPE, a_snapshot(engine, step.number))
    found = list(snapshots.load_newest_first(store_conn, 0, SCOPE))
    assert [s.step for s in found] == [50, 40]
    assert found[0].body == dump(engine)
    assert (found[0].taken_us, found[0].owner, found[0].n_points) == (
        START_US,
        "test",
        6,
    )
    count = store_conn.execute("SELECT min(last_step), count(*) FROM engine_log")
    assert count.fetchone() == (41, 10)
    assert replay_log.last_step(store_conn, 0, SCOPE) == 50


def test_a_damaged_snapshot_costs_a_longer_replay(store_conn: db.Connection) -> None:
    """The one before it and the log since then do as well."""
    engine = WORLD.engine()
    for step in list(a_log(6))[:40]:
        give(engine, step)
        store_turn(store_conn, [step])
        if step.number in (10, 30):
            snapshots.save(store_conn, 0, SCOPE, a_snapshot(engine, step.number))
    store_conn.execute(
        "UPDATE engine_snapshot SET body = set_byte(body, 40, 255 -"
        " get_byte(body, 40)) WHERE step = 30"
    )
    again, n = restart(store_conn)
    assert n == 30
    assert dump(again) == dump(engine)


def test_a_snapshot_before_its_log_is_refused(store_conn: db.Connection) -> None:
    """What is in a snapshot is stored already, or it would never be told."""
    store_turn(store_conn, list(a_log(7))[:3])
    with pytest.raises(StateConflict, match=r"of step 4 of 530627 .* ends at step 3"):
        snapshots.save(store_conn, 0, SCOPE, a_snapshot(WORLD.engine(), 4))


def test_a_turn_may_be_written_twice(store_conn: db.Connection) -> None:
    """When the answer to a commit was lost, the second time changes nothing."""
    steps = list(a_log(8))[:3]
    store_turn(store_conn, steps)
    store_turn(store_conn, steps)
    bodies = replay_log.bodies_since(store_conn, 0, SCOPE, 0)
    assert len(list(bodies)) == 1


def test_scopes_and_runs_are_apart(store_conn: db.Connection) -> None:
    """Each ingest process goes on from its own log; a drill's is forgotten alone."""
    steps = list(a_log(9))[:4]
    everything = replay_log.scope_name([])
    two = replay_log.scope_name(["530628", "530627", "530628"])
    assert (everything, two) == ("*", "530627,530628")
    store_turn(store_conn, steps[:2], everything)
    store_turn(store_conn, [replace(steps[0], number=9)], two)
    replay_log.append_steps(store_conn, 7, everything, 1, 5, b"drill")
    assert replay_log.last_step(store_conn, 0, everything) == 2
    assert replay_log.last_step(store_conn, 0, two) == 9
    assert replay_log.last_step(store_conn, 0, "530629") == 0
    snapshots.forget_run(store_conn, 7)
    assert replay_log.last_step(store_conn, 7, everything) == 0
    assert replay_log.last_step(store_conn, 0, everything) == 2


def test_a_long_log_is_read_in_parts(
    store_conn: db.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Memory holds a few turns at a time, in order."""
    monkeypatch.setattr(replay_log, "READ_ROWS", 3)
    for number in range(1, 11):
        body = str(number).encode()
        replay_log.append_steps(store_conn, 0, SCOPE, number, number, body)
    read = list(replay_log.bodies_since(store_conn, 0, SCOPE, 1))
    assert read == [str(number).encode() for number in range(2, 11)]
