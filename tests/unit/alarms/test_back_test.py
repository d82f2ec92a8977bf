"""What a change of limits would have added and removed."""

from __future__ import annotations

from typing import Any

import numpy as np

from gasmon.alarms.back_test import (
    FIRST_LISTED,
    BackTest,
    limits_of,
    why_impossible,
)
from gasmon.alarms.rule_changes import LimitChange, rule_text, with_changes
from gasmon.alarms.rules import RuleSet, default_rules, parse_rules
from gasmon.batch import ReadingBatch
from gasmon.points import MineDef, PointDef, PointKey
from gasmon.units import US_PER_S
from tests.rule_texts import LIMITS_ALONE

CODE = "530627004499"
MINE = MineDef(CODE, CODE[:6], kind="high_gas")
POINT = PointDef(
    PointKey(CODE, "01", "001A01"), quantity="CH4", place_class="FACE_T1", uom="%",
    sensor_type="0001",
)  # fmt: skip
T0_US = 1_790_000_000_000_000
SITE = parse_rules(LIMITS_ALONE, "alone.toml")


def changed(*limits: tuple[str, float]) -> RuleSet:
    """The limits of the law, and others for the point."""
    return with_changes(SITE, rule_text([LimitChange(1, str(POINT.key), 0, limits)]))


STRICT = changed(("alarm_high", 0.8), ("clear_high", 0.7))


def batch(values: list[float], first: int = 0) -> ReadingBatch:
    """A reading each 15 s."""
    n = len(values)
    at_us = T0_US + np.arange(first, first + n, dtype=np.int64) * 15 * US_PER_S
    return ReadingBatch(
        row=np.zeros(n, np.int32),
        value=np.asarray(values, np.float64),
        at_us=at_us,
        arrived_us=at_us,
        state=np.zeros(n, np.int32),
    )


def result_of(
    values: list[float], before: RuleSet = SITE, after: RuleSet = STRICT, cut: int = 0
) -> dict[str, Any]:
    """The result over these values, given in one slice or in two."""
    test = BackTest(MINE, [POINT], before, after)
    for part in (batch(values[:cut]), batch(values[cut:], cut)):
        if part.n:
            test.feed(part, int(part.at_us[-1]) + 1)
    return test.result()


def gas(result: dict[str, Any], sort: str) -> list[tuple[str, int, float]]:
    """(kind, minute quarter it began, peak) of the listed alarms."""
    return [(a["kind"], a["rank"], a["peak"]) for a in result[sort]["items"]]


def test_a_stricter_limit_adds_what_stayed_below_the_old_one() -> None:
    """And what both raise has another time."""
    result = result_of([0.5, 0.9, 0.5, 0.9, 1.2, 0.5])
    assert gas(result, "added") == [("over_limit", 1, 0.9)]
    assert [row[0] for row in gas(result, "other")] == ["over_limit"]
    assert (result["removed"]["n"], result["n_readings"]) == (0, 6)
    assert result["added"]["counts"] == [{"kind": "over_limit", "rank": 1, "n": 1}]
    assert result["first"] < result["last"]


def test_taking_it_back_removes_the_same() -> None:
    """Seen from the other side."""
    result = result_of([0.5, 0.9, 0.5], before=STRICT, after=SITE)
    assert gas(result, "removed") == [("over_limit", 1, 0.9)]
    assert result["added"]["n"] == 0


def test_what_both_raise_alike_is_only_counted() -> None:
    """The cut-off is untouched, and an alarm that stands at the end is one."""
    result = result_of([0.5, 1.6], after=changed(("clear_high", 0.7)))
    assert result["n_same"] == 2
    assert [result[sort]["n"] for sort in ("added", "removed", "other")] == [0, 0, 0]


def test_slices_make_no_difference() -> None:
    """It may be read in parts of any length."""
    values = [0.5, 0.9, 0.9, 1.2, 0.5, 0.9]
    whole = result_of(values)
    assert all(result_of(values, cut=cut) == whole for cut in range(1, 6))


def test_no_readings_are_told_as_none() -> None:
    """So that nobody takes silence for proof."""
    test = BackTest(MINE, [POINT], SITE, STRICT)
    test.feed(batch([]), T0_US)
    result = test.result()
    assert (result["n_readings"], result["first"], result["last"]) == (0, None, None)


def test_many_alarms_are_counted_and_the_worst_listed() -> None:
    """A result stays small enough to read."""
    n = FIRST_LISTED + 5
    result = result_of([0.9, 0.5] * n)
    assert result["added"]["n"] == n
    assert len(result["added"]["items"]) == FIRST_LISTED


def test_a_limit_that_would_not_count_says_which_does() -> None:
    """The law's and the mine's own are stricter; nobody approves an illusion."""
    loose = changed(("alarm_high", 1.0), ("cut_high", 1.4))
    why = why_impossible(POINT, MINE, loose, {"alarm_high": 1.0, "cut_high": 1.4})
    assert why is None
    why = why_impossible(POINT, MINE, default_rules(), {"alarm_high": 1.2})
    assert why is not None
    assert why.startswith("alarm_high 1.2 would not count: 1 from gasmon/domain/limits")
    assert limits_of(POINT, MINE, STRICT)["alarm_high"] == 0.8
    assert "alarm_low" not in limits_of(POINT, MINE, STRICT)
