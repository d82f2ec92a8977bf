"""A simulated face beside a series: statistics against known answers, the command."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from simulators.cli import main
from simulators.statistics import autocorrelation, by_hour, crossings, statistics


def test_crossings_are_counted_once_per_stay() -> None:
    """Noise around the limit counts without a deadband and not with one."""
    value = np.array([0.8, 1.0, 0.95, 1.1, 0.85, 0.99, 1.0])
    assert crossings(value, 1.0, 0.0) == 3
    assert crossings(value, 1.0, 0.1) == 2
    assert crossings(np.full(5, 1.2), 1.0, 0.0) == 0


def test_memory_of_known_series() -> None:
    """A wave of eight steps is its own opposite after four."""
    wave = np.sin(np.arange(800) * 2 * np.pi / 8)
    assert autocorrelation(wave, 0) == 1.0
    assert autocorrelation(wave, 8) == pytest.approx(1.0)
    assert autocorrelation(wave, 4) == pytest.approx(-1.0)
    assert autocorrelation(np.full(10, 0.3), 2) == 1.0


def test_hours_and_cutting() -> None:
    """Two days at ten minutes; coal is won in the first half of each hour."""
    n = 2 * 144
    hour = np.arange(n) // 6 % 24
    cutting = np.arange(n) % 6 < 3
    value = np.where(hour < 12, 0.5, 1.0) + 0.1 * cutting
    found = statistics(value, cutting, 600.0, 1.0)
    assert by_hour(value, 600.0)[[0, 23]] == pytest.approx([0.55, 1.05])
    assert found.days == 2.0
    assert found.share_over == 0.5
    assert (found.cutting_share, found.cutting_lasts_min) == (0.5, 30.0)
    assert found.cutting_factor == pytest.approx(0.85 / 0.75, abs=1e-3)
    assert found.shift_contrast == pytest.approx(1.05 / 0.55, abs=1e-3)


def series(path: Path, n: int = 200) -> Path:
    """A made-up series: methane in steps of 0.1, coal by turns."""
    rng = np.random.default_rng(1)
    rows = [
        f"{30 * k},{0.8 + 0.1 * v:.1f},{k // 40 % 2}"
        for k, v in enumerate(rng.integers(-2, 3, n).tolist())
    ]
    path.write_text("\n".join(["t_s,CH4,PD", *rows]) + "\n", "utf-8")
    return path


def test_compare_prints_both_and_draws_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The simulated one has the mean and the digits of the measured one."""
    plot = tmp_path / "plot.svg"
    words = ["compare", "--series", str(series(tmp_path / "s.csv")), "--column", "CH4"]
    assert main([*words, "--json", "--plot", str(plot)]) == 0
    told = json.loads(capsys.readouterr().out)
    real, made = told["measured"], told["simulated"]
    assert set(real) == set(made)
    assert made["mean"] == pytest.approx(real["mean"], rel=0.35)
    assert all(round(v, 1) == v for v in made["quantiles"].values())
    drawn = plot.read_text("utf-8")
    assert drawn.startswith("<svg")
    assert drawn.count("<polyline") == 8

    assert main([*words, "--seeds", "2", "--plot", str(plot)]) == 0
    out = capsys.readouterr().out
    assert "模拟 seed 1" in out
    assert "模拟 seed 2" in out
    assert "autocorrelation 40" in out
    assert plot.read_text("utf-8").count("<polyline") == 12


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("t_s,CH4,PD\n0,1,0\n", "1 rows, 200 are wanted"),
        ("t_s,PD\n" + "0,0\n" * 300, "no column 'CH4'; there are t_s, PD"),
        ("t_s,CH4,PD\n0,1,0\n30,x,0\n" + "60,1,0\n" * 300, ":3: CH4 = 'x'"),
        (
            "t_s,CH4,PD\n" + "".join(f"{k + (k > 9)},1,0\n" for k in range(300)),
            ":12: steps of t_s are not all 1 s",
        ),
    ],
    ids=["short", "no column", "no number", "a gap"],
)
def test_a_wrong_series_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, says: str
) -> None:
    """With its file, and the line where that helps."""
    path = tmp_path / "wrong.csv"
    path.write_text(text, "utf-8")
    assert main(["compare", "--series", str(path), "--column", "CH4"]) == 2
    told = capsys.readouterr().err
    assert says in told
    assert str(path) in told
