"""The client's half of one connection: frames in, actions out. Pure.

The caller owns the socket, the clock and the file. It makes a session for each
connection with what its file holds *then*, passes what arrives to
:meth:`ClientSession.take` and does the actions in their order: what is to be kept is
kept before it is acknowledged. A session that failed is over; the caller closes the
socket and begins anew from its file, so whatever a line does to frames (cuts, repeats,
swaps them), the file gets each event once and in order.

| state     | hello       | refused | resumed, snapshot | event, heartbeat  |
|-----------|-------------|---------|-------------------|-------------------|
| greeting  | → answering | fail    | fail              | fail              |
| answering | fail        | noted   | → streaming       | fail              |
| streaming | fail        | fail    | fail              | kept, if it follows |
| failed    | ignored     | ignored | ignored           | ignored           |
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

import orjson

from gasmon.remote import frames, parsing
from gasmon.remote.chain import Chain
from gasmon.remote.parsing import Malformed

DEFAULT_HEARTBEAT_S = 5.0
"""Interval that counts until a server has said its own [s]."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What a client subscribes to; None = all that its token may see.

    Attributes:
        reports: steps that it promises to report of each event.
        history: a snapshot is to have every event of alarms that are not closed.
        drills: events of drills too; each says that it is one.
    """

    areas: tuple[str, ...] | None = None
    min_rank: int = 0
    kinds: tuple[str, ...] | None = None
    reports: tuple[str, ...] = ()
    history: bool = False
    drills: bool = False


@dataclass(frozen=True, slots=True)
class Held:
    """What a client's file says when it connects.

    Attributes:
        position: (epoch, seq) up to which it holds everything.
        subscription: the filter and rights that the position belongs to.
    """

    position: tuple[str, int]
    subscription: str


@dataclass(frozen=True, slots=True)
class Arrived:
    """An event to keep; ``seq`` None when it comes from a snapshot."""

    id: str
    epoch: str
    seq: int | None
    body: str


@dataclass(frozen=True, slots=True)
class Send:
    """Action: send this text frame."""

    text: str


@dataclass(frozen=True, slots=True)
class Keep:
    """Action: keep these events and the position they reach, in one transaction.

    Attributes:
        snapshot_reason: the events are all open alarms, and came for this reason.
    """

    events: tuple[Arrived, ...]
    position: tuple[str, int]
    subscription: str
    snapshot_reason: str | None = None


@dataclass(frozen=True, slots=True)
class Notice:
    """Action: tell a person: connected, refused, snapshot, unfiltered, unreported."""

    kind: str
    facts: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Fail:
    """Action: close the connection and begin anew; the server broke the protocol."""

    reason: str


@dataclass(frozen=True, slots=True)
class Answered:
    """Action: the server says what came of a receipt or command."""

    result: parsing.Result


@dataclass(frozen=True, slots=True)
class Sealed:
    """Action: keep the seal of an hour of the server's arrival log."""

    seal: parsing.Seal


Action = Send | Keep | Notice | Fail | Answered | Sealed


class State(Enum):
    """Where the conversation is."""

    GREETING = "greeting"
    ANSWERING = "answering"
    STREAMING = "streaming"
    FAILED = "failed"


class ClientSession:
    """One connection's conversation.

    Attributes:
        state: see the table of this module.
        chain: where we are in the stream.
        heartbeat_s: interval that both sides keep [s].
        head: newest number of the server when it said hello.
        complete_to: time up to which its last heartbeat said that all is told.
        offers: what the server takes beyond the first edition of the protocol.
    """

    def __init__(self, wish: Wish, held: Held | None, seals: int | None = None) -> None:
        """Begin; nothing is sent before the server's hello.

        Args:
            seals: hour of the newest seal held [µs UTC], 0 for none; None: none are
                wanted.
        """
        self.state = State.GREETING
        self.chain = Chain()
        self.heartbeat_s = DEFAULT_HEARTBEAT_S
        self.head = 0
        self.complete_to = ""
        self.offers: tuple[str, ...] = ()
        self._wish = wish
        self._held = held
        self._seals = seals
        self._subscription = ""
        self._refusal = "first"
        self._acked = 0

    def take(self, texts: Sequence[str | bytes]) -> list[Action]:
        """Take frames that arrived together; what they bring is kept together."""
        actions: list[Action] = []
        events: list[Arrived] = []
        for text in texts:
            if self.state is State.FAILED:
                break
            try:
                self._take(text, actions, events)
            except Malformed as error:
                # What came before is good and is kept.
                self.state = State.FAILED
                self._keep(actions, events)
                actions.append(Fail(str(error)))
        if self.state is State.STREAMING:
            self._keep(actions, events)
        return actions

    def heartbeat(self) -> str:
        """The frame that says that we live, and what we keep."""
        if self.state is not State.STREAMING:
            return frames.CLIENT_HEARTBEAT
        return frames.client_heartbeat(self._acked)

    def _take(
        self, text: str | bytes, actions: list[Action], events: list[Arrived]
    ) -> None:
        if isinstance(text, bytes):
            raise Malformed("binary frame")
        frame = parsing.parse_server(text)
        match self.state, frame:
            case State.GREETING, parsing.Hello():
                actions += self._greet(frame)
            case State.ANSWERING, parsing.Refused():
                self._refusal = f"{frame.reason}: {frame.detail}"
                actions.append(Notice("refused", {"reason": self._refusal}))
            case State.ANSWERING, parsing.Resumed() | parsing.Snapshot():
                actions += self._answer(frame)
            case State.STREAMING, parsing.Event() | parsing.Heartbeat():
                self.chain.take(frame)
                if isinstance(frame, parsing.Event):
                    events.append(_arrived(frame.epoch, frame.seq, frame.data))
                else:
                    self.complete_to = frame.complete_to
            case State.ANSWERING | State.STREAMING, parsing.Result():
                actions.append(Answered(frame))
            case State.ANSWERING | State.STREAMING, parsing.Seal():
                actions.append(Sealed(frame))
            case State.ANSWERING | State.STREAMING, parsing.Unknown():
                pass  # of a newer server
            case _:
                raise Malformed(f"{type(frame).__name__} while {self.state.value}")

    def _greet(self, hello: parsing.Hello) -> list[Action]:
        """Ask to go on where we are, unless we ask for something else than before.

        A position is only worth something for the same filter and the same rights:
        with wider ones, what was left out before would be missing for ever.
        """
        actions: list[Action] = []
        wish, held = self._wish, self._held
        self.heartbeat_s, self.head = hello.heartbeat_s, hello.head
        self.offers = hello.offers
        parts = [wish.areas, wish.min_rank, hello.principal, hello.areas]
        if wish.kinds is not None:
            parts.append(wish.kinds)
            if "kinds" not in hello.offers:
                reason = "the server is older and sends all kinds"
                actions.append(Notice("unfiltered", {"reason": reason}))
        if wish.reports and "receipts" not in hello.offers:
            reason = "the server is older and takes no receipts"
            actions.append(Notice("unreported", {"reason": reason}))
        if wish.drills:
            parts.append("drills")
            if "drills" not in hello.offers:
                reason = "the server is older and tells nothing of drills"
                actions.append(Notice("undrilled", {"reason": reason}))
        self._subscription = orjson.dumps(parts).decode()
        if held is not None and held.subscription != self._subscription:
            reason = "other filter or rights than before"
            actions.append(Notice("refused", {"reason": reason}))
            held = None
        if held is not None:
            self.chain = Chain(*held.position)
            self._acked = self.chain.position
        self.state = State.ANSWERING
        text = frames.subscribe(
            epoch=held.position[0] if held else None,
            seq=held.position[1] if held else None,
            areas=wish.areas,
            min_rank=wish.min_rank,
            kinds=wish.kinds,
            reports=wish.reports if "receipts" in hello.offers else (),
            history=wish.history and "history" in hello.offers,
            drills=wish.drills and "drills" in hello.offers,
            seals=self._seals if "seals" in hello.offers else None,
        )
        return [*actions, Send(text)]

    def _answer(self, frame: parsing.Resumed | parsing.Snapshot) -> list[Action]:
        self.chain.take(frame)
        self.state = State.STREAMING
        self._acked = frame.seq
        if isinstance(frame, parsing.Resumed):
            return [Notice("connected", {"how": "resumed", "seq": frame.seq})]
        events = tuple(_arrived(frame.epoch, None, alarm) for alarm in frame.alarms)
        facts = {"reason": self._refusal, "open": len(events), "seq": frame.seq}
        position = (frame.epoch, frame.seq)
        return [
            Keep(events, position, self._subscription, self._refusal),
            Notice("snapshot", facts),
            Send(frames.ack(frame.seq)),
            Notice("connected", {"how": "snapshot", "seq": frame.seq}),
        ]

    def _keep(self, actions: list[Action], events: list[Arrived]) -> None:
        """Keep what was claimed since the last acknowledgement, and acknowledge it."""
        seq = self.chain.position
        if seq == self._acked and not events:
            return
        position = (self.chain.epoch, seq)
        actions += [
            Keep(tuple(events), position, self._subscription),
            Send(frames.ack(seq)),
        ]
        self._acked = seq


def _arrived(epoch: str, seq: int | None, data: dict[str, Any]) -> Arrived:
    return Arrived(data["id"], epoch, seq, orjson.dumps(data).decode())
