"""The engine's promises for kinds that follow how values move, and for switches.

Short windows and coarse values, so that rises, flat lines, jumps and holes are common.
"""

from __future__ import annotations

import random
from dataclasses import replace
from math import nan
from typing import Any

from hypothesis import event, given
from hypothesis import strategies as st

from gasmon.alarms.engine import Patience
from gasmon.alarms.events import AlarmEvent
from gasmon.alarms.kinds import (
    POINT_KINDS,
    RAPID_RISE,
    RELATION_NAMES,
    SWITCH_KINDS,
)
from gasmon.alarms.rules import RuleSet, parse_rules
from gasmon.alarms.snapshot import dump, load
from gasmon.points import PointDef
from gasmon.units import US_PER_S
from tests.engine_world import (
    START_US,
    Entry,
    Life,
    Mark,
    Reading,
    World,
    at,
    comparable,
    facts,
    feed,
    feed_scalar,
    point,
)
from tests.fix_examples import examples
from tests.property.test_engine_snapshot import shuffled, translated, without_rows
from tests.rule_texts import alone

MINES = ("530627000001", "530627000002")
KINDS = {*POINT_KINDS[RAPID_RISE - 2 :], *SWITCH_KINDS}
EXAMPLES = examples(10, more=3)
STATES = (0, 0, 0, 0, 0, 0, 1, 4, 5, 8, 16, 32, 64, 128, 256)
ROOMS = ("0s", "10s", "40s")


@st.composite
def rule_files(draw: st.DrawFn) -> RuleSet:
    """Any numbers of the kinds, each of which may be off at a quantity."""

    def one(kind: str, given: str, quantities: str = '"CH4", "O2"') -> str:
        if draw(st.integers(0, 7)) == 0:
            return ""
        lasts = draw(st.sampled_from(ROOMS[1:]))
        steps = f'[["0s", "blue"], ["{lasts}", "red"]]'
        return (
            f'[[rule]]\nkind = "{kind}"\nmatch = {{ quantity = [{quantities}] }}\n'
            f"with = {{ {given} }}\n"
            f"levels = [{{ factor = 1.0, steps = {steps} }}]\n"
        )

    def pick(*choices: Any) -> Any:
        return draw(st.sampled_from(choices))

    text = one("high_pre_warning", f"fraction = {pick(0.5, 0.8)}, clear_fraction = 0.5")
    text += one("low_pre_warning", f"limit = {pick(0.3, 19.0)}", '"O2"')
    window = pick("20s", "60s")
    text += one("rapid_rise", f'rise_per_min = {pick(0.1, 0.6)}, window = "{window}"')
    text += one(
        "suspicious_data",
        f'gap = "{pick("20s", "90s")}", calm = "{pick(*ROOMS)}", '
        f'resolution = {pick(0.1, 0.05)}, flat_after = "{pick("10s", "30s")}", '
        f"flat_factor = {pick(1.0, 2.0)}, flat_moves = {pick(1.0, 4.0)}, "
        f'stuck_after = "{pick("30s", "100s")}", stuck_fraction = 0.5, '
        f"below_range = {pick(0.0, 0.1)}, jump = {pick(0.4, 0.7)}, jump_back = 0.1, "
        f'jump_within = "{pick("10s", "40s")}"',
    )
    text += one(
        "evasion",
        f"near_fraction = {pick(0.3, 0.8)}, rise_per_min = {pick(0.1, 0.6)}, "
        f'window = "{pick("20s", "60s")}"',
    )
    text += one(
        "local_fan_stopped",
        f'state = {pick(0.0, 1.0)}, begins = "{pick("in_state", "by_change")}"',
        '"FAN_LOCAL"',
    )
    text += one(
        "substation_power_loss",
        f"state = 0.0, or_state = {pick(2.0, 1.0)}",
        '"POWER", "FAN_LOCAL"' if pick(False, False, True) else '"POWER"',
    )
    return parse_rules(alone(text), "drawn.toml")


def _points() -> list[PointDef]:
    one, two = MINES
    return [
        point("001A01", mine=one, range_low=0.0, range_high=4.0),
        point("002A01", mine=one, range_low=0.1),
        point("003A01", mine=one, quantity="O2", place_class=None),
        point("001D01", mine=one, quantity="FAN_LOCAL", value_kind="KG",
              place_class=None),
        point("001A01", mine=two, alarm_high=0.5),
        point("001M01", mine=two, quantity="POWER", value_kind="DT", place_class=None),
        point("002D01", mine=two, quantity="DOOR", value_kind="KG", place_class=None),
    ]  # fmt: skip


@st.composite
def worlds(draw: st.DrawFn) -> World:
    """Two mines, seven points; some get other limits or become something else."""
    versions = _points()
    for number in sorted(draw(st.sets(st.integers(0, 6), max_size=3))):
        high = draw(st.sampled_from([0.5, 0.9, nan]))
        quantity = draw(st.sampled_from([versions[number].quantity, "HUMIDITY"]))
        versions.append(
            replace(
                versions[number],
                effective_from_us=at(draw(st.integers(0, 200))),
                quantity=quantity,
                place_class=None,
                alarm_high=high,
                range_low=draw(st.sampled_from([0.1, nan])),
            )
        )
    patience = Patience(
        point_us=draw(st.sampled_from([20, 90])) * US_PER_S,
        mine_us=draw(st.sampled_from([15, 60, 10_000])) * US_PER_S,
        calibration_us=draw(st.sampled_from([0, 40, 1800])) * US_PER_S,
    )
    return World.of(*versions, rules=draw(rule_files()), patience=patience)


def _moved(draw: st.DrawFn, row: int, value: float) -> float:
    """The next value: mostly near the one before, in steps of 0.1."""
    if row in (3, 5, 6):
        return float(draw(st.sampled_from([0, 1, 1, 2])))
    steps = draw(
        st.sampled_from([(0, 0, 0, 0, 1), (1, 1, 1, 2, 0), (-1, -2, 5, -5, 8)])
    )
    step = draw(st.sampled_from(steps))
    return round(min(max(value + step / 10, -0.4), 1.4), 1)


@st.composite
def logs(draw: st.DrawFn, *, in_order: bool = False, most: int = 70) -> list[Entry]:
    """Walks of a few points, with holes, gaps, late readings and repeats."""
    log: list[Entry] = []
    rows = draw(st.lists(st.integers(0, 6), min_size=1, max_size=3, unique=True))
    values = dict.fromkeys(rows, 0.3)
    clock = START_US
    for _ in range(draw(st.integers(1, most))):
        clock += draw(st.sampled_from([1, 5, 5, 5, 10, 25])) * US_PER_S
        what = draw(st.integers(0, 15))
        if what == 0:
            log.append(Mark(clock))
        elif what == 1:
            log.append(Life(draw(st.integers(0, 1)), draw(st.booleans()), clock))
        else:
            row = draw(st.sampled_from(rows))
            values[row] = value = _moved(draw, row, values[row])
            behind = 0 if in_order else draw(st.sampled_from([0] * 9 + [7, 30]))
            state = draw(st.sampled_from(STATES))
            shown = nan if draw(st.integers(0, 11)) == 0 else value
            when = clock - behind * US_PER_S
            log.append(Reading(row, shown, when, clock, state))
    return log


def _note(said: list[AlarmEvent]) -> None:
    """What was tried, for ``--hypothesis-show-statistics``."""
    for one in said:
        if one.kind in KINDS and one.event in ("raised", "cleared"):
            event(f"{one.kind} {one.event}")
            for cause in one.explain.get("causes", [one.explain.get("cause")]):
                event(f"{one.kind} because of {cause}")


@examples(20, more=3)
@given(worlds(), logs())
def test_the_arrays_agree_with_plain_ifs(world: World, log: list[Entry]) -> None:
    """The vectorised engine says exactly what the scalar reference says."""
    reference = world.scalar()
    feed_scalar(reference, log)
    said = feed(world.engine(), log)
    _note(said)
    # What several points say together has a reference of its own.
    own = [e for e in said if e.kind not in RELATION_NAMES]
    assert facts(own) == facts(reference.said)


@EXAMPLES
@given(st.data())
def test_any_cut_gives_the_same_events(data: st.DataObject) -> None:
    """Also one reading at a time."""
    world, log = data.draw(worlds()), data.draw(logs())
    whole = comparable(feed(world.engine(), log))
    cuts = data.draw(st.sets(st.integers(0, len(log))))
    assert comparable(feed(world.engine(), log, cuts)) == whole
    assert comparable(feed(world.engine(), log, range(len(log)))) == whole


@EXAMPLES
@given(st.data())
def test_redelivery_and_late_readings_leave_the_shape_alone(
    data: st.DataObject,
) -> None:
    """What is not newer, whatever it says, changes nothing of what these kinds say."""
    world, log = data.draw(worlds()), data.draw(logs(in_order=True, most=40))
    deaf = Patience(10**15, 10**15, world.patience.calibration_us, late_us=10**15)
    world = replace(world, patience=deaf)
    log = [entry for entry in log if isinstance(entry, Reading)]
    again: list[Entry] = []
    for number, entry in enumerate(log):
        again.append(entry)
        before = [e for e in log[: number + 1] if isinstance(e, Reading)]
        for one in data.draw(st.lists(st.sampled_from(before), max_size=2)):
            value = data.draw(st.sampled_from([one.value, 0.0, -0.4, 0.9]))
            again.append(replace(one, value=value))

    def told(entries: list[Entry]) -> list[tuple[str, str]]:
        said = feed(world.engine(), entries)
        return comparable([e for e in said if e.kind in KINDS])

    assert told(again) == told(list(log))


@EXAMPLES
@given(st.data())
def test_a_snapshot_at_any_moment_changes_nothing(data: st.DataObject) -> None:
    """Rises, standing still and jumps that were under way go on."""
    world, log = data.draw(worlds()), data.draw(logs())
    cut = data.draw(st.integers(0, len(log)))
    expected = without_rows(feed(world.engine(), log, {cut}))
    first = world.engine()
    said = feed(first, log[:cut])
    second = shuffled(world, random.Random(data.draw(st.integers(0, 99))))
    assert load(second, dump(first)) == world.table.n
    said += feed(second, translated(log[cut:], world, second.table))
    assert without_rows(said) == expected


@EXAMPLES
@given(worlds(), logs())
def test_only_a_good_value_ends_and_unknown_raises_no_shape(
    world: World, log: list[Entry]
) -> None:
    """Each end is at a good reading; so is each begin of what values alone can say."""
    said = feed(world.engine(), log)
    hides = 16 | 32 | 64 | 128
    good = {
        (entry.row, entry.at_us)
        for entry in log
        if isinstance(entry, Reading)
        and entry.value == entry.value
        and not entry.state & hides
    }
    for one in said:
        if one.kind not in KINDS:
            continue
        if one.event == "cleared":
            assert (one.row, one.happened_at_us) in good
        if one.event == "raised" and one.kind in (
            "high_pre_warning", "low_pre_warning", "rapid_rise", "suspicious_data",
        ):  # fmt: skip
            assert (one.row, one.happened_at_us) in good


@EXAMPLES
@given(worlds(), logs())
def test_each_alarm_has_one_life_and_its_level_only_rises(
    world: World, log: list[Entry]
) -> None:
    """Raised once, cleared at most once and not before."""
    lives: dict[str, list[AlarmEvent]] = {}
    for one in feed(world.engine(), log):
        lives.setdefault(one.key, []).append(one)
    for life in lives.values():
        assert [e.event for e in life].count("raised") == 1
        assert life[0].event == "raised"
        assert "cleared" not in [e.event for e in life[:-1]]
        assert [e.rank for e in life] == sorted(e.rank for e in life)
        assert life[-1].happened_at_us >= life[0].raised_at_us
