"""Whether another process goes on in our place while we cannot see the database (pure).

An owner that is cut off from the database alone goes on, for nobody can take its areas
while the database is away; but it may be away only from us. Then a successor takes our
session at the broker, and the two throw each other out for ever. It says ``online`` on
``gasmon/v1/state``, where we hear it. Either sign alone has other reasons (a broken
line; another process beside us), so both must be there.
"""

from collections.abc import Sequence

from gasmon.batch import Packet
from gasmon.ingest.payloads import PayloadError, parse_state
from gasmon.ingest.topics import platform_state_topic

TOPIC = platform_state_topic()
FILTER = (TOPIC, 0)
"""Without quality of service: nothing of it is judged, so nothing is acknowledged."""


class Rivals:
    """What was heard on the platform's topic.

    Attributes:
        heard: a process that was not there before says that it is online.
    """

    def __init__(self, boot: str) -> None:
        """Nobody yet; ``boot`` names our own start."""
        self._boot = boot
        self._is_known = False
        self._others: set[str] = set()
        self._n_contested: int | None = None
        self.heard = False

    def is_there(self, away: bool, n_contested: int) -> bool:
        """Whether somebody took our place since the database went away.

        Args:
            away: the database does not answer us.
            n_contested: how often our session was thrown out, in all.
        """
        if not away:
            self._n_contested, self.heard = None, False
            return False
        if self._n_contested is None:
            self._n_contested, self.heard = n_contested, False
        return self.heard and n_contested > self._n_contested

    def sift(self, packets: Sequence[Packet]) -> list[Packet]:
        """Take out what is on the platform's topic; the others are for judging."""
        others = [packet for packet in packets if packet.topic != TOPIC]
        if len(others) < len(packets):
            for packet in packets:
                if packet.topic == TOPIC:
                    self._hear(packet.payload)
        return others

    def _hear(self, payload: bytes) -> None:
        try:
            state = parse_state(payload)
        except PayloadError:
            return
        if state.boot == self._boot:
            # What is kept from before our own word is of a former process.
            self._is_known = True
        elif state.s == "online" and state.boot not in self._others:
            # One that was there before the database went away lives beside us.
            self._others.add(state.boot)
            self.heard = self._is_known
