"""docs/alarm-rules.md says everything that the rules can do."""

from __future__ import annotations

from pathlib import Path

import pytest

from gasmon.alarms import rules
from gasmon.alarms.events import RANK_NAMES
from gasmon.alarms.kinds import ALL_KINDS
from gasmon.alarms.rule_bands import BAND_KEYS
from gasmon.alarms.rule_entries import RULE_KEYS
from gasmon.alarms.rule_kinds import KINDS, KindSpec
from gasmon.alarms.rule_spec import SELECTOR_NAMES
from gasmon.points import LIMIT_FIELDS
from gasmon.units import US_PER_MIN
from tests.engine_world import Entry, Life, World, at, feed, live, mark, point

PAGE = (Path(__file__).parents[3] / "docs" / "alarm-rules.md").read_text("utf-8")
KEYS = {
    "delays.on", "delays.off", "own_limits.stricter", "after_rise.fraction",
    "after_rise.within",
    *RULE_KEYS, *BAND_KEYS, *SELECTOR_NAMES, *LIMIT_FIELDS,
}  # fmt: skip
LEVELS = rules.default_rules().levels


@pytest.mark.parametrize("kind", ALL_KINDS)
def test_each_kind_is_in_the_table(kind: str) -> None:
    """With when it begins and when it ends."""
    assert f"\n| `{kind}` " in PAGE


@pytest.mark.parametrize("key", sorted(KEYS))
def test_each_key_of_the_file_is_named(key: str) -> None:
    """In the last section."""
    keys = PAGE.split("## 规则文件")[1]
    section, _, name = key.rpartition(".")
    assert f"`{name}`" in keys
    assert not section or f"`[{section}]`" in keys


@pytest.mark.parametrize("spec", KINDS, ids=lambda spec: spec.name)
def test_each_parameter_of_a_kind_is_named(spec: KindSpec) -> None:
    """In the row of its kind, in the last section."""
    lines = PAGE.split("## 规则文件")[1].splitlines()
    row = next((text for text in lines if text.startswith(f"| `{spec.name}`")), "")
    for param in spec.params:
        assert f"`{param.name}`" in row


def test_each_section_of_the_file_is_named() -> None:
    """Tables and arrays of tables."""
    for key in rules.TOP_KEYS:
        assert any(f"`{k}`" in PAGE for k in (key, f"[{key}]", f"[[{key}]]"))


@pytest.mark.parametrize("number", range(1, len(LEVELS) + 1))
def test_each_default_row_is_as_it_is_written(number: int) -> None:
    """Kind, quantities, places, colours and durations of the row."""
    row = LEVELS[number - 1]
    line = next(text for text in PAGE.splitlines() if text.startswith(f"| {number} |"))
    assert f"`{row.kind}`" in line
    _, _, _, who, levels, _ = (cell.strip() for cell in line.split("|"))
    for name in (*row.match.quantity, *row.match.place_class):
        assert name in who.replace(",", "").split()
    assert row.after_rise == ("right after a rise" in who)
    if row.enabled is False:
        assert levels == "off"
        return
    said = []
    for text in levels.split(";"):
        lower, _, steps = text.rpartition(":")
        said.append((lower.strip(), [step.strip() for step in steps.split(",")]))
    assert len(said) == len(row.bands)
    for (lower, earned), band in zip(said, row.bands, strict=True):
        written = [
            RANK_NAMES[rank] + (f" after {us // US_PER_MIN}min" if us else "")
            for us, rank in band.steps
        ]
        assert earned == written
        if len(row.bands) > 1:
            factor = "A" if band.factor == 1.0 else f"{band.factor:g} A"
            assert lower in (factor, f"{band.at_least:g} ppm")


def test_the_page_has_no_row_too_many() -> None:
    """A row that was taken away is taken away here too."""
    assert f"\n| {len(LEVELS) + 1} |" not in PAGE


def test_each_field_of_an_explanation_is_named() -> None:
    """Of points and of links."""
    world = World.of(point())
    log: list[Entry] = [
        live(0, 1.2, 1),
        Life(0, False, at(2)),
        mark(4000),
        live(0, 0.1, 4001),
    ]
    for event in feed(world.engine(), log):
        assert f"`{event.event}`" in PAGE
        for name in event.explain:
            assert f"`{name}`" in PAGE, name


def test_what_a_shape_or_a_switch_explains_is_named() -> None:
    """Pre-warning, rise, evasion, suspicious data and a switch."""
    fan = point("002D01", quantity="FAN_LOCAL", value_kind="KG", place_class=None)
    bunker = point(place_class="COAL_BUNKER")
    log: list[Entry] = [live(1, 1.0, 0), live(1, 0.0, 1)]
    log += [live(0, round(0.1 + 0.08 * k, 2), 15 * k) for k in range(15)]
    log += [live(0, None, 230, 64), live(0, 0.2, 245), live(0, -0.9, 260)]
    log += [live(0, -0.9, 275), live(0, 0.2, 290)]
    said = feed(World.of(bunker, fan, rules=rules.default_rules()).engine(), log)
    kinds = {event.kind for event in said}
    assert kinds >= {"high_pre_warning", "rapid_rise", "evasion", "suspicious_data"}
    assert "local_fan_stopped" in kinds
    for event in said:
        for name in event.explain:
            assert f"`{name}`" in PAGE, name
