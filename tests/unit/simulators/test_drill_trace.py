"""What a drill leaves on the disk: enough to end and score it without its program."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from gasmon.errors import ConfigError
from gasmon.units import US_PER_S
from simulators.drill_record import Call
from simulators.drill_trace import Trace, find, keep, played_again, read
from simulators.toml_source import find_source
from tests.unit.simulators.test_drill_seen import BEGIN_US, KNOWN, setup

CALL = Call("false-smoke", "false_report", 12.5, "县级值班室", "冒烟", "smoke")


def trace() -> Trace:
    """Of the drill that ``test_drill_seen`` sets up."""
    return Trace(
        run=7,
        scenario=find_source("local-fan-failure", "scenarios", "scenario"),
        sheet=find_source("standard", "sheets", "sheet"),
        county="yiliang",
        seed=3,
        announced=True,
        participants=(),
        platforms=(),
        known=tuple(KNOWN),
        begin_us=BEGIN_US,
        real_begin_us=BEGIN_US + 3 * US_PER_S,
        calls=(CALL,),
        played_s=66.5,
    )


def test_a_trace_is_read_back_and_sets_the_drill_up_again(tmp_path: Path) -> None:
    """The same mines, the same clock, the same criteria; a later one replaces it."""
    keep(trace(), tmp_path)
    keep(replace(trace(), played_s=71.0), tmp_path)
    (path,) = tmp_path.iterdir()
    found = read(path)
    assert found == replace(trace(), played_s=71.0)
    again, first = found.setup(), setup(3)
    assert (again.places, again.clock) == (first.places, first.clock)
    assert again.scenario.speed == 1.0
    assert found.sheet_file().name == "standard"


def test_it_is_found_by_its_run_and_the_time_of_its_begin(tmp_path: Path) -> None:
    """Another platform's drill may have the same number; a record is no trace."""
    keep(trace(), tmp_path)
    path = tmp_path / trace().file_name
    (tmp_path / "drill-7-1.json").write_text("{}", "utf-8")
    begin_us = trace().real_begin_us
    hour_us = 3600 * US_PER_S
    assert find(tmp_path, 7, begin_us - hour_us, begin_us + hour_us) == path
    assert find(tmp_path, 7, begin_us + hour_us, begin_us + 2 * hour_us) is None
    assert find(tmp_path, 7, begin_us - 2 * hour_us, begin_us - hour_us) is None
    assert find(tmp_path, 8, begin_us - hour_us, begin_us + hour_us) is None


def test_what_is_no_trace_is_named(tmp_path: Path) -> None:
    """Nothing there, half of one, another version."""
    with pytest.raises(ConfigError, match=r"gone\.open: no trace"):
        read(tmp_path / "gone.open")
    broken = tmp_path / "drill-7-1.open"
    for text in ('{"version": 1', '{"version": 2}', '{"version": 1}'):
        broken.write_text(text, "utf-8")
        with pytest.raises(ConfigError, match="no trace of a drill"):
            read(broken)


def test_curves_are_played_again_as_far_as_they_came() -> None:
    """Cycles of five seconds up to the one at 65 s; the same however far one plays."""
    short = played_again(trace().setup(), 66.5)
    long = played_again(trace().setup(), 100.0)
    assert short
    for one, other in zip(short, long, strict=True):
        assert one.at_s[-1] == 65.0
        assert other.value[: len(one.value)] == one.value
