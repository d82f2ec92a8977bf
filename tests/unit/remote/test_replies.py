"""What a receiver says back: queued, sent one by one, kept until answered."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gasmon.clock import SystemClock
from gasmon.errors import BadRequest, ConfigError
from gasmon.remote.client_session import Arrived
from gasmon.remote.keeping import Keeping
from gasmon.remote.parsing import Command, Receipt, Result, parse_client
from gasmon.remote.replies import Replies, Said, open_beside
from gasmon.remote.replying import Replier
from gasmon.units import US_PER_S
from tests.fix_wait import wait_until_async

AT_US = 1_795_401_981_000_000
ALL = ("receipts", "commands", "answers")


@pytest.fixture
def keeping(tmp_path: Path) -> Iterator[Keeping]:
    """A file with three events of one batch."""
    with Keeping(tmp_path / "state.sqlite") as kept:
        events = [Arrived(f"id{n}", "e", n, f'{{"n":{n}}}') for n in (1, 2, 3)]
        kept.store(events, ("e", 3), subscription="", now_us=AT_US, with_hook=True)
        yield kept


def result(said: Said, status: int = 200) -> Result:
    """The server's answer."""
    return Result(said.key, status < 400, status, 7, False, "why")


def next_frame(replies: Replies, *, status: int = 200) -> Any:
    """The next frame, answered; None when nothing is owed."""
    said = replies.next_said(ALL)
    if said is None:
        return None
    replies.sending(said)
    replies.answered(said, result(said, status), 5)
    return parse_client(said.text)


def test_what_was_received_is_told_once_together(keeping: Keeping) -> None:
    """The receipt goes with the events' transaction, and is done when answered."""
    first = next_frame(keeping.replies)

    assert isinstance(first, Receipt)
    assert (first.step, first.ids) == ("received", ("id1", "id2", "id3"))
    assert first.at_us == AT_US
    assert next_frame(keeping.replies) is None


def test_a_step_is_never_said_to_have_been_earlier(keeping: Keeping) -> None:
    """Of steps within a second the last time is told; others go by themselves."""
    next_frame(keeping.replies)
    for event_id, at_us in (("id1", 10), ("id2", US_PER_S), ("id3", 9 * US_PER_S)):
        assert keeping.replies.report("drawn", [event_id], at_us) == []
    keeping.replies.report("sounded", ["id3"], 9 * US_PER_S)
    told = [next_frame(keeping.replies) for _ in range(3)]

    assert [(one.step, one.ids) for one in told] == [
        ("drawn", ("id1", "id2")),
        ("drawn", ("id3",)),
        ("sounded", ("id3",)),
    ]


def test_a_hooks_end_proves_its_steps_with_its_mark(keeping: Keeping) -> None:
    """A hook that failed proves nothing."""
    next_frame(keeping.replies)
    for state in ("failed", "done"):
        event = keeping.next_hook()
        assert event is not None
        keeping.mark_hook(event, state, 8, ("sounded",) if state == "done" else ())
    told = next_frame(keeping.replies)

    assert (told.step, told.ids) == ("sounded", ("id2",))


def test_commands_go_first_in_their_order_until_answered(keeping: Keeping) -> None:
    """503 is asked again with the same key; a refusal is final and kept."""
    replies = keeping.replies
    first = replies.command(5, "confirm", 1, text="见")
    replies.command(5, "handle", 2, "key-of-ours")
    assert replies.command(5, "close", 3, "key-of-ours") == "key-of-ours"
    frames = [next_frame(replies, status=s) for s in (503, 200, 409)]

    assert [frame.key for frame in frames] == [first, first, "key-of-ours"]
    assert isinstance(frames[0], Command)
    assert frames[0].body == {"key": first, "text": "见"}
    newest, oldest = replies.commands()
    assert (newest.action, newest.status, newest.n_sent) == ("handle", 409, 1)
    assert (oldest.status, oldest.record_id, oldest.n_sent) == (200, 7, 2)
    assert replies.n_owed() == (3, 0)


def test_what_a_server_does_not_take_stays_owed(keeping: Keeping) -> None:
    """An older server is not sent what it would call malformed."""
    keeping.replies.command(5, "confirm", 1)

    assert keeping.replies.next_said(("kinds", "receipts")) is None
    assert keeping.replies.next_said(("commands",)) is not None
    assert keeping.replies.n_owed() == (3, 1)


def test_what_is_no_step_action_or_event_is_refused(keeping: Keeping) -> None:
    """Named, and nothing is owed for it."""
    with pytest.raises(BadRequest, match="'seen'"):
        keeping.replies.report("seen", ["id1"], 1)
    with pytest.raises(BadRequest, match="'explode'"):
        keeping.replies.command(1, "explode", 1)

    assert keeping.replies.report("drawn", ["id1", "other"], 1) == ["other"]
    assert keeping.replies.n_owed() == (4, 0)


def test_another_process_queues_beside_the_receiver(
    keeping: Keeping, tmp_path: Path
) -> None:
    """While the receiver has the file; one that is not there is named."""
    with open_beside(tmp_path / "state.sqlite") as (_, beside):
        beside.command(9, "confirm", 1)
    assert keeping.replies.n_owed() == (3, 1)
    with pytest.raises(ConfigError, match="not there"), open_beside(tmp_path / "no"):
        pass
    (tmp_path / "text").write_text("no database " * 100)
    with (
        pytest.raises(ConfigError, match="not a database"),
        open_beside(tmp_path / "text"),
    ):
        pass


async def test_the_next_is_sent_when_the_one_before_was_answered(
    keeping: Keeping,
) -> None:
    """Answers of others are passed over; each command's end is said."""
    said: list[str] = []
    notices: list[tuple[str, dict[str, Any]]] = []
    replier = Replier(
        keeping.replies,
        SystemClock(),
        lambda kind, facts: notices.append((kind, facts)),
    )

    async def send(text: str) -> None:
        frame = json.loads(text)
        said.append(frame["type"])
        replier.take(Result("another-key", True, 200, None, False, ""))
        replier.take(Result(frame["key"], True, 200, 4, False, ""))

    keeping.replies.command(5, "confirm", 1)
    running = asyncio.create_task(replier.run(send, ALL))
    await wait_until_async(lambda: keeping.replies.n_owed() == (0, 0))
    keeping.replies.report("drawn", ["id1"], 1)
    replier.owed.set()
    await wait_until_async(lambda: keeping.replies.n_owed() == (0, 0))
    running.cancel()

    assert said == ["command", "receipt", "receipt"]
    assert [(kind, facts["status"]) for kind, facts in notices] == [("answered", 200)]
