"""``gasmon shift`` against a served api."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gasmon.cli import main
from gasmon.commands.shift_texts import print_handover
from gasmon.shifts.posts import Post
from tests.fix_api import ZHENXIONG, World
from tests.fix_shifts import begin_shifts, days_on

Run = Callable[..., tuple[int, str, str]]
AT = ("--tier", "county", "--place", "zhenxiong")


@pytest.fixture
def run(world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    """A function that runs a command as somebody: (exit code, stdout, stderr)."""

    def run(who: str, *words: str) -> tuple[int, str, str]:
        file = tmp_path / who
        file.write_text(world.tokens[who], "utf-8")
        flags = ["--url", world.api.base, "--token-file", str(file)]
        code = main(["shift", words[0], *flags, *words[1:]])
        said = capsys.readouterr()
        return code, said.out, said.err

    return run


def told(run: Run, who: str, *words: str) -> Any:
    """What a command that succeeds tells programs."""
    code, out, err = run(who, *words, "--json")
    assert code == 0, err
    return json.loads(out)


def said(run: Run, who: str, *words: str) -> str:
    """What a command that succeeds tells people."""
    code, out, err = run(who, *words)
    assert code == 0, err
    return out


def test_a_shift_from_the_command_line(world: World, run: Run) -> None:
    """Set, assign, sign on, hand over, load, sign off; for people and programs."""
    assert "no post has a calendar" in said(run, "county", "now")
    assert "no shifts" in said(run, "county", "calendar", *AT)
    assert "no shifts" in said(run, "county", "load", *AT)
    begin_shifts(world.dsn, Post("county", ZHENXIONG))
    first, later = str(days_on(2)), str(days_on(3))
    day = ("--day", first, "--shifts", "one-24h 00:00")
    out = said(run, "admin", "set-pattern", *AT, *day)
    assert out == f"{first} 全日班 24 h duty 00:00–00:00\n"
    other = ("--day", later, "--shifts", "甲班 00:00-12:00, 乙班 12:00-24:00")
    out = said(run, "admin", "set-day", *AT, *other, "--reason", "检修")
    assert out.splitlines()[0] == f"{later} 甲班 00:00–12:00"
    who = ("--shift", "全日班", "--from", first)
    made = told(run, "admin", "assign", "county", *AT, *who)
    assert "assigned #2" in said(run, "admin", "assign", "county", *AT, *who)
    assert "taken back #2" in said(run, "admin", "unassign", "2", *AT)
    assert made == {"assignment_id": 1}
    assert "signed on" in said(run, "county", "sign-on", *AT)
    out = said(run, "county", "now", *AT)
    assert "在岗 signed on: county" in out
    assert "应到 assigned: –" in out
    out = said(run, "city_officer", "calendar", *AT, "--days", "4")
    assert f"{first} 全日班 24 h duty 00:00–00:00  county" in out
    assert f"#1 county 全日班 {first}" in out
    world.record(world.event())
    assert "no" not in said(run, "county", "handover", "ls")
    out = said(run, "county", "handover", "open", *AT)
    assert "未解除 open 1: 黄色 1" in out
    assert "alarms 1" in out
    out = said(run, "county", "handover", "note", "--id", "1", "--text", "主扇检修")
    assert "备注 noted  county  主扇检修" in out
    assert told(run, "county", "handover", "show", "--id", "1")["state"] == "open"
    assert told(run, "county", "handover", "ls")["items"][0]["handover_id"] == 1
    out = said(run, "county", "load", *AT, "--from", str(days_on(-1)), "--days", "2")
    assert "可接受 acceptable" in out
    assert "signed off" in said(run, "county", "sign-off", *AT)
    nothing = ("--day", later, "--shifts", "")
    assert "no shifts" in said(run, "admin", "set-pattern", *AT, *nothing)


def test_what_is_refused_ends_with_its_reason(run: Run) -> None:
    """Usage is 2, a refusal 1, both in the server's words."""
    code, _, err = run("county", "sign-on", *AT)
    assert (code, "has no shift now" in err) == (1, True)
    code, _, err = run("county", "handover", "sign")
    assert (code, "--id is wanted" in err) == (2, True)
    code, _, err = run("county", "handover", "open")
    assert (code, "--tier and --place" in err) == (2, True)
    bad = ("--day", str(days_on(2)), "--shifts", "甲 08:00-07:00")
    code, _, err = run("admin", "set-pattern", *AT, *bad)
    assert (code, "a gap of 60 min" in err) == (2, True)


def test_signatures_and_floods_are_words(capsys: pytest.CaptureFixture[str]) -> None:
    """A hand-over with both signatures, as a person reads it."""
    shift = {
        "day": "2026-11-27",
        "name": "白班",
        "name_en": "day shift",
        "from": "2026-11-27T08:00:00.000+08:00",
        "until": "2026-11-27T20:00:00.000+08:00",
    }
    load = {
        "alarms": 300,
        "mean_per_10min": 4.17,
        "grade": "over",
        "flooded": True,
        "peak_10min": 40,
        "flood_share_pct": 12.5,
        "standing": 3,
        "unconfirmed": 2,
    }
    names = ("unconfirmed", "overdue", "shelved", "planned", "drills", "silent_mines")
    signature_at = "2026-11-27T20:03:00.000+08:00"
    counts = dict.fromkeys((*names, "failing_channels"), 0)
    plan = {
        "plan_id": 17, "work": "blasting", "subjects": ["001A01"], "reason": "放炮",
        "owner": "赵", "until": signature_at, "quiet_alarms": 2,
    }  # fmt: skip
    window = {**plan, "plan_id": None, "work": None}
    drill = {"run": 7, "place": "", "subject_id": "001A02", "kind": "over_limit"}
    signature = {"by": "李", "at": signature_at}
    print_handover(
        {
            "handover_id": 7,
            "tier": "county",
            "place": "530627",
            "shift": shift,
            "state": "signed",
            "unsigned": True,
            "outgoing": signature,
            "incoming": None,
            "summary": {
                "counts": {**counts, "open": 0, "open_by_rank": [0, 0, 0, 0, 0]},
                "planned": [plan, window],
                "drills": [drill],
            },
            "load": load,
            "on_duty": [],
            "records": [
                {
                    "at": signature["at"],
                    "event": "reminded",
                    "by": None,
                    "note": "",
                }
            ],
        }
    )
    out = capsys.readouterr().out
    assert "交班人已签 signed  李 20:03 → –  !" in out
    assert "过多 over, 泛滥 flooded" in out
    assert "催签 reminded  gasmon" in out
    assert "报备 plan #17 blasting 001A01: 放炮, 赵" in out
    assert "演练 drill 7: 001A02 over_limit" in out
