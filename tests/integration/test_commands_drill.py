"""``gasmon drill`` against a served api."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from gasmon.cli import main
from gasmon.clock import SystemClock
from gasmon.store import access, drills
from gasmon.units import US_PER_H, iso_us
from tests.fix_api import SUIJIANG, ZHENXIONG, World

Run = Callable[..., tuple[int, str, str]]
BEGIN = ("begin", "outburst", "--area", "zhenxiong")


@pytest.fixture
def run(world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    """A function that runs a command as somebody: (exit code, stdout, stderr)."""
    world.tokens["trainer"] = access.create_token(
        world.conn,
        name="trainer",
        role="trainer",
        areas=[ZHENXIONG],
        mines=None,
        now_us=world.now_us,
    )
    world.conn.commit()

    def run(who: str, *words: str, url: str = world.api.base) -> tuple[int, str, str]:
        file = tmp_path / who
        file.write_text(world.tokens[who], "utf-8")
        code = main(["drill", *words, "--url", url, "--token-file", str(file)])
        said = capsys.readouterr()
        return code, said.out, said.err

    return run


def test_a_drill_goes_its_way_on_the_command_line(run: Run) -> None:
    """Declared, seen by those whose area it is, ended by an officer; for people."""
    words = ("--title", "夜间突出", "--participant", "李值班", "--for", "90min")
    code, out, err = run("trainer", *BEGIN, *words)
    assert code == 0, err
    assert "进行中 running" in out
    assert "gasmon-drill/v1/1/…  李值班" in out
    assert "还没有 nobody yet" in out
    code, out, _ = run("county", "ls", "--current", "--area", "zhenxiong")
    assert code == 0
    assert [line.split()[0] for line in out.splitlines()] == ["1"]
    code, out, _ = run("county", "end", "1", "--reason", "到此为止")
    assert code == 0
    assert "人工结束 ended by hand" in out
    assert "county: 到此为止" in out
    code, out, _ = run("trainer", "show", "1")
    assert (code, "已结束 ended" in out) == (0, True)
    assert run("county", "ls", "--current")[1] == ""


def test_programs_read_it_as_json(run: Run, world: World) -> None:
    """Each action's answer is the api's; the same key is done once."""
    until = iso_us(SystemClock().now_us() + US_PER_H)
    words = (*BEGIN, "--until", until, "--goes-on-at-real-alarm", "--unannounced")
    code, out, err = run("trainer", *words, "--key", "once-and-again", "--json")
    assert code == 0, err
    begun = json.loads(out)
    assert (begun["state"], begun["areas"]) == ("running", [ZHENXIONG])
    assert (begun["stop_on_real_alarm"], begun["announced"]) == (False, False)
    again = run("trainer", *words, "--key", "once-and-again", "--json")[1]
    assert json.loads(again)["run"] == begun["run"] == 1
    shown = json.loads(run("trainer", "show", "1", "--json")[1])
    assert (shown["mines"], shown["may_end"]) == ([], True)
    assert json.loads(run("county", "ls", "--json")[1])["items"] == []
    drills.count_refused(world.conn, [(9, "undeclared_run", 3)], world.now_us)
    world.conn.commit()
    (refused,) = json.loads(run("viewer", "ls", "--refused", "--json")[1])["items"]
    assert (refused["run"], refused["n"]) == (9, 3)
    assert "undeclared_run" in run("viewer", "ls", "--refused")[1]
    ended = json.loads(run("trainer", "end", "1", "--reason", "完", "--json")[1])
    assert (ended["end_cause"], ended["may_end"]) == ("by_hand", False)


def test_a_score_is_recorded_when_it_is_over(run: Run) -> None:
    """By a trainer, for all who see the drill; the latest stands."""
    words = ("score", "1", "--sheet", "standard", "--of", "100")
    assert run("trainer", *BEGIN, "--for", "1h")[0] == 0
    code, _, err = run("trainer", *words, "--points", "80", "--passed")
    assert (code, "is not over" in err) == (1, True)
    assert run("trainer", "end", "1", "--reason", "x")[0] == 0
    assert run("county", *words, "--points", "80", "--passed")[0] == 1
    assert run("trainer", *words, "--points", "101", "--passed")[0] == 2
    assert run("trainer", *words, "--points", "62.5", "--failed")[0] == 0
    code, out, _ = run("trainer", *words, "--points", "87.5", "--passed")
    assert (code, "87.5/100 通过 passed (standard, trainer)" in out) == (0, True)
    (drill,) = json.loads(run("county", "ls", "--json")[1])["items"]
    assert (drill["score"]["points"], drill["score"]["passed"]) == (87.5, True)


def test_refusals_have_their_exit_codes(run: Run) -> None:
    """1 refused, 2 not understood, 3 nobody there."""
    assert run("trainer", *BEGIN, "--for", "1h")[0] == 0
    code, _, err = run("county", *BEGIN, "--for", "1h")
    assert (code, "declares no drills" in err) == (1, True)
    code, _, err = run("trainer", "begin", "x", "--area", SUIJIANG, "--for", "1h")
    assert (code, SUIJIANG in err) == (1, True)
    assert run("dispatcher", "end", "1", "--reason", "x")[0] == 1
    assert run("trainer", "end", "1", "--reason", "x")[0] == 0
    code, _, err = run("trainer", "end", "1", "--reason", "x")
    assert (code, "drill 1 is over" in err) == (1, True)
    assert run("trainer", "show", "77")[0] == 1
    code, _, err = run("trainer", *BEGIN, "--for", "soon")
    assert (code, "--for soon" in err) == (2, True)
    code, _, err = run("trainer", *BEGIN, "--for", "9h")
    assert (code, "longest_h" in err) == (2, True)
    with pytest.raises(SystemExit) as usage:
        run("trainer", *BEGIN)
    assert usage.value.code == 2
    assert run("trainer", "ls", url="http://127.0.0.1:9")[0] == 3
