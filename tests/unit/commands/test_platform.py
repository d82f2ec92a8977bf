"""``gasmon platform``: what is queued in a receiver's file, and what came of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from gasmon import cli
from gasmon.remote.client_session import Arrived
from gasmon.remote.keeping import Keeping
from gasmon.remote.parsing import Result
from gasmon.remote.replies import open_beside


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """A file with one event, and nobody who receives into it."""
    path = tmp_path / "state.sqlite"
    with Keeping(path) as keeping:
        events = [Arrived("id1", "e", 7, "{}")]
        keeping.store(events, ("e", 7), subscription="", now_us=1, with_hook=False)
    return path


def platform(
    capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0
) -> dict[str, Any]:
    """Run the command; gives its answer."""
    assert cli.main(["platform", *arguments, "--json"]) == code
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def test_commands_and_receipts_are_queued_and_shown(
    state: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without a line; an event that is not there is named."""
    at = ("--state", str(state))
    asked = ("act", *at, "5", "handle", "--text", "通风", "--cause", "blasting")
    queued = platform(capsys, *asked, "--key", "key-of-ours")
    assert (queued["key"], queued["status"]) == ("key-of-ours", None)
    told = platform(capsys, "report", *at, "drawn", "id1", "id2", code=1)
    assert told == {"owed": 1, "unknown": ["id2"]}
    shown = platform(capsys, "status", *at)

    assert shown["position"] == ["e", 7]
    assert (shown["receipts_owed"], shown["commands_owed"]) == (2, 1)
    assert [one["action"] for one in shown["commands"]] == ["handle"]
    with open_beside(state) as (_, replies):
        said = replies.next_said(("commands",))
    assert said is not None
    assert json.loads(said.text) == {
        "type": "command",
        "key": "key-of-ours",
        "alarm_id": 5,
        "action": "handle",
        "text": "通风",
        "cause_code": "blasting",
    }


def test_a_refusal_is_shown_in_words(
    state: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """For people: the server's own words, exit code 1 where it was waited for."""
    at = ("--state", str(state))
    platform(capsys, "act", *at, "5", "confirm", "--key", "key-of-ours")
    with open_beside(state) as (_, replies):
        said = replies.next_said(("commands",))
        assert said is not None
        replies.answered(said, Result(said.key, False, 403, None, False, "reads"), 2)
    again = ["platform", "act", *at, "5", "confirm", "--key", "key-of-ours"]
    assert cli.main([*again, "--wait", "5"]) == 1
    assert "403 reads" in capsys.readouterr().out
    assert cli.main(["platform", "status", *at]) == 0
    said_out = capsys.readouterr().out
    assert "key-of-ours  5 confirm  403 reads" in said_out
    assert "receipts owed 1" in said_out


def test_wrong_use_is_one_clear_line(
    state: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A file that is not there, an alarm that cannot be."""
    assert cli.main(["platform", "status", "--state", str(state) + "x"]) == 2
    assert "is not there" in capsys.readouterr().err
    acting = ["platform", "act", "--state", str(state), "0", "confirm"]
    assert cli.main(acting) == 2
    assert "ALARM_ID 0" in capsys.readouterr().err
