"""``gasmon user`` and ``gasmon audit`` on a real database."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gasmon.cli import main
from gasmon.clock import SystemClock
from gasmon.settings import DatabaseSettings
from gasmon.store import db, links
from gasmon.store.sessions import Browser, Life
from gasmon.units import US_PER_H


class Terminal:
    """Runs commands on one database."""

    def __init__(self, dsn: str, capsys: pytest.CaptureFixture[str]) -> None:
        self.dsn = dsn
        self._capsys = capsys

    def run(self, *words: str) -> tuple[int, str, str]:
        """Exit code, standard output and standard error of ``gasmon WORDS``."""
        code = main([*words[:2], "--set", f"database.url={self.dsn}", *words[2:]])
        out, err = self._capsys.readouterr()
        return code, out, err

    def json(self, *words: str) -> Any:
        """What a command that succeeds tells programs."""
        code, out, err = self.run(*words, "--json")
        assert code == 0, err
        return json.loads(out)

    def open(self, address: str) -> None:
        """Open a one-time link in a browser, as its user does."""
        secret = address.partition("#link=")[2]
        now_us, life = SystemClock().now_us(), Life(US_PER_H, US_PER_H)
        database = DatabaseSettings(url=self.dsn)
        with db.connect(database, autocommit=True) as conn:
            desk = Browser("10.0.0.5", "Chromium")
            links.use(conn, secret, "hash", desk, life=life, now_us=now_us)


@pytest.fixture
def terminal(plain_migrated_dsn: str, capsys: pytest.CaptureFixture[str]) -> Terminal:
    """Commands on a fresh database."""
    return Terminal(plain_migrated_dsn, capsys)


def test_the_life_of_an_account_by_command(terminal: Terminal) -> None:
    """First administrator, a user, its log-ins, another role, reset, retirement."""
    code, link, words = terminal.run("user", "first")
    assert code == 0
    assert link.startswith("http://127.0.0.1:8123/welcome#link=gl_")
    assert "admin" in words
    terminal.open(link.strip())
    code, _, words = terminal.run("user", "first", "another")
    assert (code, "'admin' can log in" in words) == (1, True)

    flags = ["--role", "county_officer", "--area", "zhenxiong"]
    added = terminal.json("user", "add", "李", *flags)
    terminal.open(added["link"])
    shown = terminal.json("user", "show", "李")
    assert (shown["areas"], shown["sessions"]) == (["530627"], 1)
    (opened,) = terminal.json("user", "sessions", "李")["items"]
    assert (opened["address"], opened["by"]) == ("10.0.0.5", "password")
    number = str(opened["session_id"])
    assert terminal.json("user", "sessions", "李", "--end", number) == {"ended": 1}
    assert terminal.run("user", "sessions", "李", "--end", number)[0] == 1
    assert terminal.json("user", "sessions", "李", "--end-all") == {"ended": 0}

    changed = terminal.json("user", "set-role", "李", "--role", "city_officer")
    assert (changed["role"], changed["areas"]) == ("city_officer", None)
    terminal.open(terminal.json("user", "reset", "李")["link"])
    assert terminal.json("user", "retire", "李")["sessions"] == 1
    names = {u["name"]: u["retired_at"] for u in terminal.json("user", "ls")["items"]}
    assert names["admin"] is None
    assert names["李"] is not None
    for words in (("user", "ls"), ("user", "show", "李"), ("audit", "ls")):
        code, out, _ = terminal.run(*words)
        assert (code, "李" in out, "retired" in out or "retire" in out) == (
            0,
            True,
            True,
        )

    page = terminal.json("audit", "ls", "--did", "user", "--limit", "2")
    assert [row["action"] for row in page["items"]] == ["user.retire", "user.reset"]
    assert all(row["detail"]["account"] for row in page["items"])
    before = str(page["next"])
    older = terminal.json("audit", "ls", "--did", "user", "--before", before)
    assert [row["action"] for row in older["items"]] == [
        "user.set_role",
        "user.add",
        "user.first",
    ]


@pytest.mark.parametrize(
    ("words", "code", "word"),
    [
        (["user", "add", "x", "--role", "viewer"], 2, "--area"),
        (["user", "add", "gasmon", "--role", "trainer"], 2, "gasmon writes"),
        (["user", "add", "x", "--role", "viewer", "--mine", "12"], 2, "12"),
        (["user", "show", "nobody"], 1, "nobody"),
        (["user", "retire", "nobody"], 1, "nobody"),
        (["audit", "ls", "--limit", "0"], 2, "limit 0"),
        (["audit", "ls", "--from", "yesterday"], 2, "--from yesterday"),
    ],
)
def test_wrong_use_is_refused_by_name(
    terminal: Terminal, words: list[str], code: int, word: str
) -> None:
    """2 for what is not understood, 1 for what is not there."""
    got, out, err = terminal.run(*words)
    assert (got, out) == (code, "")
    assert word in err
