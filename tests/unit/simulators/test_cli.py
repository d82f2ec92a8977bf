"""The command line of the simulator, without a broker."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import pytest

from simulators.cli import _parser, main


def test_list_prints_the_chosen_mines(capsys: pytest.CaptureFixture[str]) -> None:
    """JSON and text name the same mines."""
    assert main(["list", "--mines", "20", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert len(listed["mines"]) == 20
    assert main(["list", "--mines", "20"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("\t")[0] for line in lines] == [
        mine["code"] for mine in listed["mines"]
    ]


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["city", "--incident", "atlantis"], "atlantis"),
        (["city", "--mines", "300"], "300"),
        (["list", "--county", "atlantis"], "atlantis"),
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
    """docs/simulator.md names each command and option."""
    page = Path(__file__).parents[3].joinpath("docs/simulator.md").read_text("utf-8")
    for action in _parser()._actions:
        if not isinstance(action, argparse._SubParsersAction):
            continue
        for name, command in action.choices.items():
            assert f"gasmon-sim {name}" in page
            for option in command._option_string_actions:
                if option not in ("-h", "--help"):
                    assert f"`{option}" in page, option
