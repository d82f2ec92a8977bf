"""The server's half of one alarm stream: frames in, actions out. Pure.

The caller owns the socket, the clock and the database. It passes every text frame to
:meth:`ServerSession.receive` and does what the returned actions say; it asks
:meth:`ServerSession.overdue` now and then; it makes outgoing frames with the methods
below and sends them in the order in which it made them, because each claims what lies
between its predecessor and itself.

| state      | subscribe     | other frames   | event, heartbeat out  |
|------------|---------------|----------------|-----------------------|
| greeting   | → answering   | close 4400     | never                 |
| answering  | close 4400    | noted          | after resumed/snapshot |
| streaming  | close 4400    | noted          | yes                   |
| closed     | ignored       | ignored        | never                 |
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum

from gasmon import domain
from gasmon.alarms.kinds import ALL_KINDS, FORECAST_KINDS
from gasmon.remote import frames
from gasmon.remote.parsing import (
    Ack,
    ClientFrame,
    ClientHeartbeat,
    Command,
    Malformed,
    Receipt,
    Subscribe,
    parse_client,
)

SILENCE_HEARTBEATS = 3
"""Heartbeats of the client that may be missing before it counts as gone."""

FLOOD_BURST = 100
"""Frames a client may send at once. A client owes one heartbeat per interval;
acknowledgements of something new are not counted, there are as many as events."""

FLOOD_PER_S = 20.0
"""Frames a client may send per second in the long run."""


_AREA = re.compile(r"[0-9]{6}", re.ASCII)


class State(Enum):
    """Where the conversation is."""

    GREETING = "greeting"
    ANSWERING = "answering"
    STREAMING = "streaming"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class Begin:
    """Action: the client subscribed; answer with ``resume`` or a snapshot."""

    resume: tuple[str, int] | None


@dataclass(frozen=True, slots=True)
class Close:
    """Action: close the connection with this code and reason."""

    code: int
    reason: str


Action = Begin | Close | Receipt | Command


def judge_resume(
    resume: tuple[str, int], *, epoch: str, first_seq: int, last_seq: int
) -> tuple[str, str] | None:
    """Whether a stream can go on from a client's position: all or nothing.

    Args:
        resume: the client's epoch and the last number it holds.
        epoch: of the outbox, read after the client spoke.
        first_seq: oldest number it still holds.
        last_seq: newest number it holds.

    Returns:
        None when it can; else the reason of the refusal and its detail.
    """
    theirs, seq = resume
    if theirs != epoch:
        detail = f"position of epoch {theirs[:40]}, the database's is {epoch}"
        return "epoch_changed", detail
    if seq > last_seq:
        return "ahead", f"position {seq} is ahead of the newest, {last_seq}"
    if seq < first_seq - 1:
        return "too_old", f"position {seq}, the oldest kept is {first_seq}"
    return None


class ServerSession:
    """One client's conversation.

    Attributes:
        state: see the table of this module.
        epoch: of the outbox; may be set until the first frame is made.
        areas: the subscription's areas as six-digit codes; None = all of the client's.
        min_rank: least level wanted.
        kinds: kinds of alarm wanted; None = all.
        reports: steps that the client promised to report of each event.
        history: a snapshot is to have every event of alarms that are not closed.
        drills: events of drills are wanted too, beside the real ones.
        seals: seals after this hour are wanted [µs UTC]; None: none are.
        claimed: the stream was told completely up to this number.
        acked: the client holds everything up to this number.
    """

    def __init__(
        self,
        *,
        epoch: str = "",
        allows_area: Callable[[str], bool],
        heartbeat_s: float,
        max_frame_bytes: int,
        at_s: float,
    ) -> None:
        """Begin a conversation.

        Args:
            epoch: of the outbox.
            allows_area: whether the principal may see anything in an area.
            heartbeat_s: interval that both sides keep [s].
            max_frame_bytes: largest frame the client may send [bytes of UTF-8].
            at_s: monotonic time [s].
        """
        self.state = State.GREETING
        self.areas: tuple[str, ...] | None = None
        self.min_rank = 0
        self.kinds: frozenset[str] | None = None
        self.reports: tuple[str, ...] = ()
        self.history = self.drills = False
        self.seals: int | None = None
        self.claimed = 0
        self.acked = 0
        self.epoch = epoch
        self._allows_area = allows_area
        self._silence_s = heartbeat_s * SILENCE_HEARTBEATS
        self._max_frame_bytes = max_frame_bytes
        self._heard_s = at_s
        self._credit = float(FLOOD_BURST)

    def receive(self, text: str, at_s: float) -> list[Action]:
        """Take one text frame of the client.

        Args:
            text: the frame; for a binary one call :meth:`receive_binary`.
            at_s: monotonic time [s].
        """
        if self.state is State.CLOSED:
            return []
        # Characters first: encoding megabytes only to refuse them would be a gift.
        if (
            len(text) > self._max_frame_bytes
            or len(text.encode(errors="replace")) > self._max_frame_bytes
        ):
            return self._close(
                frames.CLOSE_TOO_LARGE,
                f"frame over {self._max_frame_bytes} bytes",
            )
        self._hear(at_s)
        try:
            frame = parse_client(text)
        except Malformed as error:
            return self._close(frames.CLOSE_MALFORMED, str(error))
        if isinstance(frame, Ack) and self.acked < frame.seq <= self.claimed:
            self.acked = frame.seq
            return []
        self._credit -= 1.0
        if self._credit < 0:
            return self._close(
                frames.CLOSE_FLOOD,
                f"over {FLOOD_BURST} frames at once or {FLOOD_PER_S:g} a second",
            )
        return self._take(frame)

    def _take(self, frame: ClientFrame) -> list[Action]:
        match frame:
            case Subscribe():
                return self._subscribe(frame)
            case Ack(seq):
                return self._held(seq, "ack")
            case ClientHeartbeat(seq):
                if seq is not None:
                    return self._held(seq, "heartbeat")
                return self._before_subscribe("heartbeat")
            case Receipt():
                return self._before_subscribe("receipt") or [frame]
            case Command():
                return self._before_subscribe("command") or [frame]

    def receive_binary(self) -> list[Action]:
        """Take a binary frame: there are none in this protocol."""
        return self._close(frames.CLOSE_MALFORMED, "binary frame")

    def _subscribe(self, frame: Subscribe) -> list[Action]:
        if self.state is not State.GREETING:
            return self._close(frames.CLOSE_MALFORMED, "second subscribe")
        if frame.areas is not None:
            codes = []
            for name in frame.areas:
                try:
                    code = domain.area_by(name).code
                except KeyError:
                    code = name
                # An area that does not exist and one that is somebody else's look the
                # same from outside.
                if not _AREA.fullmatch(code) or not self._allows_area(code):
                    return self._close(frames.CLOSE_FORBIDDEN, f"area {name[:20]}")
                codes.append(code)
            self.areas = tuple(codes)
        if frame.kinds is not None:
            for kind in frame.kinds:
                # An unknown kind would be silence for ever.
                if kind not in (*ALL_KINDS, *FORECAST_KINDS):
                    reason = f"kind {kind[:40]} is not known"
                    return self._close(frames.CLOSE_MALFORMED, reason)
            self.kinds = frozenset(frame.kinds)
        self.min_rank, self.reports = frame.min_rank, frame.reports
        self.history, self.drills = frame.history, frame.drills
        self.seals = frame.seals
        self.state = State.ANSWERING
        return [Begin(frame.resume)]

    def _held(self, seq: int, kind: str) -> list[Action]:
        """The client says that it keeps everything up to ``seq``."""
        if self.state is State.GREETING:
            return self._before_subscribe(kind)
        if seq > self.claimed:
            return self._close(
                frames.CLOSE_MALFORMED,
                f"{kind} of {seq}, told was up to {self.claimed}",
            )
        self.acked = max(self.acked, seq)
        return []

    def _before_subscribe(self, kind: str) -> list[Action]:
        if self.state is State.GREETING:
            return self._close(frames.CLOSE_MALFORMED, f"{kind} before subscribe")
        return []

    def overdue(self, at_s: float) -> Close | None:
        """Whether the client was silent for too long at ``at_s`` (monotonic) [s]."""
        if self.state is State.CLOSED or at_s - self._heard_s <= self._silence_s:
            return None
        self.state = State.CLOSED
        return Close(frames.CLOSE_SILENT, f"silent for over {self._silence_s:g} s")

    def stood(self, at_s: float) -> None:
        """Nobody read here until ``at_s`` (monotonic) [s]: what the client said
        meanwhile is still to come, so its silence begins now."""
        self._hear(at_s)

    def _hear(self, at_s: float) -> None:
        more = (at_s - self._heard_s) * FLOOD_PER_S
        self._credit = min(float(FLOOD_BURST), self._credit + more)
        self._heard_s = at_s

    def silent_at_s(self) -> float:
        """When the client will count as silent unless it speaks (monotonic) [s]."""
        return self._heard_s + self._silence_s

    def wants(self, area: str, rank: int, kind: str) -> bool:
        """Whether the subscription covers an event; the caller checks the scope."""
        if rank < self.min_rank or (self.kinds is not None and kind not in self.kinds):
            return False
        return self.areas is None or covers(self.areas, area)

    def resumed(self, seq: int) -> str:
        """The frame that accepts the client's position ``seq``."""
        self._answered(seq)
        self.acked = seq
        return frames.resumed(self.epoch, seq)

    def snapshot(self, seq: int, bodies: Sequence[str]) -> str:
        """The frame with all that is open; ``seq`` was taken before it was read."""
        self._answered(seq)
        return frames.snapshot(self.epoch, seq, bodies)

    def _answered(self, seq: int) -> None:
        assert self.state is State.ANSWERING, self.state
        self.state = State.STREAMING
        self.claimed = seq

    def event(self, seq: int, body: str) -> str | None:
        """The frame of one event; None when it was told already."""
        assert self.state is State.STREAMING, self.state
        if seq <= self.claimed:
            return None
        frame = frames.event(self.epoch, self.claimed, seq, body)
        self.claimed = seq
        return frame

    def heartbeat(self, to_seq: int, at_us: int, complete_to_us: int) -> str:
        """The frame that says: all of yours up to ``to_seq`` was told.

        Args:
            to_seq: up to where the caller has looked and passed on what matched.
            at_us: now [µs UTC].
            complete_to_us: when the outbox was last looked at [µs UTC].
        """
        assert self.state is State.STREAMING, self.state
        to_seq = max(to_seq, self.claimed)
        frame = frames.heartbeat(
            self.epoch, self.claimed, to_seq, at_us, complete_to_us
        )
        self.claimed = to_seq
        return frame

    def _close(self, code: int, reason: str) -> list[Action]:
        self.state = State.CLOSED
        return [Close(code, reason)]


def covers(areas: Sequence[str], area: str) -> bool:
    """Whether one of the areas is this one or the prefecture it lies in."""
    return area in areas or area[:4] + "00" in areas
