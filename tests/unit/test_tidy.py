"""Style as a test: what a reader should never meet in this project."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("gasmon", "simulators", "benchmarks", "scripts", "deploy")
MAX_LINES = 400
MAX_FUNCTION_LINES = 70
BANNED_MODULES = {"utils", "helpers", "common", "manager", "service", "core", "models"}
TIME_PASSES_IN = {"fix_wait.py"}
"""The only files of the tests that may sleep."""

CODE = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("*.py"))
PAGES = sorted(
    [
        *(ROOT / "docs").rglob("*.md"),
        *ROOT.glob("*.md"),
        *(ROOT / "migrations").glob("*"),
        *(path for path in (ROOT / "deploy").rglob("*") if path.is_file()),
        ROOT / "docker-compose.yml",
        ROOT / "pyproject.toml",
    ]
)


def name_of(path: Path) -> str:
    """A file's name below the top of the project."""
    return str(path.relative_to(ROOT))


def functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Every function and method."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


@pytest.mark.parametrize("path", CODE, ids=name_of)
def test_a_file_can_be_read_in_one_sitting(path: Path) -> None:
    """At most 400 lines a file and 70 a function, and a docstring on top."""
    text = path.read_text("utf-8")
    assert len(text.splitlines()) <= MAX_LINES
    tree = ast.parse(text)
    long = [
        f"{f.name}: {(f.end_lineno or 0) - f.lineno + 1} lines"
        for f in functions(tree)
        if (f.end_lineno or 0) - f.lineno + 1 > MAX_FUNCTION_LINES
    ]
    assert long == []
    assert ast.get_docstring(tree), "no docstring"


def test_no_module_is_called_after_nothing() -> None:
    """A name like `utils` says that its author had no name for it."""
    names = {part for path in CODE for part in (path.stem, path.parent.name)}
    assert names & BANNED_MODULES == set()


@pytest.mark.parametrize("path", TESTS, ids=name_of)
def test_a_test_file_says_what_it_is_about(path: Path) -> None:
    """A docstring on top and one for each test."""
    tree = ast.parse(path.read_text("utf-8"))
    assert ast.get_docstring(tree) or path.name == "__init__.py"
    silent = [
        f.name
        for f in functions(tree)
        if f.name.startswith("test_") and not ast.get_docstring(f)
    ]
    assert silent == []


def sleeps(tree: ast.AST, module: str) -> list[int]:
    """Lines that call ``sleep`` of a module with more than 0 seconds."""
    return [
        node.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "sleep"
        and isinstance(node.func.value, ast.Name)
        and node.func.value.id == module
        and not (isinstance(node.args[0], ast.Constant) and node.args[0].value == 0)
    ]


@pytest.mark.parametrize("path", TESTS, ids=name_of)
def test_no_test_sleeps(path: Path) -> None:
    """Tests wait for conditions; only fix_wait.py lets time pass.

    A client that a test plays may pace what it sends, in a function of its own.
    """
    if path.name in TIME_PASSES_IN:
        return
    tree = ast.parse(path.read_text("utf-8"))
    assert sleeps(tree, "time") == []
    for function in functions(tree):
        if function.name.startswith("test_"):
            assert sleeps(function, "asyncio") == [], function.name


WORDS = {
    "a note to oneself": r"\b(?:TODO|FIXME|XXX|HACK)\b",
    "a path of one machine": r"(?<![\w.])/(?:root|home|work)/(?!\.\.\.)\w",
    "a folder beside the project": r"\.\./shared",
    "a banner": r"^\s*(?:#|--) ?[-=*#]{10,}",
}


@pytest.mark.parametrize("path", [*CODE, *TESTS, *PAGES], ids=name_of)
def test_nothing_is_left_lying_about(path: Path) -> None:
    """No notes to oneself, paths of one machine, or banners."""
    if path == Path(__file__) or path.suffix in (".png", ".pyc"):
        return
    text = path.read_text("utf-8")
    found = {
        what: hit.group(0)
        for what, pattern in WORDS.items()
        if (hit := re.search(pattern, text, re.MULTILINE))
    }
    assert found == {}


@pytest.mark.parametrize("path", CODE, ids=name_of)
def test_no_mutable_state_of_a_module(path: Path) -> None:
    """No `global`: what changes belongs to an object that somebody was given."""
    tree = ast.parse(path.read_text("utf-8"))
    names = [n for node in ast.walk(tree) if isinstance(node, ast.Global)
             for n in node.names]  # fmt: skip
    assert names == []
