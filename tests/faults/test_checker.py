"""A checker that cannot fail proves nothing: each invariant is broken on purpose.

One small stack runs for a few seconds with faults; it must come out whole. Then
something is altered behind gasmon's back, in a transaction that is taken back, and the
invariant that this breaks must be named.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace

import pytest

from tests.faults import check, check_alarms
from tests.faults.chaos import Fault
from tests.faults.facts import Facts, Lost, held_by, look
from tests.faults.plan import SETTINGS, Outcome, Plan
from tests.faults.stack import Stack
from tests.faults.world import World

# Where the campaign is that it checks.
pytestmark = [pytest.mark.long, pytest.mark.timeout(240)]

FAULTS = [
    Fault(1.0, "kill", "receive-city", 0.5),
    Fault(2.0, "line_cut", "ingest", 0.0),
    Fault(3.0, "line_refuse", "database", 2.0),
    Fault(3.5, "line_cut", "gateways-a", 0.0),
    Fault(4.0, "kill", "api", 0.5),
]


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    """A stack that went through a few faults and has come to rest."""
    said: list[str] = []
    stack = Stack("nats", SETTINGS)
    running = None
    try:
        stack.start()
        plan = Plan(seed=7, minutes=0.2, n_mines=4, cycle_s=0.4)
        running = World(stack, plan, 7, said.append)
        outcome = Outcome(plan)
        found = running.round(random.Random(7), 7.0, outcome, FAULTS)
        assert found == [], found
        assert sum(outcome.faults.values()) == len(FAULTS)
        yield running
    finally:
        if running is not None:
            running.stop()
        stack.stop()


def test_the_untouched_stack_breaks_nothing_and_is_not_empty(world: World) -> None:
    """Frames, alarms of several kinds and told events are there to be wrong."""
    with world.stack.connect() as conn:
        facts = look(conn)

    assert world.findings(facts) == ([], 0)
    assert len(facts.frames) > 60
    assert len({alarm.key.kind for _, alarm in facts.alarms}) >= 4
    assert any(alarm.cleared_us for _, alarm in facts.alarms)
    assert len(facts.outbox) > 60
    assert held_by(world.stack.state_file("zhenxiong"))


NEWEST = "(SELECT max(seq) FROM outbox)"
# Of values: a link may have been broken on a busy machine, and is not in the truth.
SOME = (
    "(SELECT min(alarm_id) FROM alarm WHERE cleared_at IS NOT NULL"
    " AND kind IN ('over_limit', 'cut_off'))"
)
ALTERATIONS = {
    "a frame is gone": (
        "DELETE FROM frame WHERE (mine_id, seq) ="
        " (SELECT mine_id, 5 FROM mine LIMIT 1)",
        "I1: 1 acknowledged frames are missing",
    ),
    "a frame is there twice": (
        "INSERT INTO frame SELECT judged_at + interval '1 us', arrived_at, device_ms,"
        " seq, mine_id, run, n_readings, channel, boot FROM frame LIMIT 1",
        "I1: 1 frames are stored twice",
    ),
    "a frame of nobody": (
        "INSERT INTO frame SELECT judged_at, arrived_at, device_ms, seq, mine_id, run,"
        " n_readings, channel, 'nobody' FROM frame LIMIT 1",
        "I1: 1 stored frames were never made",
    ),
    "a frame at another time": (
        "UPDATE frame SET judged_at = judged_at + interval '1 ms' WHERE (mine_id, seq)"
        " = (SELECT mine_id, 5 FROM mine LIMIT 1)",
        "I1: 1 frames of right clocks were judged at another time",
    ),
    "a reading is gone": (
        "DELETE FROM reading WHERE (point_id, at) ="
        " (SELECT point_id, at FROM reading LIMIT 1)",
        "I1: 1 readings of stored frames are missing",
    ),
    "a reading is another": (
        "UPDATE reading SET value = 0.123456 WHERE (point_id, at) ="
        " (SELECT point_id, at FROM reading WHERE value IS NOT NULL LIMIT 1)",
        "I1: 1 frames or readings differ",
    ),
    "readings were given up": (
        "INSERT INTO reject (arrived_at, run, mine, topic, layer, reason, detail,"
        " first_bytes, size) SELECT now(), 0, code, '', 'store', 'frame_too_large', '',"
        " '', 0 FROM mine LIMIT 1",
        "I1: 1 refusals of mines that sent no garbage",
    ),
    "an alarm is gone": (
        "DELETE FROM alarm_journal WHERE alarm_id IN"
        f" (SELECT {SOME}); DELETE FROM alarm WHERE alarm_id = {SOME}",
        "I2: 1 alarms are missing",
    ),
    "an alarm was invented": (
        "INSERT INTO alarm (run, subject_type, subject_id, kind, raised_at, cleared_at,"
        " incident_id, area_code, mine_id, point_id, rule, rank, arrived_at,"
        " decided_at) SELECT run, subject_type, subject_id, kind, cleared_at +"
        " interval '1 us', cleared_at + interval '2 us', incident_id, area_code,"
        " mine_id, point_id, rule, rank, arrived_at, decided_at FROM alarm"
        f" WHERE alarm_id = {SOME}",
        "I2: 1 alarms were invented",
    ),
    "an alarm ends later": (
        "UPDATE alarm SET cleared_at = cleared_at + interval '1 ms'"
        f" WHERE alarm_id = {SOME}",
        "I2: 1 alarms differ from the truth",
    ),
    "an alarm has another level": (
        f"UPDATE alarm SET rank = (rank + 1) % 5 WHERE alarm_id = {SOME}",
        "I2: 1 alarms differ from the truth",
    ),
    "a link is still broken": (
        "INSERT INTO alarm (run, subject_type, subject_id, kind, raised_at,"
        " incident_id, area_code, mine_id, rule, rank, arrived_at, decided_at)"
        " SELECT 0, 'mine', m.code, 'link_break', now(), incident_id, a.area_code,"
        " m.mine_id, 'silence', 0, now(), now() FROM alarm a JOIN mine m"
        " USING (mine_id) LIMIT 1",
        "I2: 1 silences are open at the end",
    ),
    "a silence that was none": (
        "INSERT INTO alarm (run, subject_type, subject_id, kind, raised_at, cleared_at,"
        " incident_id, area_code, mine_id, rule, rank, arrived_at, decided_at)"
        " SELECT 0, 'mine', m.code, 'link_break', min(f.arrived_at), max(f.arrived_at),"
        " min(incident_id), m.area_code, m.mine_id, 'silence', 0, now(), now()"
        " FROM alarm a JOIN mine m USING (mine_id) JOIN frame f USING (mine_id)"
        " GROUP BY m.mine_id LIMIT 1",
        "I2: 1 silences that were none",
    ),
    "an event was not told": (
        f"DELETE FROM outbox WHERE seq = {NEWEST}",
        "I3: 1 journal events were not told",
    ),
    "an event was told twice": (
        "INSERT INTO outbox SELECT seq + 1, run, area_code, mine, alarm_id, event,"
        f" rank, body FROM outbox WHERE seq = {NEWEST}",
        "I3: 1 events were told twice",
    ),
    "a number was hidden": (
        "INSERT INTO outbox SELECT seq - 1000000, run, area_code, mine, alarm_id,"
        f" event, rank, body FROM outbox WHERE seq = {NEWEST}",
        "I3: 1 numbers were hidden from a reader",
    ),
    "the end before the beginning": (
        "UPDATE outbox SET event = CASE event WHEN 'raised' THEN 'cleared'"
        f" ELSE 'raised' END WHERE alarm_id = {SOME}"
        " AND event IN ('raised', 'cleared')",
        "events out of their alarm's order",
    ),
    "an event that no receiver has": (
        "INSERT INTO outbox SELECT seq + 1, run, area_code, mine, alarm_id, event,"
        f" rank, body FROM outbox WHERE seq = {NEWEST}",
        "I4: 1 events never reached city",
    ),
    "an event of other words": (
        "UPDATE outbox SET body = body || ' ' WHERE seq ="
        " (SELECT min(seq) FROM outbox WHERE area_code = '530627')",
        "I4: 1 bodies of zhenxiong differ",
    ),
    "an alarm opens again": (
        "UPDATE alarm SET cleared_at = NULL WHERE alarm_id = (SELECT max(alarm_id)"
        " FROM alarm a WHERE NOT EXISTS (SELECT 1 FROM alarm b WHERE b.cleared_at IS"
        " NULL AND (a.subject_id, a.kind) = (b.subject_id, b.kind)))",
        "I5: 1 open alarms that the relay",
    ),
}


@pytest.mark.parametrize("what", ALTERATIONS)
def test_an_altered_row_is_found(world: World, what: str) -> None:
    """The finding names the invariant and how many keys it concerns."""
    sql, wanted = ALTERATIONS[what]
    with world.stack.connect() as conn:
        conn.execute("SET session_replication_role = replica")
        for statement in sql.split("; "):
            assert conn.execute(statement.encode()).rowcount >= 1
        facts = look(conn)
        conn.rollback()

    found, _ = world.findings(facts, relays_s=0.0)

    assert any(wanted in str(finding) for finding in found), found


def test_a_receiver_that_lost_doubled_or_turned_something_is_found(
    world: World,
) -> None:
    """Each way in which a receiver's file can differ from the outbox."""
    facts = world.facts
    # Mines that are paused for long are told as silent meanwhile.
    last = facts.outbox[-1].seq
    held = [h for h in held_by(world.stack.state_file("city")) if h.seq <= last]

    def found(altered: list) -> str:  # type: ignore[type-arg]
        return str(check.receiver_equals("city", None, altered, facts))

    assert found(held) == "[]"
    assert "never reached" in found(held[1:])
    assert "order" in found([*held[:2][::-1], *held[2:]])
    assert "order" in found([*held, held[-1]])
    assert "are not the outbox's" in found([*held, replace(held[-1], seq=10**9)])
    assert "never printed" in str(check.events_printed("city", [], held))


def test_only_late_frames_excuse_an_alarm(world: World) -> None:
    """Without a late frame of its mine a missing alarm is a finding; with one it is
    excused only when something of its kind was told around that time."""
    facts: Facts = world.facts
    truth = world.truth(facts, set()).alarms
    value = [
        (number, alarm)
        for number, alarm in facts.alarms
        if alarm.key.kind == "over_limit" and alarm.cleared_us
    ]
    number, gone = value[0]
    without = replace(facts, alarms=[a for a in facts.alarms if a[0] != number])
    mine = gone.key.subject.split(":")[1][:12]
    # Its end is known as well: it is no part of a later one.
    blurred = {mine: [gone.key.raised_us, gone.cleared_us]}
    moved = replace(
        gone, key=replace(gone.key, raised_us=gone.key.raised_us + 1), rank=gone.rank
    )
    told_later = replace(facts, alarms=[*without.alarms, (number, moved)])

    assert check_alarms.alarms_true(truth, without, {})[0]
    assert check_alarms.alarms_true(truth, without, blurred)[0]
    assert check_alarms.alarms_true(truth, told_later, blurred) == ([], 2)


def test_readings_are_given_up_only_on_a_full_disk(world: World) -> None:
    """The same lost frame is a finding, or none when the disk was full."""
    frame = next(f for f in world.gateways.frames() if f.seq == 5)
    facts = replace(
        world.facts,
        frames={k: v for k, v in world.facts.frames.items() if k != frame.key},
        lost=[Lost(frame.mine, frame.boot, 5, 5, frame.true_us)],
    )

    def found(full_us: int) -> list[check.Finding]:
        return check.lost_rightly([frame], facts, [(full_us - 1, full_us + 1)])

    assert check.lost_rightly([frame], facts, [])
    assert not found(frame.true_us)
    assert found(frame.true_us - 60_000_000)
