"""Whatever is planned and whatever comes: an alarm is silent only as far as agreed."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gasmon.alarms.events import RED, AlarmEvent
from gasmon.alarms.planned import BROKE_THROUGH, is_silent
from gasmon.alarms.quiet import Quiet, QuietTable
from tests.fix_examples import examples
from tests.fix_pipeline import MINE, Live, at, defined, frame

CYCLE_S = 20
KINDS = ("over_limit", "cut_off")

values = st.sampled_from([0.2, 1.0, 1.2, 1.4, 1.5, 2.0, 2.9, 3.0])
ceilings = st.sampled_from([1.0, 1.3, 2.0, float("inf")])


@examples(30, more=2)
@given(
    curve=st.lists(st.one_of(values, st.none()), min_size=12, max_size=30),
    rank=st.integers(0, 3),
    ceiling=ceilings,
    from_s=st.integers(0, 3).map(lambda n: n * CYCLE_S),
    lasts_s=st.integers(3, 30).map(lambda n: n * CYCLE_S),
)
def test_an_alarm_is_silent_exactly_as_far_as_its_plan_goes(
    curve: list[float | None], rank: int, ceiling: float, from_s: int, lasts_s: int
) -> None:
    """A model with one line for each way to break through; what is loud stays loud."""
    begin_us, end_us = at(from_s), at(from_s + lasts_s)
    table = QuietTable.of(
        Quiet("plan:7", f"mine:{MINE}", begin_us, end_us, rank, ceiling, True, kind)
        for kind in KINDS
    )
    live = Live()
    live.take(defined(), quiet=table)
    last: dict[str, AlarmEvent] = {}
    loud: dict[str, bool] = {}
    for i, value in enumerate(curve):
        second = CYCLE_S * (i + 1)
        packets = []
        if value is not None:
            packets = [frame(i + 1, [("001A01", value, 0)], second=second)]
        judged = live.take(*packets, marks=[second], quiet=table)
        for event in judged.events:
            if event.kind not in KINDS:
                continue
            last[event.kind] = event
            if event.event == "raised":
                loud[event.kind] = not begin_us <= at(second) < end_us
            assert event.event != BROKE_THROUGH or event.explain["broke_through"]
        for kind in [kind for kind, event in last.items() if event.event == "cleared"]:
            del last[kind], loud[kind]
        for kind, event in last.items():
            loud[kind] |= event.rank > rank
            loud[kind] |= value is not None and value > ceiling
            loud[kind] |= at(second) >= end_us
            assert is_silent(event) == (not loud[kind])
            assert not (is_silent(event) and event.rank == RED)
