"""Whether a server is heard, and whether what it knows moves on. Pure.

A server that beats and says "complete to 10:46:20" for ever is as silent as one that
says nothing: its database is away, or it follows another node and is cut off from it.
"""

from gasmon.remote.client_session import DEFAULT_HEARTBEAT_S

SILENCE_HEARTBEATS = 3
"""Heartbeats that may be missing before the line counts as silent."""

STILL_HEARTBEATS = 6
"""Heartbeats that may pass without ``complete_to`` moving (ours): a hiccup of the
server's database is no silence, and with nodes in a row each hop adds a heartbeat."""

STOOD_S = 1.0
"""Who wakes so much later than he meant to was stopped, or his machine was [s]; what
was said meanwhile is still to be read."""


class Listening:
    """What a receiver heard last.

    Attributes:
        heartbeat_s: interval that the server keeps [s].
        complete_to: as the server said last; empty: it never did.
    """

    def __init__(self, at_s: float) -> None:
        """Begin to listen at a monotonic time [s]."""
        self.heartbeat_s = DEFAULT_HEARTBEAT_S
        self.complete_to = ""
        self._heard_s = self._moved_s = at_s

    def heard(self, complete_to: str, at_s: float) -> None:
        """Something came.

        Args:
            complete_to: the newest that the line said; empty before a heartbeat.
            at_s: monotonic time [s].
        """
        self._heard_s = at_s
        if complete_to and complete_to != self.complete_to:
            self.complete_to, self._moved_s = complete_to, at_s

    def stood(self, for_s: float) -> None:
        """Nobody listened here for so long [s]: the line was not silent for that."""
        self._heard_s += for_s
        self._moved_s += for_s

    def due_s(self) -> float:
        """When something will be missing, unless it comes (monotonic) [s]."""
        silent_s = self._heard_s + SILENCE_HEARTBEATS * self.heartbeat_s
        if not self.complete_to:
            return silent_s
        return min(silent_s, self._moved_s + STILL_HEARTBEATS * self.heartbeat_s)

    def silent_s(self, at_s: float) -> float:
        """For how long nothing came, or nothing moved, whichever is longer [s]."""
        return at_s - min(self._heard_s, self._moved_s)

    def problem(self, at_s: float) -> str | None:
        """``silence``, ``stands_still``, or None while all is well."""
        if at_s < self.due_s():
            return None
        is_heard = at_s < self._heard_s + SILENCE_HEARTBEATS * self.heartbeat_s
        return "stands_still" if is_heard else "silence"
