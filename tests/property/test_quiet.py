"""Every kind of quiet, level and kind of alarm: what is worse breaks through."""

from __future__ import annotations

from math import inf

from hypothesis import given
from hypothesis import strategies as st

from gasmon.alarms.events import RED
from gasmon.alarms.quiet import Quiet, QuietTable
from gasmon.alarms.rule_kinds import KIND_SPECS

SUBJECTS = ("point:530627000001-01-001A01", "unit:530627000001/11121")
KINDS = sorted(KIND_SPECS)
NAMES = st.sampled_from(["shelf:3", "plan:17", "calibration:5"])


@st.composite
def windows(draw: st.DrawFn) -> Quiet:
    """A shelf, a plan or a calibration of a point or a unit."""
    name = draw(NAMES)
    begin = draw(st.integers(0, 20))
    return Quiet(
        name,
        draw(st.sampled_from(SUBJECTS)),
        begin,
        begin + draw(st.integers(1, 20)),
        draw(st.integers(0, RED - 1)),
        draw(st.sampled_from([0.9, 1.4, inf])),
        planned=not name.startswith("shelf"),
        alarm_kind=draw(st.one_of(st.none(), st.sampled_from(KINDS))),
    )


@given(
    given_windows=st.lists(windows(), max_size=4),
    rank=st.integers(0, RED),
    value=st.one_of(st.none(), st.sampled_from([0.9, 1.0, 1.4, 1.5])),
    kind=st.sampled_from(KINDS),
    at_us=st.integers(0, 40),
)
def test_whatever_is_quiet_is_so_by_a_record_that_reaches_so_far(
    given_windows: list[Quiet], rank: int, value: float | None, kind: str, at_us: int
) -> None:
    """Red never is; nothing above a ceiling, of another kind or outside of its time."""
    found = QuietTable.of(given_windows).look_up(SUBJECTS, at_us, rank, value, kind)
    reach = [
        window.name
        for window in given_windows
        if window.rank_ceiling >= rank
        and not (value is not None and value > window.value_ceiling)
        and at_us in range(window.from_us, window.until_us)
        and (window.alarm_kind is None or window.alarm_kind == kind)
    ]
    assert (found is not None) == bool(reach)
    if found is not None:
        assert rank < RED
        assert found.name in reach
