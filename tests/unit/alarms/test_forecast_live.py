"""The forecast inside the engine: restarts, silence, advice, and what it may say."""

from __future__ import annotations

from collections.abc import Sequence
from math import nan

import numpy as np
import pytest

from gasmon.alarms import forecast_model
from gasmon.alarms.engine import AlarmEngine, LivingAlarm
from gasmon.alarms.events import AlarmEvent
from gasmon.alarms.forecast import ForecastEngine
from gasmon.alarms.forecast_model import FORECAST, MODELS
from gasmon.alarms.forecast_snapshot import (
    forecast_arrays,
    forecast_header,
    load_forecast,
)
from gasmon.alarms.forecast_trial import TESTS_A_DAY
from gasmon.alarms.kinds import ADVISORY_KIND, FORECAST_KIND, FORECAST_KINDS
from gasmon.alarms.levels import NEVER_US
from gasmon.alarms.reconcile import living, reconcile
from gasmon.alarms.snapshot import dump, load
from gasmon.batch import ReadingBatch
from gasmon.units import US_PER_S
from tests.engine_world import START_US, World, at, batch_of, live, point

WORLD = World.of(
    point("001A01", place_class="FACE_T2", unit_slug="11"),
    point("002A01", place_class="COAL_BUNKER"),
)


def engine(per_day: float = 50.0, world: World = WORLD) -> AlarmEngine:
    """An engine that forecasts."""
    forecast = ForecastEngine(world.rules, per_day=per_day)
    made = AlarmEngine(world.rules, world.patience, forecast=forecast)
    made.adopt(world.table, world.versions, START_US)
    return made


def ahead(made: AlarmEngine) -> ForecastEngine:
    """The forecast of an engine."""
    assert made.forecast is not None
    return made.forecast


def feed(
    made: AlarmEngine, values: Sequence[float], begin_s: int = 0, step_s: int = 30
) -> list[AlarmEvent]:
    """What is said of the future while one point has these values."""
    said: list[AlarmEvent] = []
    for k, value in enumerate(values):
        reading = live(0, None if np.isnan(value) else value, begin_s + k * step_s)
        said += made.tick(batch_of([reading]), now_us=START_US)
    return [event for event in said if event.kind in FORECAST_KINDS]


def marked(made: AlarmEngine, second: float) -> list[AlarmEvent]:
    """What a clock mark makes it say of the future."""
    said = made.tick(ReadingBatch.empty(), now_us=START_US, marks=[at(second)])
    return [event for event in said if event.kind in FORECAST_KINDS]


NEAR = [0.5] * 30 + [0.97] * 15
"""A pre-warning is open at the end."""


def test_a_silent_mine_ends_its_pre_warnings_as_unknown() -> None:
    """By the clock, when its time and what a delay may last are over."""
    made = engine()
    (raised,) = feed(made, NEAR)
    begun_s = (raised.raised_at_us - START_US) // US_PER_S
    assert marked(made, begun_s + 689) == []
    (end,) = marked(made, begun_s + 690)
    assert (end.event, end.explain["outcome"]) == ("cleared", "unknown")
    assert end.happened_at_us == raised.raised_at_us + 600 * US_PER_S
    assert ahead(made).budget.n_false.sum() == 0
    assert marked(made, begun_s + 2000) == []


def test_time_that_nobody_lived_through_ends_no_pre_warning() -> None:
    """A step of our own clock is not the mine's silence."""
    made = engine()
    (raised,) = feed(made, NEAR)
    begun_s = (raised.raised_at_us - START_US) // US_PER_S
    made.pass_over(5000 * US_PER_S, at(begun_s + 5100))
    assert marked(made, begun_s + 5400) == []
    assert [e.event for e in marked(made, begun_s + 5000 + 690)] == ["cleared"]


def test_a_restart_without_a_snapshot_goes_on_with_what_is_open() -> None:
    """It ends as itself; what was forgotten of it is said to be unknown."""
    made = engine()
    opened = LivingAlarm(FORECAST_KIND, 0, 0, at(100), 0, nan, at(100))
    advised = LivingAlarm(ADVISORY_KIND, 0, 0, at(50), 0, nan, at(50))
    gone = LivingAlarm(FORECAST_KIND, 1, 0, at(100), 0, nan, at(100))
    made.resume([opened, advised, gone])
    assert living(made) == {(FORECAST_KIND, 0), (ADVISORY_KIND, 0), (FORECAST_KIND, 1)}
    ends = feed(made, [0.3] * 40, begin_s=120)
    assert {(e.event, e.no, e.raised_at_us) for e in ends} == {
        ("cleared", "001A01", at(100)),
        ("cleared", "002A01", at(100)),
    }
    outcomes = {e.no: e.explain["outcome"] for e in ends}
    assert outcomes == {"001A01": "false", "002A01": "unknown"}
    assert {e.explain["probability"] for e in ends} == {None}


def test_an_engine_without_a_forecast_leaves_them_alone() -> None:
    """Nobody invents an end."""
    made = WORLD.engine()
    made.resume([LivingAlarm(FORECAST_KIND, 0, 0, at(100), 0, nan, at(100))])
    assert living(made) == set()


def test_the_record_wins_over_what_the_engine_believes() -> None:
    """What is not recorded as open is forgotten, another beginning is taken over."""
    made = engine()
    (raised,) = feed(made, NEAR)
    assert reconcile(made, []) == ([], [(FORECAST_KIND, 0)])
    assert living(made) == set()
    made = engine()
    feed(made, NEAR)
    same = LivingAlarm(FORECAST_KIND, 0, 0, raised.raised_at_us, 0, nan, at(0))
    assert reconcile(made, [same]) == ([], [])
    other = LivingAlarm(FORECAST_KIND, 0, 0, at(7), 0, nan, at(7))
    reconcile(made, [other])
    assert ahead(made).living() == {(FORECAST_KIND, 0): at(7)}


def test_a_budget_of_nothing_says_nothing_and_ends_what_is_open() -> None:
    """Neither the forecast nor its baselines speak."""
    made = engine(per_day=0.0)
    made.resume([LivingAlarm(FORECAST_KIND, 0, 0, at(0), 0, nan, at(0))])
    said = feed(made, [*NEAR, *[0.97] * 30, 1.2])
    assert [event.event for event in said] == ["cleared"]
    assert ahead(made).take() == []


def test_a_snapshot_of_another_layout_costs_the_forecast_only() -> None:
    """It begins anew, the alarms go on."""
    made = engine()
    feed(made, NEAR)
    forecast = ahead(made)
    header, arrays = forecast_header(forecast), forecast_arrays(forecast)
    rows = np.arange(2, dtype=np.int32)
    other = ahead(engine())
    assert not load_forecast(other, {**header, "layout": "old"}, arrays, rows, [0])
    assert other.living() == {}
    assert load_forecast(other, header, arrays, rows, [0])
    assert other.living() == forecast.living()


def test_a_snapshot_of_an_engine_without_a_forecast_can_be_used() -> None:
    """And the other way round: neither needs the other's."""
    bare, full = WORLD.engine(), engine()
    feed(bare, [1.2])
    feed(full, NEAR)
    for taken, into in ((dump(bare), engine()), (dump(full), WORLD.engine())):
        assert load(into, taken) == 2


def test_points_that_are_gone_are_left_out_of_a_snapshot() -> None:
    """As everywhere: what the engine does not know any more is forgotten."""
    made = engine()
    feed(made, NEAR)
    small = World.of(point("002A01", place_class="COAL_BUNKER"))
    other = engine(world=small)
    assert load(other, dump(made)) == 1
    assert ahead(other).living() == {}


@pytest.fixture
def losing(monkeypatch: pytest.MonkeyPatch) -> AlarmEngine:
    """An engine whose forecast is wrong: it says what is not so, with certainty."""
    surer = forecast_model.BIAS + np.asarray([5.0, 0.0, 0.0])
    monkeypatch.setattr(forecast_model, "BIAS", surer)
    return engine()


CALM = [0.3 + 0.01 * (k % 7) for k in range(2 * TESTS_A_DAY + 20)]
CALM_STEP_S = 300
"""A day of tests and a little, in which nothing happens."""


def test_a_forecast_that_loses_is_advisory_and_says_so_once(
    losing: AlarmEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its pre-warnings say so too; when it wins it counts again, and says that."""
    said = feed(losing, CALM, step_s=CALM_STEP_S)
    told = [event for event in said if event.kind == ADVISORY_KIND]
    assert [event.event for event in told] == ["raised"]
    assert (told[0].rank, told[0].quiet) == (0, "advisory")
    assert told[0].explain["behind_ewma"]["nats"] > 0
    assert told[0].explain["behind_ewma"]["tests"] == TESTS_A_DAY
    forecast = ahead(losing)
    forecast.take()
    begin_s = len(CALM) * CALM_STEP_S
    said = feed(losing, [*[0.97] * 12, *[0.4] * 30], begin_s)
    raised = [e for e in said if e.kind == FORECAST_KIND and e.event == "raised"]
    assert raised
    assert all(event.quiet == "advisory" for event in raised)
    assert all(event.explain["advisory"] for event in raised)
    assert {w.advisory for w in forecast.take() if w.model == "forecast"} == {True}
    # From now on it does better than it did badly.
    monkeypatch.undo()
    number = forecast.targets.number_of(0)
    forecast.judge.state.lost[number] = -1.0
    said = feed(losing, CALM, begin_s + 42 * 30, CALM_STEP_S)
    told = [event for event in said if event.kind == ADVISORY_KIND]
    assert [event.event for event in told] == ["cleared"]
    assert forecast.judge.state.advisory_us[number] == NEVER_US


def test_a_limit_counts_from_its_own_moment() -> None:
    """A version of later changes nothing before: a replay meets the same limits."""
    world = World.of(
        point("001A01", place_class="FACE_T2"),
        point(
            "001A01", place_class="FACE_T2", alarm_high=0.8, effective_from_us=at(900)
        ),
        point("001A01", quantity="CO", effective_from_us=at(3000)),
    )
    made = engine(500.0, world)
    forecast = ahead(made)
    forecast.settle_in()
    number = np.asarray([forecast.targets.number_of(0)])
    for second, limit in ((0, 1.0), (899, 1.0), (900, 0.8), (3000, nan)):
        found = forecast.targets.limits_at(number, np.asarray([at(second)]))
        np.testing.assert_equal(found, [limit])
    said = feed(made, [0.5] * 30 + [0.78] * 60)
    assert said[0].limit == 0.8


def test_of_equal_points_the_first_by_name_speaks() -> None:
    """However the rows lie: rows have another order after a restart."""
    for order in (("001A01", "001A02"), ("001A02", "001A01")):
        world = World.of(*(point(no, place_class="FACE_T2") for no in order))
        made = engine(world=world)
        said: list[AlarmEvent] = []
        for k, value in enumerate(NEAR):
            frame = [live(row, value, k * 30) for row in range(2)]
            said += made.tick(batch_of(frame), now_us=START_US)
        first = next(e for e in said if e.kind == FORECAST_KIND)
        assert first.no == "001A01"


def test_the_first_of_two_values_of_one_moment_counts() -> None:
    """As for the alarms, also when both come in one frame."""
    made = engine()
    made.tick(batch_of([live(0, 0.3, 0), live(0, 0.9, 0)]), now_us=START_US)
    forecast = ahead(made)
    assert forecast.held.value[forecast.targets.slot[0]] == 0.3
    assert forecast.n_late == 1


def test_baselines_have_budgets_of_their_own() -> None:
    """Each mine has one for each model; only the forecast's becomes an event."""
    made = engine()
    said = feed(made, [0.5] * 30 + [0.97] * 60 + [0.5] * 30)
    models = {warned.model for warned in ahead(made).take()}
    assert models == set(MODELS)
    budget = ahead(made).budget
    assert len(budget.have) == len(MODELS)
    ended = [e for e in said if e.event == "cleared"]
    assert budget.n_false[FORECAST] == len(ended)
