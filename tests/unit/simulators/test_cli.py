"""The command line of the simulator, without a broker."""

from __future__ import annotations

import argparse
import json
import re
from pathlib import Path

import pytest

from simulators.cli import _parser, main


def test_mines_prints_the_chosen_mines(capsys: pytest.CaptureFixture[str]) -> None:
    """JSON and text name the same mines."""
    assert main(["mines", "--mines", "20", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert len(listed["mines"]) == 20
    assert main(["mines", "--mines", "20"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("\t")[0] for line in lines] == [
        mine["code"] for mine in listed["mines"]
    ]


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["city", "--incident", "atlantis"], "atlantis"),
        (["city", "--mines", "300"], "300"),
        (["mines", "--county", "atlantis"], "atlantis"),
        (["city", "--mines", "3", "--password-file", "/nonexistent/x"], "/nonexistent"),
        (["load", "--tls-ca", "/nonexistent/ca"], "/nonexistent/ca"),
    ],
)
def test_a_wrong_argument_is_named_and_exits_with_2(
    arguments: list[str], named: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """One clear line on stderr."""
    assert main(arguments) == 2
    assert named in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["fly"],
        ["city", "--cycle", "-1"],
        ["city", "--mines", "0"],
        ["city", "--run", "-1"],
        ["load", "--port", "70000"],
    ],
)
def test_usage_errors_exit_with_2(arguments: list[str]) -> None:
    """As argparse does."""
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2


@pytest.mark.parametrize("command", ["city", "load"])
def test_no_broker_exits_with_3_and_says_where(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nobody listens on port 1 of loopback."""
    secret = tmp_path / "password"
    secret.write_text("hidden\n", "utf-8")
    login = ["--username", "mine", "--password-file", str(secret)]
    where = ["--port", "1", "--patience", "0.3"]
    assert main([command, "--mines", "3", *where, *login]) == 3
    error = capsys.readouterr().err
    assert "127.0.0.1:1" in error
    assert "hidden" not in error


def test_every_option_stands_on_its_page() -> None:
    """The pages of the simulator, scenarios and drills name each command and option."""
    docs = Path(__file__).parents[3] / "docs"
    pages = ("simulator.md", "scenarios.md", "drills.md")
    page = "".join(docs.joinpath(name).read_text("utf-8") for name in pages)
    for action in _parser()._actions:
        if not isinstance(action, argparse._SubParsersAction):
            continue
        for name, command in action.choices.items():
            assert f"gasmon-sim {name}" in page
            for option in command._option_string_actions:
                if option not in ("-h", "--help"):
                    assert f"`{option}" in page, option


def test_help_speaks_both_languages_of_every_option() -> None:
    """Chinese first, English beside it, and what a command returns."""
    (commands,) = (
        action
        for action in _parser()._actions
        if isinstance(action, argparse._SubParsersAction)
    )
    for name, command in commands.choices.items():
        assert "退出码 exit codes" in command.format_help()
        for action in command._actions[1:]:  # the first is --help
            told = f"{name} {action.dest}: {action.help}"
            assert re.search(r": .*[\u4e00-\u9fff].*[A-Za-z]{2}", told), told


@pytest.mark.parametrize("text", ["", "two words\n", "令牌\n", "a\tb\n"])
@pytest.mark.parametrize(
    "words", [["run", "outburst"], ["drill", "outburst", "--county", "zhenxiong"]]
)
def test_a_file_that_holds_no_token_is_named_and_not_told(
    words: list[str], text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A usage error before anybody is asked anything."""
    path = tmp_path / "token"
    path.write_text(text, "utf-8")
    assert main([*words, "--token-file", str(path), "--patience", "1"]) == 2
    error = capsys.readouterr().err
    assert f"{path} holds no token" in error
    assert text.strip() == "" or text.strip() not in error


def test_speed_measures_a_city_and_many_points(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Points are made up by repeating mines."""
    words = ["speed", "--mines", "3", "--points", "500", "--cycles", "2", "--json"]
    assert main(words) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["points"] >= 500
    assert told["mines"] > 3
    assert told["times_real_time"] > 1


def test_list_and_show_tell_of_scenarios(capsys: pytest.CaptureFixture[str]) -> None:
    """In text and as JSON the same scenarios, mines, causes and expectations."""
    assert main(["list", "--json"]) == 0
    names = [s["name"] for s in json.loads(capsys.readouterr().out)["scenarios"]]
    assert main(["list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("\t")[0] for line in lines] == names

    assert main(["show", "outburst", "--json"]) == 0
    story = json.loads(capsys.readouterr().out)
    assert main(["show", "outburst"]) == 0
    shown = capsys.readouterr().out
    for line in (*story["causes"], *story["expected"], *story["allowed"]):
        assert line in shown
    assert story["mines"]["mine"][0] in shown


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["show", "doom"], "no scenario 'doom'"),
        (["run", "outburst", "--token-file", "/nonexistent/t"], "/nonexistent/t"),
    ],
)
def test_a_scenario_or_token_that_is_not_there_is_named(
    words: list[str], named: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Before anything connects."""
    assert main(words) == 2
    assert named in capsys.readouterr().err


def test_planned_work_cannot_play_faster_than_the_platform(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nobody files work for the past."""
    token = tmp_path / "token"
    token.write_text("x", "utf-8")
    words = ["run", "calibration-planned", "--token-file", str(token)]
    assert main([*words, "--speed", "5"]) == 2
    assert "speed 5 is not possible" in capsys.readouterr().err
