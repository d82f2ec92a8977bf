"""Values that no sensor can have, but that a broken gateway can send.

Each overflow is a warning, and each warning an error of the test.
"""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gasmon.alarms.engine import AlarmEngine
from gasmon.alarms.forecast import ForecastEngine
from gasmon.alarms.rules import default_rules
from gasmon.alarms.snapshot import dump
from tests.engine_world import START_US, World, at, batch_of, live, point

WORLD = World.of(
    point("001A01", place_class="FACE_T0", unit_slug="11"),
    point("002A01", place_class="FACE_T2", unit_slug="11"),
    point("006A01", place_class="FACE_T2", unit_slug="11", alarm_high=5e-324),
    point("003A01", quantity="CO", place_class="FACE_T2", unit_slug="11"),
    point("004A01", quantity="WIND_SPEED", place_class=None, unit_slug="11"),
    point("005D01", quantity="LOCAL_FAN", place_class=None, unit_slug="11"),
    rules=default_rules(),
)
EXTREMES = st.sampled_from(
    (
        1.7976931348623157e308, -1.7976931348623157e308, 1e300, -1e300, 1e155, -1e155,
        2.0**53, 5e-324, -0.0, 0.0, 0.5, 0.9, 1.2,
    )
)  # fmt: skip


@given(
    st.lists(
        st.tuples(*[EXTREMES] * len(WORLD.versions)),
        min_size=3,
        max_size=30,
    )
)
def test_extreme_values_overflow_nothing(turns: list[tuple[float, ...]]) -> None:
    """Judged in every way that there is, and remembered."""
    rules = WORLD.rules
    forecast = ForecastEngine(rules, per_day=50.0)
    engine = AlarmEngine(rules, WORLD.patience, forecast=forecast)
    engine.adopt(WORLD.table, WORLD.versions, START_US)
    for k, values in enumerate(turns):
        batch = batch_of([live(row, value, 30 * k) for row, value in enumerate(values)])
        engine.tick(batch, now_us=at(30 * k), marks=[at(30 * k)])
    assert len(dump(engine)) > 0
