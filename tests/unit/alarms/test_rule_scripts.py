"""Readable rule scripts: tests/rules/*.toml, at least one case for each level row.

A case has one point, a series with one entry a cycle (15 s unless it says another),
the kind that is looked at and every event of that kind that is expected, as
``minutes:seconds event level``. After each cycle comes a clock mark. Entries:

    1.2        a value                     _          no value
    1.2/5      a value with state bits     _/16       no value with state bits
    -          nothing arrives             1.2x20     twenty times
    0.5+0.1x4  0.5 and four steps of 0.1 more

A case may have several ``points`` of one unit instead, by name, each with a series of
its own and all of them in one frame; ``unit_kind`` says what the unit is. Each hangs on
a substation of its own unless its ``no`` says another.

``beside`` puts a second point into the mine that goes on sending. ``level_row`` is
the number of the ``[[rule]]`` in default_rules.toml that grades the case.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gasmon.alarms.kinds import STANDING_KINDS
from gasmon.alarms.rules import default_rules
from gasmon.points import UnitDef
from gasmon.units import US_PER_S, parse_duration_us
from tests.engine_world import START_US, Entry, World, feed, live, mark, point

FOLDER = Path(__file__).parents[2] / "rules"
CASES: list[dict[str, Any]] = [
    case
    for file in sorted(FOLDER.glob("*.toml"))
    for case in tomllib.loads(file.read_text("utf-8"))["case"]
]
ENTRY = re.compile(
    r"(?P<what>-|_|[0-9.]+)(?:/(?P<state>\d+))?(?:\+(?P<step>[0-9.]+))?(?:x(?P<n>\d+))?"
)


def entries(series: str) -> Iterator[tuple[float | None, int] | None]:
    """(value, state) of each cycle; None where nothing arrives."""
    for text in series.split():
        entry = ENTRY.fullmatch(text)
        assert entry, f"not an entry: {text}"
        n, step = int(entry["n"] or 1), float(entry["step"] or 0)
        for k in range(n + bool(step)):
            if entry["what"] == "-":
                yield None
            elif entry["what"] == "_":
                yield None, int(entry["state"] or 0)
            else:
                value = round(float(entry["what"]) + k * step, 6)
                yield value, int(entry["state"] or 0)


def when(moment_us: int) -> str:
    """Minutes and seconds after the start."""
    seconds = (moment_us - START_US) // US_PER_S
    return f"{seconds // 60}:{seconds % 60:02d}"


def _attributes(told: dict[str, Any], several: bool) -> dict[str, Any]:
    """What a case says of a point; several ones hang in one unit."""
    attributes = {"place_class": None, **told}
    if several:
        attributes["unit_slug"] = "11121"
        attributes["relations"] = tuple(told.get("relations", ()))
    return attributes


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_a_rule_script(case: dict[str, Any]) -> None:
    """The events of the case's kind are exactly the expected ones."""
    told, unit = case.get("points") or {"": case["point"]}, case.get("unit_kind")
    series = case["series"] if "points" in case else {"": case["series"]}
    points = [
        point(**{"no": f"{number:03d}A01", **_attributes(told[name], "points" in case)})
        for number, name in enumerate(told, 1)
    ]
    if case.get("beside"):
        points.append(point("002A01"))
        series = {**series, "beside": "0.1x1000"}
    units = (UnitDef("11121", unit),) if unit else ()
    engine = World.of(*points, units=units, rules=default_rules()).engine()
    cycle = parse_duration_us(case.get("cycle", "15s")) // US_PER_S
    columns = [list(entries(text)) for text in series.values()]
    log: list[Entry] = []
    for number in range(min(map(len, columns))):
        second = number * cycle
        for row, column in enumerate(columns):
            entry = column[number]
            if entry is not None:
                log.append(live(row, entry[0], second, entry[1]))
        log.append(mark(second))
    said = [event for event in feed(engine, log) if event.kind == case["kind"]]
    words = [f"{when(e.happened_at_us)} {e.event} {e.level}" for e in said]
    assert words == case["expect"]
    for event in said:
        assert event.explain["level_rule"] == case["level_row"]


def test_every_level_row_has_a_case() -> None:
    """A row of the shipped table that nothing tries is a row that nobody knows."""
    levels = default_rules().levels
    tried = {case["level_row"] for case in CASES}
    # What is decided outside the engine has no readings: test_standing.py tries it.
    judged = [n for n, r in enumerate(levels, 1) if r.kind not in STANDING_KINDS]
    assert tried == set(judged)
    for case in CASES:
        if case["expect"]:
            assert levels[case["level_row"] - 1].kind == case["kind"]
