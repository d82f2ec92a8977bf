"""Style as a test: what a reader should never meet in this project."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

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


def tree_of(path: Path) -> ast.Module:
    """A file's syntax tree."""
    return ast.parse(path.read_text("utf-8"))


def check_each(paths: Iterable[Path], fault_of: Callable[[Path], object]) -> None:
    """Look at every file; what is found names the file, and nothing may be found.

    Together, and not as a test for each file: there are two thousand.
    """
    found = {name_of(path): fault for path in paths if (fault := fault_of(path))}
    assert found == {}


def test_a_file_can_be_read_in_one_sitting() -> None:
    """At most 400 lines a file and 70 a function, and a docstring on top."""

    def fault(path: Path) -> list[str]:
        tree = tree_of(path)
        n_lines = len(path.read_text("utf-8").splitlines())
        return [
            *([f"{n_lines} lines"] if n_lines > MAX_LINES else []),
            *([] if ast.get_docstring(tree) else ["no docstring"]),
            *(
                f"{f.name}: {(f.end_lineno or 0) - f.lineno + 1} lines"
                for f in functions(tree)
                if (f.end_lineno or 0) - f.lineno + 1 > MAX_FUNCTION_LINES
            ),
        ]

    check_each(CODE, fault)


def test_no_module_is_called_after_nothing() -> None:
    """A name like `utils` says that its author had no name for it."""
    names = {part for path in CODE for part in (path.stem, path.parent.name)}
    assert names & BANNED_MODULES == set()


def test_a_test_file_says_what_it_is_about() -> None:
    """A docstring on top and one for each test."""

    def fault(path: Path) -> list[str]:
        tree = tree_of(path)
        silent = [
            f.name
            for f in functions(tree)
            if f.name.startswith("test_") and not ast.get_docstring(f)
        ]
        if not ast.get_docstring(tree) and path.name != "__init__.py":
            silent.append("the file")
        return silent

    check_each(TESTS, fault)


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


def test_no_test_sleeps() -> None:
    """Tests wait for conditions; only fix_wait.py lets time pass.

    A client that a test plays may pace what it sends, in a function of its own.
    """

    def fault(path: Path) -> list[int]:
        tree = tree_of(path)
        tests = [f for f in functions(tree) if f.name.startswith("test_")]
        return [
            *sleeps(tree, "time"),
            *(line for function in tests for line in sleeps(function, "asyncio")),
        ]

    check_each((p for p in TESTS if p.name not in TIME_PASSES_IN), fault)


WORDS = {
    "a note to oneself": r"\b(?:TODO|FIXME|XXX|HACK)\b",
    "a path of one machine": r"(?<![\w.])/(?:root|home|work)/(?!\.\.\.)\w",
    "a folder beside the project": r"\.\./shared",
    "a banner": r"^\s*(?:#|--) ?[-=*#]{10,}",
}


def test_nothing_is_left_lying_about() -> None:
    """No notes to oneself, paths of one machine, or banners."""

    def fault(path: Path) -> dict[str, str]:
        text = path.read_text("utf-8")
        return {
            what: hit.group(0)
            for what, pattern in WORDS.items()
            if (hit := re.search(pattern, text, re.MULTILINE))
        }

    check_each(
        (
            path
            for path in (*CODE, *TESTS, *PAGES)
            if path != Path(__file__) and path.suffix not in (".png", ".pyc")
        ),
        fault,
    )


def test_no_mutable_state_of_a_module() -> None:
    """No `global`: what changes belongs to an object that somebody was given."""

    def fault(path: Path) -> list[str]:
        told = [x for x in ast.walk(tree_of(path)) if isinstance(x, ast.Global)]
        return [name for one in told for name in one.names]

    check_each(CODE, fault)
