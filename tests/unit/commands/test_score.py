"""``gasmon replay --score``: the protocol by hand, and the command as a whole."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from gasmon import cli
from gasmon.commands import score
from gasmon.commands.series import DEFAULT_MINE, parse_columns
from gasmon.errors import ConfigError
from gasmon.points import PointKey
from gasmon.units import US_PER_S

STEP_US = 30 * US_PER_S


def times(n: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """n moments 30 s apart."""
    return np.arange(n, dtype=np.int64) * STEP_US


def test_an_onset_needs_five_minutes_below() -> None:
    """Nine samples below are 4.5 min and too few; ten are enough; a gap is none."""
    value = np.asarray([0.5] * 9 + [1.0] + [0.5] * 10 + [1.0, 1.0] + [0.5] * 30)
    assert score.onsets(times(len(value)), value, 1.0).tolist() == [20 * STEP_US]
    broken = times(len(value))
    broken[20:] += 11 * 60 * US_PER_S
    assert score.onsets(broken, value, 1.0).tolist() == []


def test_a_label_looks_three_to_six_minutes_ahead() -> None:
    """Both ends count; the last six minutes have none."""
    value = np.zeros(40)
    value[20] = 1.0
    truth, known = score.labels(times(40), value, 1.0)
    assert np.flatnonzero(truth).tolist() == list(range(8, 15))
    assert np.flatnonzero(~known).tolist() == list(range(28, 40))


def test_the_area_is_the_share_of_ordered_pairs() -> None:
    """Against every pair counted by hand, ties as half."""
    rng = np.random.default_rng(0)
    odds, truth = rng.integers(0, 9, 200).astype(float), rng.random(200) < 0.3
    pairs = odds[truth][:, None] - odds[~truth][None]
    assert score.auc(odds, truth) == pytest.approx(
        (pairs > 0).mean() + (pairs == 0).mean() / 2
    )
    assert score.auc(odds, np.zeros(200, np.bool_)) is None
    assert score.auc(np.empty(0), np.empty(0, np.bool_)) is None


def test_hits_leads_and_false_ones_by_hand() -> None:
    """Two onsets; one warned of 5 min ahead, one not, and one warning for nothing."""
    value = np.full(400, 0.5)
    value[100:105] = value[300:305] = 1.1
    at = times(400)
    warned = at[[90, 200, 299 - 40]]
    record = score.Record(at, value, value, warned)
    found = score.count(record, 1.0, 0, 400 * STEP_US)
    assert (found["onsets"], found["warned"], found["hits_3min"]) == (2, 1, 1)
    assert found["median_lead_min"] == 5.0
    assert found["false"] == 2
    late = score.count(record, 1.0, int(at[150]), 400 * STEP_US)
    assert (late["onsets"], late["warned"], late["false"]) == (1, 0, 2)
    silent = score.count(
        score.Record(at, value, value, warned[:0]), 1.0, 0, 400 * STEP_US
    )
    assert (silent["warned"], silent["median_lead_min"], silent["false"]) == (
        0,
        None,
        0,
    )


def test_intervals_hold_what_they_are_of() -> None:
    """A share's interval, and that of an AUC against itself."""
    low, high = score.share_interval(5, 15) or (1.0, 0.0)
    assert low < 1 / 3 < high
    assert score.share_interval(0, 0) is None
    odds = np.random.default_rng(0).normal(size=3000)
    truth = odds + np.random.default_rng(1).normal(size=3000) > 0
    assert score.gain_interval(times(3000), odds, odds, truth) == [0.0, 0.0]
    assert score.gain_interval(times(0), odds[:0], odds[:0], truth[:0]) is None
    assert score.gain_interval(times(9), odds[:9], odds[:9], truth[:9] & False) is None


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("A", "POINT=LIMIT"),
        ("Q=1.0", "POINT=LIMIT"),
        ("A=much", "positive"),
        ("A=-1", "positive"),
        ("A=nan", "positive"),
        ("B=1", "not CH4"),
        ("A=1", "twice"),
    ],
)
def test_a_wrong_flag_is_named(text: str, problem: str) -> None:
    """Each refusal names the flag."""
    columns = parse_columns(["A=CH4:FACE_T2", "B=CO"])
    with pytest.raises(ConfigError, match=problem):
        score.parse_scores(["A=1.0", text], DEFAULT_MINE, columns)


def test_limits_are_gathered_by_point() -> None:
    """Several limits of one point."""
    columns = parse_columns(["A=CH4:FACE_T2"])
    found = score.parse_scores(["A=1.0", "A=1.2"], DEFAULT_MINE, columns)
    assert found == {PointKey(DEFAULT_MINE, "01", "A"): [1.0, 1.2]}


@pytest.fixture(scope="module")
def series(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A day at 30 s of methane that rises while coal is cut."""
    rng = np.random.default_rng(5)
    path = tmp_path_factory.mktemp("score") / "series.csv"
    level, lines = 0.6, ["t,A,P"]
    for k in range(2880):
        cut = k // 50 % 2
        level += 0.03 * (0.55 + 0.4 * cut - level) + rng.normal(0, 0.02)
        lines.append(f"{k * 30},{level:.2f},{cut}")
    path.write_text("\n".join(lines) + "\n", "utf-8")
    return path


def flags(series: Path, *more: str) -> list[str]:
    """The command's arguments."""
    return [
        "replay", str(series), "--time-column", "t", "--start",
        "2026-03-01T00:00:00+08:00", "--point", "A=CH4:FACE_T2:11", "--point",
        "P=PRODUCTION::11", *more,
    ]  # fmt: skip


def test_the_command_scores(series: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """JSON in the summary, event lines untouched, and each model in each window."""
    code = cli.main(
        flags(series, "--score", "A=0.9", "--score", "A=1.0", "--budget", "5", "--json")
    )
    captured = capsys.readouterr()
    assert code == 0
    events = [json.loads(line) for line in captured.out.splitlines()]
    said = [event for event in events if event["kind"] == "forecast"]
    assert {event["limit"] for event in said} == {0.9, 1.0}
    assert {event["level"] for event in said} == {"ungraded"}
    board = json.loads(captured.err)["score"]
    assert [entry["limit"] for entry in board] == [0.9, 1.0]
    for entry in board:
        assert entry["budget_per_day"] == 5.0
        for _, told in entry["windows"].items():
            for model in ("forecast", "ewma_1min", "last_value"):
                assert 0.5 < told[model]["auc"] <= 1.0
                assert told[model]["warned"] <= told[model]["onsets"]
    whole = board[0]["windows"]["whole"]["forecast"]
    ends = [e for e in said if e["event"] == "cleared" and e["limit"] == 0.9]
    words = [e["explain"]["outcome"] for e in ends]
    assert words.count("false") == whole["false"]
    assert words.count("hit") == whole["warned"]


def test_people_get_a_table(
    series: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """On stderr, after the summary; also of a third of a day."""
    short = tmp_path / "short.csv"
    short.write_text("\n".join(series.read_text("utf-8").split("\n")[:960]), "utf-8")
    assert cli.main(flags(short, "--score", "A=0.9")) == 0
    err = capsys.readouterr().err
    assert "ewma_1min" in err
    assert "second_half" in err
    assert "over EWMA, 95 %" in err


def test_a_wrong_budget_is_refused(
    series: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Usage, exit code 2."""
    assert cli.main(flags(series, "--score", "A=0.9", "--budget", "0")) == 2
    assert "--budget 0" in capsys.readouterr().err
