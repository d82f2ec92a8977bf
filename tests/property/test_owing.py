"""A record any number of turns ahead of the log, after a kill at any frame."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import nan

from hypothesis import given
from hypothesis import strategies as st

from gasmon.alarms.engine import AlarmEngine, Patience
from gasmon.alarms.kinds import SLOT_OF
from gasmon.alarms.owing import OWED_KINDS, OWED_US, Debt
from gasmon.alarms.reconcile import living
from gasmon.alarms.relation_kinds import DUCT, EXTENT
from gasmon.alarms.rules import parse_rules
from gasmon.alarms.snapshot import dump
from gasmon.alarms.steps import give
from gasmon.domain import states
from gasmon.units import US_PER_H, US_PER_S
from tests.ahead_world import Record, owe, restarted
from tests.engine_world import Entry, Reading, World, at, feed, live, mark, point
from tests.fix_examples import examples
from tests.rule_texts import NO_PRE_WARNING

APART_S = 10
"""Seconds between two frames."""

AWAY_S = 600
"""For how long nobody judged."""

N_GAS = 3
SWITCH = {"place_class": None, "value_kind": "KG", "unit_slug": "11121"}
POINTS = [
    *(point(f"00{n}A01", unit_slug="11121") for n in range(1, N_GAS + 1)),
    point("004D01", quantity="FAN_LOCAL", **SWITCH),
    point("004D02", quantity="DUCT", **SWITCH),
]
"""Methane and a fan with its duct at one face: several over their limit, and a fan that
blows through no duct, are relations."""

NEVER_SILENT = Patience(point_us=US_PER_H, mine_us=US_PER_H)
DELAYS = [("0s", "0s"), ("0s", "15s"), ("12s", "0s"), ("12s", "25s")]
WORLDS = [
    World.of(
        *POINTS,
        rules=parse_rules(
            f'[delays]\non = "{on}"\noff = "{off}"\n{NO_PRE_WARNING}'
            f'[[rule]]\nkind = "{DUCT}"\n'
            f'with = {{ on_delay = "{on}", off_delay = "{off}" }}\n',
            "drawn.toml",
        ),
        patience=NEVER_SILENT,
    )
    for on, off in DELAYS
]
VALUES = [nan, 0.2, 0.9, 1.1, 1.4, 1.6, 2.2]
SWITCHES = [0.0, 1.0, 1.0, nan]
STATES = [0, 0, 0, 0, states.SENSOR_FAULT, states.CALIBRATION, states.ALARM]

Frame = list[Reading]


@st.composite
def frames(draw: st.DrawFn) -> list[Frame]:
    """Each has readings of some points, of one of them perhaps two."""
    sent = []
    for number in range(1, draw(st.integers(2, 9)) + 1):
        rows = draw(st.lists(st.integers(0, len(POINTS) - 1), min_size=1, max_size=5))
        came_us = at(number * APART_S + len(rows))
        sent.append(
            [
                Reading(
                    row,
                    draw(st.sampled_from(VALUES if row < N_GAS else SWITCHES)),
                    at(number * APART_S + rows[:place].count(row)),
                    came_us,
                    draw(st.sampled_from(STATES)),
                )
                for place, row in enumerate(rows)
            ]
        )
    return sent


def open_in(engine: AlarmEngine) -> set[tuple[str, int | str, int]]:
    """(kind, row or relation, beginning) of what lives."""
    relations = engine.relations.living()
    return {
        (kind, about, int(engine.state.raised_us[about, SLOT_OF[kind]]))
        if isinstance(about, int)
        else (kind, about, relations[kind, about])
        for kind, about in living(engine)
        if kind in OWED_KINDS
    }


def waited_for(engine: AlarmEngine) -> list[Debt]:
    """All that is owed."""
    return [*engine.owed, *engine.relations.owed]


def in_turns(data: st.DataObject, sent: Sequence[Frame]) -> list[Entry | None]:
    """Some frames as entries of a log; None where a turn ends."""
    out: list[Entry | None] = []
    for frame in sent:
        out += frame
        if data.draw(st.booleans()):
            out.append(None)
    return out


def later(
    data: st.DataObject, sent: Sequence[Frame], end_s: float
) -> list[Entry | None]:
    """Frames as they come again, with clock marks between them."""
    out: list[Entry | None] = []
    for turn, frame in enumerate(sent):
        now_s = end_s + AWAY_S + turn / 10
        out += [replace(r, arrived_us=at(now_s)) for r in frame]
        if data.draw(st.booleans()):
            out += [mark(now_s), None]
    return out


def given_to(engine: AlarmEngine, record: Record, log: list[Entry | None]) -> None:
    """Judge turn by turn, and record what is said."""
    turn: list[Entry] = []
    for entry in [*log, None]:
        if entry is not None:
            turn.append(entry)
        elif turn:
            record.take(feed(engine, turn))
            turn = []


def flat(sent: Sequence[Frame]) -> list[Entry]:
    """The entries of frames."""
    return [reading for frame in sent for reading in frame]


def apart_from_extents(told: Sequence[str]) -> list[str]:
    """Without what depends on when a clock mark lets a delay of a point mature."""
    return sorted(event_id for event_id in told if EXTENT not in event_id)


@examples(30)
@given(st.data())
def test_what_comes_again_makes_nothing_else(data: st.DataObject) -> None:
    """The same events by identity, and the same is open, as if nobody was killed."""
    world, sent = data.draw(st.sampled_from(WORLDS)), data.draw(frames())
    logged = data.draw(st.integers(0, len(sent)))
    ahead = data.draw(st.integers(logged, len(sent)))
    end_s = (len(sent) + 1) * APART_S
    sent.append([live(row, 0.9, end_s) for row in range(len(POINTS))])
    undisturbed = Record(feed(world.engine(), flat(sent)))
    record = Record(feed(world.engine(), flat(sent[:ahead])))
    engine = restarted(world, flat(sent[:logged]), record)
    # As after every restart: the time of mines stood still until they are heard.
    engine.pass_over(AWAY_S * US_PER_S, at(end_s + AWAY_S))
    given_to(engine, record, later(data, sent[logged:], end_s))
    assert apart_from_extents(record.told) == apart_from_extents(undisturbed.told)
    assert open_in(engine) == record.subjects()
    assert engine.n_late == 0


@examples(30)
@given(st.data())
def test_a_second_kill_while_something_is_owed(data: st.DataObject) -> None:
    """What was waited for is found again in the record and the longer log, also where
    frames were lost between the kills: the log says what became of it."""
    world, sent = data.draw(st.sampled_from(WORLDS)), data.draw(frames())
    first, second, ahead = sorted(data.draw(st.integers(0, len(sent))) for _ in "123")
    lost = data.draw(st.just(set()) | st.sets(st.integers(first, second)))
    come = [
        frame for n, frame in enumerate(sent[:second]) if n >= first and n not in lost
    ]
    end = (len(sent) + 1) * APART_S
    marks = [mark(end), mark(end + OWED_US / US_PER_S)]
    undisturbed = Record(feed(world.engine(), [*flat(sent), *marks]))
    record = Record(feed(world.engine(), flat(sent[:ahead])))
    former, engine = world.engine(), world.engine()
    feed(former, flat(sent[:first]))
    waits = owe(former, record)
    given_to(former, record, in_turns(data, come))
    feed(engine, flat(sent[:first]))
    give(engine, waits)
    feed(engine, flat(come))
    assert dump(engine) == dump(former)
    owe(engine, record)
    given_to(engine, record, [*in_turns(data, sent[second:]), *marks])
    assert open_in(engine) == record.subjects()
    if not lost:
        assert sorted(record.told) == sorted(undisturbed.told)
        assert record.subjects() == undisturbed.subjects()


@examples(30)
@given(st.data())
def test_where_frames_are_lost_the_record_counts(data: st.DataObject) -> None:
    """What is recorded as over does not live on, and what begins later is raised."""
    world, sent = data.draw(st.sampled_from(WORLDS)), data.draw(frames())
    logged = data.draw(st.integers(0, len(sent)))
    ahead = data.draw(st.integers(logged, len(sent)))
    lost = data.draw(st.sets(st.integers(logged, len(sent))))
    record = Record(feed(world.engine(), flat(sent[:ahead])))
    engine = restarted(world, flat(sent[:logged]), record)
    come = [f for n, f in enumerate(sent) if n >= logged and n not in lost]
    begun_s = (len(sent) + 1) * APART_S
    marks = [mark(begun_s), mark(begun_s + OWED_US / US_PER_S)]
    given_to(engine, record, [*in_turns(data, come), *marks])
    assert waited_for(engine) == []
    assert open_in(engine) == record.subjects()
    # Whatever was lost: what is beyond the limit for long is open, what is not is over.
    last_s = begun_s + 60
    high = [live(row, 1.2, last_s + s) for s in (0, 40) for row in (0, 1, 2)]
    given_to(engine, record, list(high))
    over = {row for kind, row, _ in open_in(engine) if kind == "over_limit"}
    assert over == {0, 1, 2}
    low = [live(row, 0.2, last_s + s) for s in (60, 70, 110) for row in (0, 1, 2)]
    given_to(engine, record, list(low))
    assert not {k for k, _, _ in open_in(engine) if k in ("over_limit", "cut_off")}
    assert open_in(engine) == record.subjects()
