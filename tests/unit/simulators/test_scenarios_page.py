"""docs/scenarios.md says what there is, and nothing else."""

from __future__ import annotations

import re
from math import isnan
from pathlib import Path

from simulators.causes import KINDS
from simulators.scenario import parse, shipped

PAGE = Path(__file__).parents[3] / "docs" / "scenarios.md"


def section(title: str) -> str:
    """A section of the page."""
    return PAGE.read_text("utf-8").split(f"· {title}\n")[1].split("\n## ")[0]


def test_every_shipped_scenario_stands_in_the_table() -> None:
    """By its name."""
    told = re.findall(r"^\| `([\w-]+)` \|", section("What there is"), re.M)
    assert sorted(told) == shipped()


def test_every_cause_stands_in_its_table_with_its_parameters() -> None:
    """Where it acts, what it takes and what happens, as the code has it."""
    rows = {}
    for name, kind in KINDS.items():
        params = ", ".join(
            f"`{param}`" + ("" if isnan(default) else f" ({default:g})")
            for param, default in kind.params.items()
        )
        rows[name] = f"| `{name}` | {kind.acts_on} | {params} | {kind.what} |"
    told = re.findall(r"^\| `.*\|$", section("Causes"), re.M)
    assert sorted(told) == sorted(rows.values())


def test_the_file_that_is_shown_is_right() -> None:
    """What a reader copies is a scenario."""
    (shown,) = re.findall(r"```toml\n(.*?)```", section("The file"), re.S)
    assert parse(shown, "shown.toml", "shown").causes
