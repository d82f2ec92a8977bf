"""The command line: every command, its flags, its exit codes."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from gasmon import __version__, cli
from gasmon.embedded.process import free_port
from gasmon.errors import ConfigError


def leaves(
    parser: argparse.ArgumentParser, path: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], argparse.ArgumentParser]]:
    """Every command and sub-command that does something, with its parser."""
    below = [a for a in parser._actions if isinstance(a, argparse._SubParsersAction)]
    if not below:
        yield path, parser
    for action in below:
        for name, sub in action.choices.items():
            yield from leaves(sub, (*path, name))


LEAVES = dict(leaves(cli.build_parser()[0]))
NAMES = [" ".join(path) for path in LEAVES]

NEEDS_DATABASE = (
    ("db", "upgrade"),
    ("db", "check"),
    ("db", "status"),
    ("db", "backup", "{folder}/new.dump"),
    ("db", "restore", "{folder}/points.csv"),
    ("points", "import", "{folder}/points.csv"),
    ("points", "export"),
    ("token", "list"),
    ("doctor", "--only", "database"),
)


@pytest.fixture
def clean(monkeypatch: pytest.MonkeyPatch) -> None:
    """An environment without settings of whoever runs the tests."""
    for name in list(os.environ):
        if name.startswith("GASMON_"):
            monkeypatch.delenv(name)


@pytest.mark.parametrize("name", NAMES)
def test_every_command_has_help_and_json(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """--help works and names the flags that all commands share."""
    with pytest.raises(SystemExit) as ended:
        cli.main([*name.split(), "--help"])
    assert ended.value.code == 0
    out = capsys.readouterr().out
    for flag in ("--json", "--config", "--set", "--log-level"):
        assert flag in out


def test_the_list_of_commands_is_complete() -> None:
    """Every command that the documents promise is there."""
    assert {path[0] for path in LEAVES} == set(cli.COMMANDS)


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    """--version prints it and ends well."""
    with pytest.raises(SystemExit) as ended:
        cli.main(["--version"])
    assert ended.value.code == 0
    assert __version__ in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["nonsense"],
        ["db"],
        ["db", "nonsense"],
        ["db", "backup"],
        ["points", "import"],
        ["replay"],
        ["serve", "--nonsense"],
        ["serve", "--log-level", "LOUD"],
        ["doctor", "--only", "weather"],
    ],
)
def test_wrong_usage_is_exit_2(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """Unknown commands, flags and missing arguments print the usage to stderr."""
    with pytest.raises(SystemExit) as ended:
        cli.main(arguments)
    assert ended.value.code == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "usage: gasmon" in captured.err


@pytest.mark.usefixtures("clean")
@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--set", "database.adress=x"], "unknown setting database.adress"),
        (["--set", "api.port"], "NAME=VALUE is wanted"),
        (["--set", "api.port=many"], "api.port = 'many'"),
        (["--set", "mqtt.receive_window=3000"], "ingest.inbox_limit (2000) is below"),
        (["--config", "/nowhere/gasmon.toml"], "/nowhere/gasmon.toml: No such file"),
    ],
)
def test_wrong_settings_are_exit_2_and_named(
    flags: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A mistyped setting stops every command before it does anything."""
    assert cli.main(["db", "check", *flags]) == 2
    assert words in capsys.readouterr().err
    assert cli.main(["db", "check", "--json", *flags]) == 2
    told = json.loads(capsys.readouterr().err)
    assert told["error"] == "ConfigError"
    assert words in told["text"]


@pytest.mark.usefixtures("clean")
def test_settings_come_from_file_environment_and_flags(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The later source wins, and the message names the place that was tried."""
    port = free_port()

    def tried(*flags: str) -> str:
        assert cli.main(["db", "check", *flags]) == 3
        return capsys.readouterr().err

    config = tmp_path / "gasmon.toml"
    config.write_text(f'[database]\nurl = "postgresql://g@127.0.0.1:{port}/file"\n')
    assert f"127.0.0.1:{port}/file" in tried("--config", str(config))
    monkeypatch.setenv("GASMON_DATABASE__URL", f"postgresql://g@127.0.0.1:{port}/env")
    assert f"127.0.0.1:{port}/env" in tried("--config", str(config))
    url = f"database.url=postgresql://g@127.0.0.1:{port}/flag"
    assert f"127.0.0.1:{port}/flag" in tried("--config", str(config), "--set", url)


@pytest.mark.usefixtures("clean")
@pytest.mark.parametrize("arguments", NEEDS_DATABASE, ids=" ".join)
def test_an_unreachable_database_is_exit_3(
    arguments: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Named with address and reason; the password is never shown."""
    (tmp_path / "points.csv").write_text("mine,no\n")
    port = free_port()
    url = f"postgresql://gasmon:secret@127.0.0.1:{port}/gasmon"
    flags = [a.format(folder=tmp_path) for a in arguments]
    assert cli.main([*flags, "--set", f"database.url={url}"]) == 3
    captured = capsys.readouterr()
    assert f"127.0.0.1:{port}" in captured.out + captured.err
    assert "secret" not in captured.out + captured.err


def test_overrides_keep_equals_signs() -> None:
    """A connection string may hold further equals signs."""
    assert cli.overrides_of(["database.url=host=a port=1"]) == {
        "database.url": "host=a port=1"
    }
    with pytest.raises(ConfigError, match="NAME=VALUE"):
        cli.overrides_of(["database.url"])


def test_a_reader_that_went_away_is_no_traceback(tmp_path: Path) -> None:
    """`gasmon replay … | head` ends quietly."""
    file = tmp_path / "series.csv"
    rows = "".join(f"{i},{0.1 if i % 2 else 2.0}\n" for i in range(40_000))
    file.write_text("t,A\n" + rows)
    command = [
        *(sys.executable, "-m", "gasmon.cli", "replay", str(file)),
        *("--time-column", "t", "--start", "2026-01-01T00:00:00+08:00"),
        *("--point", "A=CH4:FACE_T2"),
    ]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline()
        process.stdout.close()
        err = process.stderr.read().decode()
        assert process.wait(60) == 1
    assert "Traceback" not in err
    assert "BrokenPipe" not in err
