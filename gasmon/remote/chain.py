"""The client's half of the claims: each must begin where the one before ended. Pure.

Every event and every heartbeat says "all of yours in (from, to]". As long as each
``from`` is the ``to`` before it, nothing can be missing, however the stream is
filtered. Anything else is a hole: the client closes and resumes from what it holds.
"""

from dataclasses import dataclass

from gasmon.remote.parsing import (
    Event,
    Heartbeat,
    Malformed,
    Resumed,
    ServerFrame,
    Snapshot,
)


class Hole(Malformed):
    """A claim that does not follow the one before; names both numbers."""


@dataclass(slots=True)
class Chain:
    """Where a client is in the stream.

    Attributes:
        epoch: of the server's database; empty before the first answer.
        position: everything of ours up to this number was told to us.
        n_claims: claims that followed each other since the last answer.
    """

    epoch: str = ""
    position: int = 0
    n_claims: int = 0

    def take(self, frame: ServerFrame) -> None:
        """Follow one frame; frames without a position change nothing.

        Raises:
            Hole: its claim does not begin where we are.
            Malformed: a server that goes backwards or answers another position.
        """
        match frame:
            case Snapshot(epoch=epoch, seq=seq):
                self.epoch, self.position, self.n_claims = epoch, seq, 0
            case Resumed(epoch=epoch, seq=seq):
                if (epoch, seq) != (self.epoch, self.position):
                    raise Malformed(
                        f"resumed at {seq} of {epoch}, asked was {self.position} of "
                        f"{self.epoch}"
                    )
                self.n_claims = 0
            case Event() | Heartbeat():
                self._follow(frame)
            case _:
                pass

    def _follow(self, frame: Event | Heartbeat) -> None:
        if frame.epoch != self.epoch:
            raise Hole(f"epoch {frame.epoch}, ours is {self.epoch or 'none yet'}")
        if frame.from_seq != self.position:
            raise Hole(f"claim from {frame.from_seq}, we are at {self.position}")
        if frame.to_seq < frame.from_seq:
            raise Malformed(f"claim from {frame.from_seq} back to {frame.to_seq}")
        if isinstance(frame, Event) and frame.seq != frame.to_seq:
            raise Malformed(f"event {frame.seq} claims up to {frame.to_seq}")
        self.position = frame.to_seq
        self.n_claims += 1
