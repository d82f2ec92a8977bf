"""The documentation says what the code does: nothing missing, nothing invented."""

from __future__ import annotations

import argparse
import ast
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from gasmon import cli
from gasmon.alarms.kinds import ALL_KINDS
from gasmon.api.app import create_app
from gasmon.clock import SystemClock
from gasmon.remote import frames
from gasmon.settings import Settings
from gasmon.store.access import ROLES
from gasmon.telemetry import Metrics

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
READMES = (ROOT / "README.md", ROOT / "README.zh-CN.md")
PAGES = sorted([*DOCS.rglob("*.md"), *READMES, ROOT / "CHANGELOG.md"])


def text_of(page: str) -> str:
    """The text of a page in docs/."""
    return (DOCS / page).read_text("utf-8")


def settings() -> Iterator[tuple[str, FieldInfo]]:
    """Every setting with its dotted name."""
    for name, field in Settings.model_fields.items():
        section = field.annotation
        if isinstance(section, type) and issubclass(section, BaseModel):
            for key, inner in section.model_fields.items():
                yield f"{name}.{key}", inner
        else:
            yield name, field


def shown(default: object) -> str:
    """A default as the page shows it."""
    if default is None or default == []:
        return "none"
    return f"`{str(default).lower() if isinstance(default, bool) else default}`"


def test_every_setting_stands_in_the_table_with_its_default() -> None:
    """Name, default and meaning of each setting, and no setting that is gone."""
    rows = re.findall(
        r"^\| `([\w.]+)` \| (.*?) \| (.*?) \| \S.*? \|$", text_of("operations.md"), re.M
    )
    told = {name: (default, meaning) for name, default, meaning in rows}
    wanted = {
        name: (shown(f.get_default(call_default_factory=True)), f.description)
        for name, f in settings()
    }
    assert told == wanted


def metrics() -> dict[str, str]:
    """Every metric that the code makes, with its help text."""
    found = {}
    for path in sorted((ROOT / "gasmon").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if not isinstance(node, ast.Call) or len(node.args) < 2:
                continue
            texts = [a.value for a in node.args[:2] if isinstance(a, ast.Constant)]
            if len(texts) == 2 and str(texts[0]).startswith("gasmon_"):
                found[str(texts[0])] = str(texts[1])
    return found


def test_every_metric_stands_in_the_table() -> None:
    """Name and meaning of each metric, and no metric that is gone."""
    rows = re.findall(
        r"^\| `(gasmon_\w+)` \| (?:ingest|api|duty|follow) \| (.*?) \|$",
        text_of("operations.md"),
        re.M,
    )
    assert dict(rows) == metrics()


def test_the_metrics_found_in_the_code_are_those_of_a_process() -> None:
    """Reading the sources finds what an application really registers."""
    made = Metrics()
    create_app(Settings(), made, SystemClock())
    assert made.names()
    assert set(made.names()) <= set(metrics())


def commands(parser: argparse.ArgumentParser, name: str) -> Iterator[str]:
    """Every command and subcommand of the command line."""
    subs = [a for a in parser._actions if isinstance(a, argparse._SubParsersAction)]
    if not subs:
        yield name
    for sub in subs:
        for key, below in sub.choices.items():
            yield from commands(below, f"{name} {key}")


def test_every_command_stands_in_the_table() -> None:
    """`gasmon …` with all subcommands, and no command that is gone."""
    parser, _ = cli.build_parser()
    told = re.findall(r"^\| `(gasmon [a-z -]+)` \|", text_of("operations.md"), re.M)
    assert sorted(told) == sorted(commands(parser, "gasmon"))


def test_every_exit_code_of_an_error_is_explained() -> None:
    """The exit codes of gasmon.errors stand in operations.md."""
    from gasmon import errors

    codes = {
        kind.exit_code
        for kind in vars(errors).values()
        if isinstance(kind, type) and issubclass(kind, errors.GasmonError)
    }
    told = re.findall(r"^\| (\d+) \|", text_of("operations.md"), re.M)
    assert {str(code) for code in codes} <= set(told)


def test_every_endpoint_stands_on_its_page() -> None:
    """Method and path of each operation of the OpenAPI description."""
    description = create_app(Settings(), Metrics(), SystemClock()).openapi()
    wanted = {
        (method.upper(), path)
        for path, item in description["paths"].items()
        for method in item
    }
    told = re.findall(r"^\| ([A-Z]+) \| `(/\S+)` \|", text_of("http-api.md"), re.M)
    assert set(told) == wanted


def test_every_role_stands_on_its_page() -> None:
    """Roles of principals."""
    told = re.findall(r"^\| `(\w+)` \|", text_of("http-api.md"), re.M)
    assert sorted(told) == sorted(ROLES)


def test_every_frame_of_the_alarm_stream_stands_on_its_page() -> None:
    """Frame types that the encoders write."""
    source = Path(frames.__file__).read_text("utf-8")
    types = set(re.findall(r'\\?"type\\?":\s*\\?"(\w+)', source))
    assert {"hello", "event", "heartbeat", "subscribe", "ack"} <= types
    page = text_of("remote-protocol.md")
    missing = {t for t in types if not re.search(rf"[`\"]{t}[`\"]", page)}
    assert missing == set()


def test_every_kind_of_alarm_stands_on_its_page() -> None:
    """Kinds that the engine can raise."""
    page = text_of("alarm-rules.md")
    assert [kind for kind in ALL_KINDS if f"`{kind}`" not in page] == []


def defined_names(path: Path) -> set[str]:
    """Functions, classes and methods of a file, as Name or Class.name."""
    names = set()
    for node in ast.parse(path.read_text("utf-8")).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
        if isinstance(node, ast.ClassDef):
            for inner in node.body:
                if isinstance(inner, ast.FunctionDef | ast.AsyncFunctionDef):
                    names.add(f"{node.name}.{inner.name}")
    return names


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_a_page_names_only_what_exists(page: Path) -> None:
    """Links, pictures, files and functions that a page names are there."""
    text = page.read_text("utf-8")
    for link in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", text):
        if not link.startswith(("http://", "https://")):
            assert (page.parent / link).exists(), link
    for path, name in re.findall(r"`([\w/]+\.py)::([\w.]+)`", text):
        assert name in defined_names(ROOT / path), f"{path}::{name}"
    for path in re.findall(
        r"`((?:deploy|tests|gasmon(?!/v1)|scripts)/[\w./-]+\w)`", text
    ):
        assert (ROOT / path).exists(), path


def test_pictures_are_small_enough_to_load_at_once() -> None:
    """Pictures stay below 250 kB, and each is shown on some page."""
    pages = [*ROOT.glob("README*.md"), *DOCS.glob("*.md")]
    shown = "".join(page.read_text("utf-8") for page in pages)
    pictures = sorted((DOCS / "images").iterdir())
    assert pictures
    for picture in pictures:
        assert 5_000 < picture.stat().st_size < 250_000, picture.name
        assert f"images/{picture.name})" in shown, picture.name


def test_every_page_and_decision_is_in_the_index() -> None:
    """docs/README.md links each page; decisions are numbered without a hole."""
    index = text_of("README.md")
    for page in DOCS.glob("*.md"):
        if page.name != "README.md":
            assert f"({page.name})" in index, page.name
    numbers = sorted(int(p.name[:4]) for p in (DOCS / "decisions").glob("*.md"))
    assert numbers == list(range(1, len(numbers) + 1))


# The two READMEs


def skeleton(text: str) -> dict[str, list[str]]:
    """What must be the same in both languages."""
    prose = re.sub(r"```.*?```", "", text, flags=re.S)
    tables = re.findall(r"(?:^\|.*\n)+", prose, re.M)
    return {
        "headings": re.findall(r"^(#+) ", prose, re.M),
        "code": re.findall(r"```.*?```", text, re.S),
        "pictures": re.findall(r"!\[.*?\]\((.*?)\)", text),
        "links": sorted(
            link
            for link in re.findall(r"(?<!!)\[.*?\]\((.*?)\)", prose)
            if not link.startswith("README")
        ),
        "rows per table": [str(table.count("\n")) for table in tables],
        "numbers in tables": re.findall(r"[\d,.]+(?:/s| GB)", "".join(tables)),
        "names": re.findall(r"`([\w/]+\.py::[\w.]+)`", text),
    }


def test_both_readmes_say_the_same() -> None:
    """Headings, code, pictures, links, tables and names agree."""
    english, chinese = (skeleton(p.read_text("utf-8")) for p in READMES)
    assert english == chinese


def shown_commands() -> Iterator[tuple[str, str]]:
    """Every command line in a shell block of any page."""
    for page in PAGES:
        for block in re.findall(r"```sh\n(.*?)```", page.read_text("utf-8"), re.S):
            for line in block.replace("\\\n", " ").splitlines():
                if line.strip() and not line.lstrip().startswith("#"):
                    yield str(page.relative_to(ROOT)), line.strip()


@pytest.mark.parametrize(("page", "line"), sorted(set(shown_commands())))
def test_a_shown_command_is_taken_by_the_real_parser(page: str, line: str) -> None:
    """Commands in the documentation parse; make targets and scripts exist."""
    line = re.split(r"\s[|>]\s|\s#\s", line)[0]
    words = shlex.split(line)
    program = words[0]
    if program == "gasmon":
        cli.build_parser()[0].parse_args(words[1:])
    elif program == "gasmon-sim":
        from simulators import cli as sim_cli

        sim_cli._parser().parse_args(words[1:])
    elif program == "make":
        makefile = (ROOT / "Makefile").read_text("utf-8")
        assert re.search(rf"^{words[1]}:", makefile, re.M)
        for word in words[2:]:
            name, _, value = word.partition("=")
            if name == "ARGS":
                cli.build_parser()[0].parse_args(["demo", *shlex.split(value)])
    elif program == "python" and words[1] == "scripts/bootstrap.py":
        cli.build_parser()[0].parse_args(words[2:])
    elif program == "python" and words[1] == "scripts/stream_conformance.py":
        assert words[2] in ("server", "client")
    elif program.startswith("deploy/"):
        done = subprocess.run(
            [sys.executable, ROOT / program, "--help"], capture_output=True, check=False
        )
        help_text = (done.stdout + done.stderr).decode()
        for flag in (w for w in words[1:] if w.startswith("--")):
            assert flag in help_text
    elif words[:2] == ["docker", "compose"]:
        check_compose(words[2:])
    else:
        assert program in {"python", "pip", "psql", "curl", "mosquitto_passwd"}, (
            f"{page}: nobody checks {program}"
        )


def check_compose(words: list[str]) -> None:
    """`docker compose run SERVICE ARGUMENTS` gives our program real arguments."""
    if words[0] != "run":
        assert words[0] in ("up", "kill", "ps", "logs")
        return
    rest = [w for w in words[1:] if w != "--rm"]
    assert rest[0] in (ROOT / "docker-compose.yml").read_text("utf-8")
    cli.build_parser()[0].parse_args(rest[1:])


def test_the_changelog_has_this_version() -> None:
    """The version in pyproject.toml is described for operators."""
    project = (ROOT / "pyproject.toml").read_text("utf-8")
    version = re.search(r'^version = "(.*)"$', project, re.M)
    assert version is not None
    assert f"## [{version.group(1)}] - " in (ROOT / "CHANGELOG.md").read_text("utf-8")
