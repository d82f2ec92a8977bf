"""``gasmon escalation`` and ``gasmon channel``: files, real database and servers."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from gasmon.cli import main
from gasmon.clock import SystemClock
from gasmon.units import US_PER_MIN
from tests.fix_api import World
from tests.fix_receivers import HttpGateway
from tests.integration.test_escalation import act, look, tell

MIN = US_PER_MIN
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """A function that runs a command: (exit code, stdout, stderr)."""

    def run(*words: str) -> tuple[int, str, str]:
        code = main(words)
        said = capsys.readouterr()
        return code, said.out, said.err

    return run


def channels(folder: Path, url: str, to: str = "13800000000") -> Path:
    """A channels' file with one gateway of SMS."""
    file = folder / "channels.toml"
    file.write_text(
        f'[[channel]]\nname = "phones"\nkind = "sms"\nurl = "{url}"\n'
        f'to = ["{to}"]\nfields = {{ mobile = "{{to}}", text = "{{text}}" }}\n',
        "utf-8",
    )
    return file


def test_rules_and_channels_are_checked_and_shown(tmp_path: Path, run: Run) -> None:
    """Exit 2 and the line when something is wrong."""
    file = channels(tmp_path, "http://x")
    code, out, _ = run("escalation", "check", "--channels", str(file))
    assert (code, "正确 ok, 4 条规则 rules" in out, "1 个通道" in out) == (
        0,
        True,
        True,
    )
    code, out, _ = run("escalation", "check", "--json")
    assert json.loads(out)["steps"] == 10
    code, out, _ = run("escalation", "show", "--channels", str(file))
    assert code == 0
    assert "3 min 未确认 not confirmed → 县级 county" in out
    assert "红色 橙色, 解除后继续 goes on" in out
    assert "phones: sms, 全部 all, 1 ×" in out
    code, out, _ = run("escalation", "show", "--channels", str(file), "--json")
    shown = json.loads(out)
    assert [row["name"] for row in shown["rules"]][-1] == "graded"
    assert shown["channels"][0]["recipients"] == 1
    own = tmp_path / "own.toml"
    own.write_text("nearly_due = 3\n", "utf-8")
    code, _, err = run("escalation", "check", str(own))
    assert (code, "own.toml:1" in err) == (2, True)
    own.write_text(
        'nearly_due = "1min"\nfold = "1min"\nstatus_report = "0s"\n'
        '[[escalate]]\nname = "all"\n[[escalate.step]]\nwithout = "confirmed"\n'
        'after = "1min"\ntier = "city"\nchannels = ["pager"]\n',
        "utf-8",
    )
    code, _, err = run("escalation", "check", str(own))
    assert (code, "'pager' is neither" in err) == (2, True)


def test_an_alarms_escalation_is_explained(world: World, run: Run) -> None:
    """What came, what was answered, what is to come; before and after duty looked."""
    at = ("--set", f"database.url={world.dsn}")
    tell(world, world.event(rank=3), ago_us=4 * MIN)
    code, out, _ = run("escalation", "explain", "1", *at)
    assert code == 0
    assert "在岗 there: city county mine" in out
    assert "县级 county: 超时 overdue, 尚未记录 not recorded yet" in out
    assert "市级 city: 将到 to come" in out
    look(world, SystemClock().now_us())
    act(world, "county", "confirm")
    code, out, _ = run("escalation", "explain", "1", *at)
    assert "县级 county: 已响应 answered" in out
    assert "not recorded" not in out
    code, out, _ = run("escalation", "explain", "1", *at, "--json")
    first = json.loads(out)["steps"][0]
    assert (first["tier"], first["came"], first["recorded"]) == ("county", True, True)
    assert first["answered_at"] is not None
    tell(world, world.event(no="001A02", rank=0))
    _, out, _ = run("escalation", "explain", "2", *at)
    assert "nothing came, and nothing will" in out
    code, _, err = run("escalation", "explain", "9", *at)
    assert (code, "alarm 9" in err) == (1, True)


def test_a_channel_is_tested(
    tmp_path: Path, run: Run, http_gateway: HttpGateway, dead_port: int
) -> None:
    """0 when it went, 1 refused, 3 unreachable, 2 for a name that is not there."""

    def test(url: str, name: str = "phones", *more: str) -> tuple[int, str, str]:
        at = f"escalation.channels_file={channels(tmp_path, url)}"
        return run("channel", "test", name, "--set", at, *more)

    code, out, _ = test(http_gateway.url)
    assert (code, "138****0000: 已送出 sent" in out) == (0, True)
    ((_, _, body),) = http_gateway.got
    assert json.loads(body)["text"].startswith("【测试】")
    http_gateway.status = 500
    code, out, _ = test(http_gateway.url, "phones", "--json")
    (row,) = json.loads(out)["results"]
    assert (code, row["ok"], "HTTP 500" in row["error"]) == (1, False, True)
    code, out, _ = test(f"http://127.0.0.1:{dead_port}/")
    assert (code, "cannot be reached" in out) == (3, True)
    code, _, err = test(http_gateway.url, "pager")
    assert (code, "known: phones" in err) == (2, True)
