"""``gasmon plan`` against a served api."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from gasmon.cli import main
from gasmon.clock import SystemClock
from gasmon.units import US_PER_H, US_PER_MIN, iso_us
from tests.fix_api import MINE_Z, World

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    """A function that runs a command as somebody: (exit code, stdout, stderr)."""

    def run(who: str, *words: str) -> tuple[int, str, str]:
        file = tmp_path / who
        file.write_text(world.tokens[who], "utf-8")
        server = ("--url", world.api.base, "--token-file", str(file))
        code = main(["plan", *words, *server])
        said = capsys.readouterr()
        return code, said.out, said.err

    return run


def words(now_us: int, *more: str) -> list[str]:
    """The words that file an hour of blasting."""
    return [
        "file", "--mine", MINE_Z, "--work", "blasting", "--unit", "11121",
        "--from", iso_us(now_us - US_PER_MIN), "--until", iso_us(now_us + US_PER_H),
        "--max-value", "1.4", "--reason", "放炮", *more,
    ]  # fmt: skip


def test_a_plan_goes_its_way_on_the_command_line(world: World, run: Run) -> None:
    """Filed, seen, approved and ended; for people, with what is possible now."""
    now_us = SystemClock().now_us()
    code, out, err = run("dispatcher", *words(now_us))
    assert code == 0, err
    assert "待审批" in out
    assert "possible now: withdraw" in out
    assert run("county", "show", "1")[0] == 0
    code, out, _ = run("county", "approve", "1", "--reason", "同意")
    assert code == 0
    assert "进行中 running" in out
    assert "approved   county (county_officer)  同意" in out
    code, _, err = run("county", "refuse", "1", "--reason", "改期")
    assert code == 1
    assert "it was approved already" in err
    code, out, _ = run("county", "ls", "--current")
    assert len(out.splitlines()) == 1
    code, out, _ = run("dispatcher", "withdraw", "1", "--reason", "完工", "--json")
    assert json.loads(out)["state"] == "ended"
    _, out, _ = run("dispatcher", "ls", "--mine", MINE_Z, "--json")
    assert [plan["plan_id"] for plan in json.loads(out)["items"]] == [1]


def test_a_refusal_and_the_statistics_are_said(world: World, run: Run) -> None:
    """With the reason; and what came of all plans, for people and programs."""
    now_us = SystemClock().now_us()
    run("dispatcher", *words(now_us, "--key", "key-0001"))
    run("dispatcher", *words(now_us, "--key", "key-0002"))
    assert run("county", "refuse", "2", "--reason", "时段过长")[0] == 0
    times = ("--from", iso_us(now_us - US_PER_H), "--to", iso_us(now_us + US_PER_H))
    world.raise_alarm(planned=True, quiet="plan:1")
    _, out, _ = run("county", "stats", *times)
    assert f"{MINE_Z} 镇雄县1号煤矿: 2 filed, 0 approved" in out
    assert "1/1 alarms planned (100%), 0 broke through, 0 misused" in out
    _, out, _ = run("county", "stats", *times, "--json")
    assert json.loads(out)["items"][0]["refused"] == 1


def test_what_is_not_understood_is_a_usage_error(world: World, run: Run) -> None:
    """Exit code 2 and the member's name."""
    code, _, err = run("dispatcher", *words(SystemClock().now_us(), "--test-gas", "2"))
    assert code == 2
    assert "test_gas" in err
