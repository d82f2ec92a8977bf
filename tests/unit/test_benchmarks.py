"""The benchmarks run and report in their agreed shape; nothing is timed here."""

from __future__ import annotations

import json
import math

import pytest

from benchmarks import latency
from benchmarks.__main__ import BENCHMARKS, main
from benchmarks.report import Report, machine, spread, table
from benchmarks.safeguards import VARIANTS
from benchmarks.switches import SWITCHES

FIELDS = {
    *("benchmark", "unit", "value", "ceiling", "ratio", "settings", "machine"),
    "details",
}


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    "name",
    [
        "engine",
        "engine_peer",
        # Servers and processes of their own.
        pytest.param("fanout", marks=pytest.mark.long),
        pytest.param("ingest", marks=pytest.mark.long),
        pytest.param("latency", marks=pytest.mark.long),
    ],
)
def test_a_quick_run_prints_one_object(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each benchmark runs on real parts and prints one JSON object."""
    assert main([name, "--quick", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert set(told) == FIELDS
    assert told["benchmark"] == name
    assert told["value"] > 0
    assert told["ceiling"] > 0
    assert math.isclose(told["ratio"], told["value"] / told["ceiling"], rel_tol=0.01)
    assert told["machine"]["cores"] >= 1


@pytest.mark.slow
def test_latency_is_measured_with_one_process() -> None:
    """The same on fewer parts: both paths, each stage and the bursts have times."""
    size = latency.Size(n_mines=5, load_s=1.0, n_bursts=1)
    report = latency.measured(size, latency.TOGETHER)
    assert report.value > 0
    assert report.ceiling > 0
    assert all(told["n"] > 0 for told in report.details["stages_ms"].values())
    assert report.details["burst_alarm_in_each_ms"]["n"] == size.n_mines


def test_every_benchmark_is_documented() -> None:
    """The module's own help names each benchmark."""
    import benchmarks

    assert benchmarks.__doc__ is not None
    for name in BENCHMARKS:
        assert f"    {name} " in benchmarks.__doc__


def test_every_switch_is_told_beside_the_others() -> None:
    """Each switch has a variant in which it alone is off, and one with all of them."""
    alone = [v.off for v in VARIANTS.values() if len(v.off) == 1]
    assert sorted(alone) == sorted((name,) for name in SWITCHES)
    assert set(VARIANTS["all off"].off) == set(SWITCHES)


def test_an_unknown_benchmark_is_a_usage_error() -> None:
    """A name that does not exist ends with exit code 2."""
    with pytest.raises(SystemExit) as ended:
        main(["speed"])
    assert ended.value.code == 2


def test_the_table_shows_what_the_object_says() -> None:
    """People see value, ceiling, ratio and every detail."""
    report = Report(
        "ingest", "readings/s", 50.0, 100.0, {"rounds": 3}, {"spread": spread([1, 2])}
    )
    shown = table(report.as_dict(machine()))
    assert "ingest: 50.0 readings/s, beside 100.0: ratio 0.5" in shown
    assert "rounds" in shown
    assert "p50 1.5" in shown


def test_the_spread_of_nothing_says_so() -> None:
    """No sample is zero values, not an error."""
    assert spread([]) == {"n": 0}
