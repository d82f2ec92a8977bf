"""``gasmon rules``: check, show and explain without a database."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from gasmon import cli
from gasmon.alarms.rule_limits import law
from gasmon.alarms.rules import default_rules

POINT = "530627004499-01-001A01"
MINE: dict[str, Any] = {
    "v": 1,
    "rev": 1,
    "ts": 1_793_000_000_000,
    "mine": {"code": "530627004499", "name": "矿", "kind": "outburst"},
    "units": [{"id": "11121", "kind": "face", "name": "面"}],
    "points": [
        {
            "no": "001A01", "system": "01", "type": "0001", "kind": "MN",
            "unit_id": "11121", "place_class": "FACE_T1", "place": "面", "uom": "%",
            "range": [0, 4], "cut_high": 1.2,
        }
    ],
}  # fmt: skip
SITE = """[[rule]]
name = "county faces"
kind = "over_limit"
match = { area = ["zhenxiong"], quantity = ["CH4"] }
with = { alarm_high = 0.9 }
"""


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A site's rule file."""
    path = tmp_path / "site.toml"
    path.write_text(SITE, "utf-8")
    return path


def told(capsys: pytest.CaptureFixture[str], *argv: str) -> str:
    """What a command that succeeds prints."""
    assert cli.main(["rules", *argv]) == 0
    return capsys.readouterr().out


def test_a_file_is_checked(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Good: exit 0 and how many rules; bad: exit 2 and the line."""
    assert "1 条本地 of the site" in told(capsys, "check", str(site))
    facts = json.loads(told(capsys, "check", str(site), "--json"))
    assert (facts["ok"], facts["own_rules"]) == (True, 1)
    assert json.loads(told(capsys, "check", "--json"))["own_rules"] == 0
    site.write_text(SITE.replace("0.9", "1.9"), "utf-8")
    assert cli.main(["rules", "check", str(site)]) == 2
    error = capsys.readouterr().err
    assert f"{site}:5: rule county faces: alarm_high 1.9 is looser than" in error


def test_a_file_of_another_encoding_is_refused_by_name(
    site: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As an editor writes Chinese remarks in GBK: what is wrong is said, not shown."""
    site.write_bytes("# 县局通知\n".encode("gbk"))
    assert cli.main(["rules", "check", str(site)]) == 2
    assert f"{site}: it is not UTF-8" in capsys.readouterr().err


def test_what_is_in_force_is_shown(
    site: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every rule with its line, and every row of the law."""
    text = told(capsys, "show", str(site))
    for rule in default_rules().rules:
        assert f"default_rules.toml:{rule.line}" in text
    assert f"{site}:1" in text
    shown = json.loads(told(capsys, "show", str(site), "--json"))
    assert len(shown["rules"]) == len(default_rules().rules) + 1
    assert shown["rules"][-1]["match"] == {"area": ["530627"], "quantity": ["CH4"]}
    assert [row["place_class"] for row in shown["law"]] == [k for k, _ in law()]


def test_a_point_is_explained(
    site: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Which number from where, which rule grades it, and which lost."""
    points = tmp_path / "points.jsonl"
    points.write_text(json.dumps(MINE), "utf-8")
    flags = ("explain", POINT, "--points", str(points), "--rules", str(site))
    story = json.loads(told(capsys, *flags, "--json"))
    assert story["limits"]["alarm_high"] == {"value": 0.9, "at": f"{site}:5"}
    assert story["limits"]["cut_high"] == {"value": 1.2, "at": "mine"}
    assert story["attributes"]["mine_kind"] == "outburst"
    over = next(kind for kind in story["kinds"] if kind["kind"] == "over_limit")
    assert [rule["name"] for rule in over["used"]] == [
        "county faces",
        "methane over its limit",
    ]
    assert {lost["name"] for lost in over["lost"]} >= {"over a limit"}
    text = told(capsys, *flags)
    assert f"alarm_high    0.9      {site}:5" in text
    assert "未用 not" in text


def test_a_unit_and_a_mine_are_explained(
    site: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Relations with the points they look at; of a mine also what is no relation."""
    points = tmp_path / "points.jsonl"
    points.write_text(json.dumps(MINE), "utf-8")
    flags = ("--points", str(points), "--rules", str(site))
    unit = "530627004499/u/11121"
    story = json.loads(told(capsys, "explain", unit, *flags, "--json"))
    by_kind = {kind["kind"]: kind for kind in story["kinds"]}
    assert story["attributes"]["unit_kind"] == "face"
    assert "limits" not in story
    assert by_kind["extent_over_limit"]["looks_at"] == []
    assert by_kind["door_pair_open"]["text"]["zh"] == "一组风门同时打开"
    text = told(capsys, "explain", unit, *flags)
    assert "没有所需测点 no points for it" in text
    assert "least_points = 2.0  默认 default" in text
    text = told(capsys, "explain", "530627004499", *flags)
    assert "link_break: ungraded, blue ≥60 min" in text
    assert "main_fans_stopped" in text
    assert "door_pair_open" not in text


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("001A01", "a point is mine-system-number"),
        ("530627004499-01-009A01", "there is no such point in"),
        ("530627004499/u/9", "there is no such unit in"),
        ("530627004498", "there is no such mine in"),
    ],
)
def test_an_unknown_subject_is_named(
    name: str, says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 2."""
    points = tmp_path / "points.jsonl"
    points.write_text(json.dumps(MINE), "utf-8")
    assert cli.main(["rules", "explain", name, "--points", str(points)]) == 2
    assert says in capsys.readouterr().err
