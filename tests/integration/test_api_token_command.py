"""``gasmon token`` on a real database."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from gasmon.cli import main
from gasmon.store import access


def token(dsn: str, *words: str) -> int:
    """Run the command; gives its exit code."""
    action, *rest = words
    return main(["token", action, "--set", f"database.url={dsn}", *rest])


def test_a_token_is_shown_once_and_listed(
    migrated_dsn: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Create prints the token, list never does, revoke ends it."""
    flags = ["--name", "zx", "--role", "platform", "--area", "zhenxiong"]
    flags += ["--may", "read"]
    assert token(migrated_dsn, "create", *flags, "--expires", "90d") == 0
    secret = capsys.readouterr().out.strip()
    assert token(migrated_dsn, "list", "--json") == 0
    listed = capsys.readouterr().out
    assert token(migrated_dsn, "list") == 0
    table = capsys.readouterr().out
    assert token(migrated_dsn, "revoke", "zx", "--json") == 0
    assert json.loads(capsys.readouterr().out) == {"revoked": 1}

    assert access.TOKEN_PATTERN.fullmatch(secret)
    (item,) = json.loads(listed)["items"]
    assert (item["areas"], item["state"]) == (["530627"], "alive")
    assert item["may"] == "read"
    assert item["expires_at"] is not None
    assert secret not in listed + table
    assert "zx" in table


def test_a_token_in_a_file_is_its_owners_alone(
    migrated_dsn: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """--out writes mode 0600 and prints nothing on stdout."""
    out = tmp_path / "token"
    flags = ["--name", "m", "--role", "mine_dispatcher", "--mine", "530627000001"]
    assert token(migrated_dsn, "create", *flags, "--out", str(out)) == 0

    assert capsys.readouterr().out == ""
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    assert access.TOKEN_PATTERN.fullmatch(out.read_text().strip())


@pytest.mark.parametrize(
    ("flags", "word"),
    [
        (["--role", "viewer"], "--area"),
        (["--role", "viewer", "--area", "atlantis"], "atlantis"),
        (["--role", "viewer", "--area", "all", "--expires", "soon"], "soon"),
        (["--role", "viewer", "--mine", "12"], "12"),
        (["--role", "viewer", "--area", "all", "--out", "/no/where"], "/no/where"),
    ],
)
def test_wrong_use_is_refused(
    migrated_dsn: str,
    flags: list[str],
    word: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """An operator's mistake is exit code 2 and names what is wrong."""
    assert token(migrated_dsn, "create", "--name", "x", *flags) == 2
    assert word in capsys.readouterr().err
