"""The forecast: what it says, when, and that only the log decides."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np
import pytest

from gasmon.alarms.events import AlarmEvent
from gasmon.alarms.forecast import ForecastEngine
from gasmon.alarms.forecast_model import FORECAST, MODELS
from gasmon.alarms.rules import default_rules
from gasmon.batch import ReadingBatch
from gasmon.points import MineDef, PointDef, PointTable, lay_out
from gasmon.units import US_PER_S
from tests.engine_world import START_US, Reading, batch_of, point

MINES = ("530627000001", "530627000002")


def world(*more: PointDef) -> PointTable:
    """Two mines with a face of two methane points and a production signal each."""
    points = [
        made
        for mine in MINES
        for made in (
            point("001A01", mine=mine, unit_slug="11", place_class="FACE_T2"),
            point("001A02", mine=mine, unit_slug="11", place_class="FACE_T1"),
            point(
                "003A01", mine=mine, unit_slug="11", quantity="PRODUCTION",
                place_class=None,
            ),
            point("004A01", mine=mine, place_class="COAL_BUNKER"),
        )
    ]  # fmt: skip
    return lay_out([MineDef(code, code[:6]) for code in MINES], [*points, *more])


def engine(table: PointTable, per_day: float = 50.0, **flags: bool) -> ForecastEngine:
    """An engine rich enough to speak often."""
    made = ForecastEngine(
        default_rules(), per_day=per_day, per_mine=flags.get("per_mine", False)
    )
    made.adopt(table)
    made.settle_in()
    return made


def frames(n: int = 600, seed: int = 3, step_s: int = 30) -> list[list[Reading]]:
    """One frame a mine and step: methane that wanders about its limit."""
    rng = np.random.default_rng(seed)
    table = world()
    level = np.full(table.n, 0.8)
    made = []
    for k in range(n):
        level += rng.normal(0, 0.03, table.n) + 0.02 * (0.85 - level)
        at = START_US + k * step_s * US_PER_S
        for mine in range(2):
            frame = []
            for row in table.rows[mine]:
                produces = table.current[row].quantity == "PRODUCTION"
                value = float(k // 80 % 2) if produces else round(level[row], 2)
                if rng.random() < 0.01:
                    value = float("nan")
                frame.append(Reading(row, value, at, at + 2000 + mine))
            made.append(frame)
    return made


def feed(
    made: ForecastEngine, log: Sequence[Sequence[Reading]], per_tick: int
) -> list[AlarmEvent]:
    """Give frames to an engine, some in each tick."""
    said = []
    for begin in range(0, len(log), per_tick):
        readings = [r for frame in log[begin : begin + per_tick] for r in frame]
        said += made.tick(batch_of(readings), START_US)
    return said


def ids(said: Sequence[AlarmEvent]) -> list[tuple[str, str]]:
    """What was said, in an order of its own."""
    return sorted((event.event_id, repr(event.explain)) for event in said)


def series(values: Sequence[float], row: int = 0) -> list[list[Reading]]:
    """One point's values as frames, 30 s apart."""
    return [
        [Reading(row, value, at, at)]
        for k, value in enumerate(values)
        for at in [START_US + k * 30 * US_PER_S]
    ]


@cache
def uncut(per_mine: bool) -> list[AlarmEvent]:
    """What is said when all frames come in one tick."""
    return feed(engine(world(), per_mine=per_mine), frames(), 10**6)


@pytest.mark.parametrize("per_tick", [1, 2, 3, 7, 64, 2000])
@pytest.mark.parametrize("per_mine", [False, True])
def test_cutting_the_log_elsewhere_changes_nothing(
    per_tick: int, per_mine: bool
) -> None:
    """At frame boundaries, with budgets of points and of mines."""
    whole = uncut(per_mine)
    assert any(event.event == "raised" for event in whole)
    made = engine(world(), per_mine=per_mine)
    assert ids(feed(made, frames(), per_tick)) == ids(whole)


def test_the_order_of_mines_changes_nothing() -> None:
    """The second mine's frames may come before the first one's."""
    log = frames()
    turned = [
        log[k + 1 - 2 * (k % 2)] if k + 1 - 2 * (k % 2) < len(log) else log[k]
        for k in range(len(log))
    ]
    assert ids(feed(engine(world()), turned, 5)) == ids(uncut(per_mine=False))


def test_a_repeated_frame_is_no_news() -> None:
    """Redelivery gives the same events and is counted as late."""
    log = frames(300)
    twice = [frame for pair in zip(log, log, strict=True) for frame in pair]
    made = engine(world())
    assert ids(feed(made, twice, 11)) == ids(feed(engine(world()), log, 11))
    assert made.n_late > 0


def test_mines_do_not_touch_each_other() -> None:
    """A mine alone has the events that it has beside another."""
    log = frames()
    both = feed(engine(world()), log, 64)
    alone = feed(engine(world()), log[::2], 64)
    assert ids(alone) == ids([event for event in both if event.mine == MINES[0]])


def test_only_faces_headings_and_returns_are_forecast() -> None:
    """Methane elsewhere and other quantities have no target."""
    table = world(
        point("005A01", place_class="HEADING_T2"),
        point("006A01", place_class="TOTAL_RETURN"),
        point("007A01", place_class="FACE_T2", quantity="CO"),
        point("008A01", place_class=None),
    )
    made = engine(table)
    numbers = {table.keys[w.row].no for w in made.targets.watches}
    assert numbers == {"001A01", "001A02", "005A01", "006A01"}
    limits = {table.keys[w.row].no: w.limit for w in made.targets.watches}
    assert limits["006A01"] == 0.75


def test_a_rise_is_told_and_its_outcome_kept() -> None:
    """Raised below the limit, cleared as a hit when the limit is reached."""
    rise = [0.3] * 60 + [0.3 + 0.02 * k for k in range(60)]
    made = engine(world())
    said = feed(made, series([min(v, 1.2) for v in rise]), 7)
    raised, cleared = said[0], said[1]
    assert (raised.event, raised.kind, raised.rank) == ("raised", "forecast", 0)
    assert raised.limit == 1.0
    assert raised.value is not None
    assert raised.value < 1.0
    assert raised.explain["probability"] >= raised.explain["threshold"]
    assert len(raised.explain["why"]) == 4
    assert raised.explain["budget"]["per_day"] == 50.0
    ends = [event for event in said if event.event == "cleared"]
    assert ends[-1].explain["outcome"] == "hit"
    assert cleared.key == raised.key
    hit = [o for o in made.outcomes if o.model == FORECAST][-1]
    assert hit.hit
    assert hit.lead_s == (hit.ended_us - hit.raised_us) / US_PER_S
    warned = [w for w in made.take() if w.model == "forecast"]
    assert [w.raised_us for w in warned] == [
        event.raised_at_us for event in said if event.event == "raised"
    ]
    assert (warned[0].limit, warned[0].horizon_s) == (1.0, 600)
    assert warned[0].last_value == raised.value
    assert warned[0].ewma_1min < warned[0].last_value
    assert made.take() == []
    assert made.outcomes == []


def test_a_false_one_is_paid_for() -> None:
    """It ends after ten minutes."""
    made = engine(world())
    near = [0.5] * 30 + [0.96] * 30 + [0.5] * 30
    said = feed(made, series(near), 1)
    first = next(event for event in said if event.event == "cleared")
    assert first.explain["outcome"] == "false"
    assert first.happened_at_us - first.raised_at_us == 600 * US_PER_S
    assert made.budget.n_false.sum() == len(made.outcomes)
    assert made.budget.n_false[0] >= 1


@pytest.mark.parametrize("value", [float("nan"), 0.96])
def test_nothing_is_said_of_what_is_not_known(value: float) -> None:
    """No value, or a value under calibration, is no ground for a pre-warning."""
    made = engine(world())
    state = 0 if np.isnan(value) else 4
    log = [
        [Reading(0, value, at, at, state)]
        for k in range(100)
        for at in [START_US + k * 30 * US_PER_S]
    ]
    assert feed(made, log, 9) == []


def test_an_end_in_the_dark_is_nobodys_fault() -> None:
    """When the value is gone at the end the pre-warning is not charged as false."""
    values = [0.5] * 30 + [0.97] * 19
    made = engine(world())
    said = feed(made, series([*values, *[float("nan")] * 40]), 1)
    assert [event.event for event in said] == ["raised", "cleared"]
    assert said[1].explain["outcome"] == "unknown"
    assert said[1].value is None
    assert made.budget.n_false.sum() == 0


def test_a_signal_of_production_is_taken_from_the_unit_or_the_mine() -> None:
    """Own unit first, else signals of the mine that name no unit; a shearer counts."""
    far = {"unit_slug": "12", "place_class": "FACE_T2"}
    table = world(
        point("009A01", **far),
        point("010D01", quantity="EQUIPMENT", place="1104采煤机开停", place_class=None),
        point("011D01", quantity="EQUIPMENT", place="水泵", place_class=None),
    )
    made = engine(table)
    works = {
        table.keys[w.row].no: int(made.targets.works[k * len(MODELS)])
        for k, w in enumerate(made.targets.watches)
        if table.keys[w.row].mine == MINES[0]
    }
    assert works["001A01"] == works["001A02"] != works["009A01"]
    assert min(works.values()) >= 0
    assert len(made.targets.signal_row) == 3


def test_a_new_limit_counts_at_once_and_levels_stay() -> None:
    """A changed point keeps its number and its memory."""
    table = world()
    made = engine(table)
    feed(made, frames(100), 10)
    changed = point("001A01", unit_slug="11", place_class="FACE_T2", alarm_high=0.8)
    made.adopt(table.extended((), [changed]))
    made.settle_in()
    number = made.targets.number_of(0)
    assert made.targets.limit[number] == 0.8
    gone = point("001A01", unit_slug="11", quantity="CO")
    made.adopt(made.table.extended((), [gone]))
    made.settle_in()
    assert np.isnan(made.targets.limit[number])
    assert feed(made, frames(50), 10) == feed(made, [], 1)


def test_a_mines_budget_is_one_for_all_its_points() -> None:
    """Only the surest point of a mine speaks in one moment."""
    made = engine(world(), per_mine=True)
    said = feed(made, frames(), 64)
    raised = [(e.mine, e.raised_at_us) for e in said if e.event == "raised"]
    assert len(raised) == len(set(raised))
    assert len(made.budget.have) == 2 * len(MODELS)


def test_what_has_no_target_costs_nothing() -> None:
    """Empty batches and foreign points are passed over."""
    made = engine(world())
    assert made.tick(ReadingBatch.empty(), START_US) == []
    assert made.tick(batch_of([Reading(3, 0.9, START_US, START_US)]), START_US) == []


def test_memory_of_a_forecast_point_is_small() -> None:
    """Under 1 kB in arrays for each forecast point, with its baselines."""
    assert engine(world()).bytes_per_target() < 1000
