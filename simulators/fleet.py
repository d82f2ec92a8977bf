"""All connections of a city, driven by one selector in one thread.

While the broker is away one link at a time knocks, with a growing pause; when it is
let in, the others follow a few at a time, so a broker that restarts is not flooded.
"""

import time
from collections.abc import Callable, Sequence
from selectors import EVENT_READ, EVENT_WRITE, DefaultSelector

from gasmon.errors import DependencyError
from simulators.gateway import Message, MineGateway
from simulators.link import Broker, Link, Tally

_FIRST_PAUSE_S = 0.25
_LONGEST_PAUSE_S = 5.0
_LINK_PAUSE_S = 1.0
_CONNECTS_PER_TURN = 16
_MISC_S = 0.5

# In flight per mine: as many as Mosquitto's own default for a client. A shared link
# carries a city, so it may have one frame of each of 500 mines on the way.
WINDOW_PER_MINE = 20
WINDOW_SHARED = 500


class Fleet:
    """The links of a city and their select loop.

    Attributes:
        links: every connection.
        tally: what happened on them together.
        link_of: the connection of each mine, by mine code.
    """

    def __init__(
        self,
        gateways: Sequence[MineGateway],
        broker: Broker,
        clock: Callable[[], int],
        *,
        connections: int | None = None,
        client_prefix: str = "gateway",
        on_ack: Callable[[Message], None] | None = None,
    ) -> None:
        """Prepare all links; ``turn`` opens them.

        Args:
            clock: the gateways' time [µs UTC].
            connections: None for one per mine (with last wills), else how many
                shared connections carry all mines.
            client_prefix: start of the MQTT client ids; a mine's id is fixed.
            on_ack: told of each frame that the broker acknowledged.
        """
        self._selector = DefaultSelector()
        self._broker = broker
        self.tally = Tally()
        self.links: list[Link] = []
        if connections is None:
            shares = [(f"{client_prefix}-{g.mine.code}", [g]) for g in gateways]
        else:
            n = min(connections, len(gateways))
            boot = gateways[0].boot
            shares = [
                (f"{client_prefix}-{boot}-{i}", list(gateways[i::n])) for i in range(n)
            ]
        window = WINDOW_PER_MINE if connections is None else WINDOW_SHARED
        for client_id, members in shares:
            link = Link(
                client_id,
                members,
                broker,
                self._selector,
                clock,
                self.tally,
                shared=connections is not None,
                window=window,
                on_ack=on_ack,
            )
            self.links.append(link)
        self.link_of = {g.mine.code: link for link in self.links for g in link.gateways}
        self._pause_s = _FIRST_PAUSE_S
        self._knock_at_s = 0.0
        self._misc_at_s = 0.0
        self.last_error = ""

    @property
    def n_connected(self) -> int:
        """Connections that the broker has accepted."""
        return sum(link.connected for link in self.links)

    @property
    def n_open_frames(self) -> int:
        """Frames made and not acknowledged, over all mines."""
        return sum(g.ring.n_open for link in self.links for g in link.gateways)

    @property
    def n_dropped(self) -> int:
        """Frames that left a ring before they were acknowledged."""
        return sum(g.ring.dropped for link in self.links for g in link.gateways)

    def turn(self, timeout_s: float) -> None:
        """One turn of the loop: connect, publish, wait for the network at most so
        long, read and write what is ready."""
        now_s = time.monotonic()
        self._open_links(now_s)
        if now_s >= self._misc_at_s:
            self._misc_at_s = now_s + _MISC_S
            for link in self.links:
                link.misc()
                link.refill()
        for link in self.links:
            link.pump()
        for key, events in self._selector.select(max(0.0, timeout_s)):
            link = key.data
            if events & EVENT_READ:
                link.read()
            if events & EVENT_WRITE:
                link.write()

    def wait_until(
        self, condition: Callable[[], bool], deadline_s: float, turn_s: float = 0.05
    ) -> bool:
        """Turn until something is true.

        Args:
            deadline_s: give up at this reading of the monotonic clock.

        Returns:
            Whether it became true.
        """
        while not condition():
            if time.monotonic() >= deadline_s:
                return False
            self.turn(turn_s)
        return True

    def start(
        self, patience_s: float, given_up: Callable[[], bool] = lambda: False
    ) -> None:
        """Wait for the first connection; the others may still follow.

        Args:
            given_up: asked all the time; true ends the waiting without an error.

        Raises:
            DependencyError: nobody answers in time, or the broker refuses the login.
        """
        self.wait_until(
            lambda: self.n_connected > 0 or bool(self.tally.refusal) or given_up(),
            time.monotonic() + patience_s,
        )
        if self.n_connected == 0 and not given_up():
            why = self.tally.refusal or self.last_error or "no answer"
            where = f"{self._broker.host}:{self._broker.port}"
            raise DependencyError(f"MQTT broker {where}: {why}")

    def stop(self, patience_s: float) -> bool:
        """Say offline for every mine, flush everything, close.

        Returns:
            Whether the broker acknowledged all of it.
        """
        for link in self.links:
            link.leave()
        flushed = self.wait_until(
            lambda: all(link.idle for link in self.links),
            time.monotonic() + patience_s,
        )
        for link in self.links:
            link.close()
        self.wait_until(
            lambda: not any(link.connected for link in self.links),
            time.monotonic() + 1.0,
            0.02,
        )
        for link in self.links:
            link.end()
        self._selector.close()
        return flushed

    def _open_links(self, now_s: float) -> None:
        inside = any(link.connected for link in self.links)
        if inside:
            self._pause_s = _FIRST_PAUSE_S
            # A link that was thrown out waits, so that two simulators of one mine do
            # not take its client id from each other as fast as they can.
            latest_s = now_s - _LINK_PAUSE_S
            able = [
                link
                for link in self.links
                if not (link.opening or link.is_cut) and link.closed_at_s <= latest_s
            ]
            able = able[:_CONNECTS_PER_TURN]
        elif now_s < self._knock_at_s or any(link.opening for link in self.links):
            return
        else:
            # Nobody inside: send one ahead instead of all against a shut door.
            able = [link for link in self.links if not link.is_cut][:1]
            self._knock_at_s = now_s + self._pause_s
            self._pause_s = min(self._pause_s * 2, _LONGEST_PAUSE_S)
        for link in able:
            try:
                link.connect()
            except OSError as error:
                self.last_error = str(error)
                return
