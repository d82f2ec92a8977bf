"""The server's half of a stream, without a socket."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gasmon.remote import frames, parsing
from gasmon.remote.session import (
    FLOOD_BURST,
    Begin,
    Close,
    ServerSession,
    State,
    judge_resume,
)

SUBSCRIBE = '{"type":"subscribe"}'
HEARTBEAT = frames.CLIENT_HEARTBEAT


def make(**more: object) -> ServerSession:
    """A session of a client that may see Zhenxiong."""
    return ServerSession(
        epoch="e",
        allows_area=lambda area: area == "530627",
        heartbeat_s=5.0,
        max_frame_bytes=200,
        at_s=0.0,
    )


def streaming(seq: int = 0) -> ServerSession:
    """A session that was resumed at a position."""
    session = make()
    session.receive(SUBSCRIBE, 0.0)
    session.resumed(seq)
    return session


def code_of(actions: list[object]) -> int:
    """The code of the one action, which closes."""
    (action,) = actions
    assert isinstance(action, Close)
    return action.code


def test_a_subscription_is_answered() -> None:
    """Subscribing asks for an answer; a slug means the area's code."""
    session = make()
    actions = session.receive(
        '{"type":"subscribe","resume":{"epoch":"e","seq":3},"areas":["zhenxiong"]}', 1.0
    )

    assert actions == [Begin(("e", 3))]
    assert session.state is State.ANSWERING
    assert session.areas == ("530627",)
    assert session.wants("530627", 0, "smoke")
    assert not session.wants("530626", 4, "smoke")


def test_levels_are_filtered() -> None:
    """min_rank leaves lower levels out; without areas all are wanted."""
    session = make()
    session.receive('{"type":"subscribe","min_rank":3}', 0.0)

    assert session.wants("530626", 3, "smoke")
    assert not session.wants("530626", 2, "smoke")


@pytest.mark.parametrize(
    ("resume", "reason"),
    [
        (("e", 10), None),
        (("e", 4), None),
        (("x", 10), "epoch_changed"),
        (("e", 11), "ahead"),
        (("e", 3), "too_old"),
    ],
)
def test_resuming_is_all_or_nothing(
    resume: tuple[str, int], reason: str | None
) -> None:
    """With 5..10 kept, 4 to 10 of this epoch can go on, nothing else."""
    refusal = judge_resume(resume, epoch="e", first_seq=5, last_seq=10)

    assert (refusal and refusal[0]) == reason


def test_receipts_and_commands_are_passed_on() -> None:
    """What a client reports and asks for is the caller's to do, in its order."""
    session = streaming(0)
    receipt, command = (
        session.receive(frames.receipt("drawn", ["a"]), 0.0),
        session.receive(frames.command("12345678", 1, "confirm"), 0.0),
    )

    assert receipt == [parsing.Receipt("drawn", ("a",), None)]
    assert command == [parsing.Command("12345678", 1, "confirm", {"key": "12345678"})]


def test_kinds_are_filtered_and_must_be_known() -> None:
    """A kind that does not exist would be silence for ever: it is refused."""
    session = make()
    session.receive('{"type":"subscribe","kinds":["smoke","forecast"]}', 0.0)

    assert session.wants("530627", 0, "smoke")
    assert not session.wants("530627", 4, "over_limit")
    assert code_of([*make().receive('{"type":"subscribe","kinds":["x"]}', 0.0)]) == 4400


def test_claims_follow_each_other() -> None:
    """Events and heartbeats claim what lies between; what was told is left out."""
    session = streaming(5)
    told = [
        session.event(7, '{"id":"a"}'),
        session.event(6, '{"id":"old"}'),
        session.heartbeat(9, 0, 0),
        session.heartbeat(8, 0, 0),
        session.event(9, '{"id":"old"}'),
        session.event(12, '{"id":"b"}'),
    ]
    claims = [(f["from"], f["to"]) for f in map(json.loads, filter(None, told))]

    assert told[1] is None
    assert told[4] is None
    assert claims == [(5, 7), (7, 9), (9, 9), (9, 12)]


@given(
    st.integers(0, 50),
    st.lists(st.tuples(st.booleans(), st.integers(0, 100)), max_size=30),
)
def test_any_order_of_telling_leaves_no_hole(
    start: int, steps: list[tuple[bool, int]]
) -> None:
    """Whatever the caller passes, the claims are one unbroken chain."""
    session = streaming(start)
    position = start
    for is_event, seq in steps:
        frame = session.event(seq, "{}") if is_event else session.heartbeat(seq, 0, 0)
        if frame is not None:
            claim = json.loads(frame)
            assert claim["from"] == position
            assert claim["to"] >= position
            position = claim["to"]
    assert session.claimed == position


def test_acknowledgements_are_noted() -> None:
    """Forward ones count, backward ones are ignored, future ones are a breach."""
    session = streaming(0)
    session.event(5, "{}")

    assert session.receive(frames.ack(5), 0.0) == []
    assert session.acked == 5
    assert session.receive(frames.ack(3), 0.0) == []
    assert session.acked == 5
    assert session.receive(frames.client_heartbeat(5), 0.0) == []
    assert session.acked == 5
    assert code_of([*session.receive(frames.ack(6), 0.0)]) == 4400


def test_a_heartbeat_acknowledges() -> None:
    """Its ``seq`` means the same as an ack's; told is told, the future is a breach."""
    session = streaming(0)
    session.event(5, "{}")

    assert session.receive(frames.client_heartbeat(5), 0.0) == []
    assert session.acked == 5
    assert code_of([*session.receive(frames.client_heartbeat(6), 0.0)]) == 4400


@pytest.mark.parametrize(
    ("texts", "code"),
    [
        (["nonsense"], 4400),
        ([HEARTBEAT], 4400),
        ([frames.client_heartbeat(0)], 4400),
        ([frames.receipt("drawn", ["a"])], 4400),
        ([frames.command("12345678", 1, "confirm")], 4400),
        ([frames.ack(0)], 4400),
        ([SUBSCRIBE, SUBSCRIBE], 4400),
        (['{"type":"subscribe","areas":["suijiang"]}'], 4403),
        (['{"type":"subscribe","areas":["atlantis"]}'], 4403),
        (['{"type":"subscribe","areas":["%s"]}'], 4403),
        (["x" * 201], 4413),
        (["瓦" * 67], 4413),
        ([SUBSCRIBE, *[HEARTBEAT] * FLOOD_BURST], 4429),
    ],
)
def test_each_breach_has_its_code(texts: list[str], code: int) -> None:
    """The last frame breaks the rule; after it nothing is heard any more."""
    session = make()
    for text in texts[:-1]:
        assert code_of_nothing(session.receive(text, 0.0))
    assert code_of([*session.receive(texts[-1], 0.0)]) == code
    assert session.state is State.CLOSED
    assert session.receive(SUBSCRIBE, 0.0) == []


def code_of_nothing(actions: list[object] | list[Begin | Close]) -> bool:
    """Whether nothing of it closes."""
    return not any(isinstance(action, Close) for action in actions)


def test_a_binary_frame_is_malformed() -> None:
    """There are none in this protocol."""
    assert code_of([*make().receive_binary()]) == 4400


def test_who_keeps_to_the_rate_is_no_flood() -> None:
    """Twenty frames a second may go on for ever; acknowledgements are free."""
    session = streaming(0)
    for number in range(2000):
        assert session.receive(HEARTBEAT, number / 20) == []
    for seq in range(1, 2000):
        session.event(seq, "{}")
        assert session.receive(frames.ack(seq), 100.0) == []


def test_three_missing_heartbeats_are_silence() -> None:
    """Just before is fine, just after closes, and once is enough."""
    session = streaming(0)
    session.receive(HEARTBEAT, 10.0)

    assert session.silent_at_s() == 25.0
    assert session.overdue(25.0) is None
    assert session.overdue(25.1) == Close(4408, "silent for over 15 s")
    assert session.overdue(99.0) is None


def test_a_server_that_stood_still_lets_silence_begin_anew() -> None:
    """And what was said meanwhile is no flood when it is read at once."""
    session = streaming(0)
    for _ in range(FLOOD_BURST):
        assert session.receive(HEARTBEAT, 10.0) == []
    session.stood(60.0)
    assert session.silent_at_s() == 75.0
    assert session.overdue(75.0) is None
    for _ in range(FLOOD_BURST):
        assert session.receive(HEARTBEAT, 60.0) == []
    assert session.overdue(75.1) == Close(4408, "silent for over 15 s")


def test_a_snapshot_sets_the_position() -> None:
    """What follows a snapshot claims from the position that was taken first."""
    session = make()
    session.receive(SUBSCRIBE, 0.0)
    snapshot = json.loads(session.snapshot(7, ['{"id":"a"}']))
    event = json.loads(session.event(8, "{}") or "")

    assert (snapshot["seq"], len(snapshot["alarms"])) == (7, 1)
    assert (event["from"], event["to"]) == (7, 8)
