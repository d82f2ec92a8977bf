"""What a demo is set up with."""

from __future__ import annotations

from pathlib import Path

import pytest

from gasmon.demo import DemoOptions, settings_of
from gasmon.errors import ConfigError

OWN = {"mode": "demo", "database.url": "postgresql://demo"}


def test_what_is_chosen_counts_beside_the_demos_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A flag over the file, the demo over both; the environment is another site's."""
    file = tmp_path / "gasmon.toml"
    file.write_text(
        'mode = "production"\n[life]\nlongest_plan_h = 5\nlongest_shelf_min = 7\n',
        "utf-8",
    )
    monkeypatch.setenv("GASMON_LIFE__LONGEST_PLAN_H", "3")
    options = DemoOptions(tmp_path, config=file, chosen={"life.longest_shelf_min": "9"})
    found = settings_of(options, OWN)
    assert (found.life.longest_plan_h, found.life.longest_shelf_min) == (5, 9)
    assert (found.mode, found.database.url) == ("demo", "postgresql://demo")


def test_what_the_demo_decides_cannot_be_chosen(tmp_path: Path) -> None:
    """It would be passed over without a word."""
    options = DemoOptions(tmp_path, chosen={"database.url": "postgresql://elsewhere"})
    with pytest.raises(ConfigError, match="the demo decides this itself"):
        settings_of(options, OWN)
