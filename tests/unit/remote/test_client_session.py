"""The client's half of a stream, without a socket."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gasmon.remote import frames
from gasmon.remote.client_session import (
    Action,
    Answered,
    Arrived,
    ClientSession,
    Fail,
    Held,
    Keep,
    Notice,
    Send,
    State,
    Wish,
)

HELLO = {"type": "hello", "epoch": "e", "head": 9, "heartbeat_s": 2.0}
RIGHTS = {"principal": "p", "areas": ["530627"]}
SUBSCRIPTION = '[null,0,"p",["530627"]]'
EVENT = frames.event("e", 5, 7, '{"id":"a"}')
HEARTBEAT = frames.heartbeat("e", 5, 9, 0, 0)


def hello(**more: Any) -> str:
    """The server's first frame."""
    return json.dumps({**HELLO, **RIGHTS, **more})


def resumed(held_at: int = 5) -> ClientSession:
    """A session whose position was accepted."""
    session = ClientSession(Wish(), Held(("e", held_at), SUBSCRIPTION))
    session.take([hello(), frames.resumed("e", held_at)])
    assert session.state is State.STREAMING
    return session


def last(actions: list[Action]) -> Action:
    """What is done at the end."""
    return actions[-1]


def test_a_new_client_asks_for_a_snapshot() -> None:
    """Without a position: everything open, kept before it is acknowledged."""
    session = ClientSession(Wish(("zhenxiong",), 3), None)
    asked = session.take([hello()])
    answered = session.take([frames.snapshot("e", 9, ['{"id":"a"}'])])

    assert asked == [
        Send(frames.subscribe(epoch=None, seq=None, areas=["zhenxiong"], min_rank=3))
    ]
    assert (session.heartbeat_s, session.head) == (2.0, 9)
    assert [type(action) for action in answered] == [Keep, Notice, Send, Notice]
    keep = answered[0]
    assert isinstance(keep, Keep)
    assert keep.events == (Arrived("a", "e", None, '{"id":"a"}'),)
    assert (keep.position, keep.snapshot_reason) == (("e", 9), "first")
    assert answered[2] == Send(frames.ack(9))


def test_what_arrives_together_is_kept_together() -> None:
    """One transaction and one acknowledgement for a burst."""
    session = resumed()
    actions = session.take([EVENT, frames.heartbeat("e", 7, 9, 0, 0)])

    events = (Arrived("a", "e", 7, '{"id":"a"}'),)
    assert actions == [Keep(events, ("e", 9), SUBSCRIPTION), Send(frames.ack(9))]
    assert session.heartbeat() == frames.client_heartbeat(9)


def test_nothing_new_is_neither_kept_nor_acknowledged() -> None:
    """A heartbeat that claims nothing costs no transaction."""
    assert resumed().take([frames.heartbeat("e", 5, 5, 0, 0)]) == []
    assert resumed().take(['{"type":"of a newer server"}']) == []


def test_another_filter_begins_anew() -> None:
    """A position of other rights or another filter is not used."""
    for held in ('[null,0,"p",null]', '[null,4,"p",["530627"]]'):
        session = ClientSession(Wish(), Held(("e", 5), held))
        notice, send = session.take([hello()])
        assert isinstance(notice, Notice)
        assert notice.kind == "refused"
        assert isinstance(send, Send)
        assert json.loads(send.text)["resume"] is None


def test_kinds_are_asked_for_and_an_old_server_is_named() -> None:
    """Who does not offer ``kinds`` sends all, which is said aloud."""
    session = ClientSession(Wish(kinds=("smoke",)), None)
    notice, send = session.take([hello()])
    (only,) = ClientSession(Wish(kinds=("smoke",)), None).take(
        [hello(offers=["kinds"])]
    )

    assert isinstance(notice, Notice)
    assert notice.kind == "unfiltered"
    assert send == only
    assert isinstance(only, Send)
    assert json.loads(only.text)["kinds"] == ["smoke"]


def test_steps_are_promised_where_they_are_taken() -> None:
    """An older server is not asked for what it does not know, and it is said."""
    wish = Wish(reports=("drawn",))
    notice, old = ClientSession(wish, None).take([hello()])
    session = ClientSession(wish, None)
    (new,) = session.take([hello(offers=["receipts", "answers"])])

    assert isinstance(notice, Notice)
    assert notice.kind == "unreported"
    assert isinstance(old, Send)
    assert isinstance(new, Send)
    assert "reports" not in json.loads(old.text)
    assert json.loads(new.text)["reports"] == ["drawn"]
    assert session.offers == ("receipts", "answers")


def test_an_answer_is_handed_on() -> None:
    """With what the server says of it."""
    (answered,) = resumed().take([frames.result("12345678", status=409, detail="why")])

    assert isinstance(answered, Answered)
    assert (answered.result.key, answered.result.status) == ("12345678", 409)


def test_a_refusal_is_the_reason_of_the_snapshot() -> None:
    """What the server says of the position is kept with what is open."""
    session = ClientSession(Wish(), Held(("old", 5), SUBSCRIPTION))
    session.take([hello(), frames.refused("epoch_changed", "why")])
    keep, *_ = session.take([frames.snapshot("e", 9, [])])

    assert isinstance(keep, Keep)
    assert keep.snapshot_reason == "epoch_changed: why"


def test_what_came_before_a_hole_is_kept() -> None:
    """Then the connection fails, and nothing more is heard."""
    session = resumed()
    actions = session.take([EVENT, EVENT])

    assert [type(action) for action in actions] == [Keep, Send, Fail]
    assert session.take([hello()]) == []


@pytest.mark.parametrize(
    ("before", "frame"),
    [
        ([], HEARTBEAT),
        ([], '{"type":"of a newer server"}'),
        ([], b"binary"),
        ([], "{"),
        ([hello()], hello()),
        ([hello()], EVENT),
        ([hello()], frames.resumed("e", 6)),
        ([hello(), frames.resumed("e", 5)], hello()),
        ([hello(), frames.resumed("e", 5)], frames.resumed("e", 5)),
        ([hello(), frames.resumed("e", 5)], frames.snapshot("e", 5, [])),
        ([hello(), frames.resumed("e", 5)], frames.refused("ahead", "")),
        ([hello(), frames.resumed("e", 5)], frames.heartbeat("e", 6, 9, 0, 0)),
    ],
)
def test_what_has_no_place_fails(before: list[str], frame: str | bytes) -> None:
    """Every frame in a state that has no room for it ends the connection."""
    session = ClientSession(Wish(), Held(("e", 5), SUBSCRIPTION))
    session.take(before)

    assert isinstance(last(session.take([frame])), Fail)
    assert session.state is State.FAILED
    assert session.heartbeat() == frames.CLIENT_HEARTBEAT


def test_drills_are_asked_for_and_an_old_server_is_named() -> None:
    """Asking for them is another subscription: what was left out is told anew."""
    wish = Wish(drills=True)
    notice, old = ClientSession(wish, None).take([hello()])
    (new,) = ClientSession(wish, None).take([hello(offers=["drills"])])
    held = Held(("e", 5), SUBSCRIPTION)
    refused, anew = ClientSession(wish, held).take([hello(offers=["drills"])])

    assert isinstance(notice, Notice)
    assert notice.kind == "undrilled"
    assert isinstance(old, Send)
    assert isinstance(new, Send)
    assert "drills" not in json.loads(old.text)
    assert json.loads(new.text)["drills"] is True
    assert isinstance(refused, Notice)
    assert refused.kind == "refused"
    assert anew == new
