"""The mines' gateways: they publish, keep, send again, and know what was acknowledged.

One thread drives all connections, as the simulator's fleet does, with the simulator's
gateway and link. On top of those: a ring that outlives a restart of its gateway, a
clock of its own for each mine, and a book of every frame ever made.
"""

from __future__ import annotations

import random
import socket
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from selectors import EVENT_READ, EVENT_WRITE, DefaultSelector

from gasmon.ingest import payloads
from gasmon.units import US_PER_MS, US_PER_S
from simulators.gateway import Message, MineGateway, boot_name
from simulators.link import Broker, Link, Tally
from simulators.plan import MinePlan
from tests.faults.script import SHAPES, Sample, series

RING_FRAMES = 100_000
WINDOW = 20
RETRY_S = 0.7
TURN_S = 0.02
MISC_S = 0.5


@dataclass
class Frame:
    """One frame as it was made.

    Attributes:
        true_us: when it was made, by a clock that is right [µs UTC].
        sent_ms: when its gateway says it was made [ms UTC].
        acked: the broker has acknowledged it.
    """

    mine: str
    boot: str
    seq: int
    true_us: int
    sent_ms: int
    samples: tuple[tuple[str, Sample], ...]
    acked: bool = False

    @property
    def key(self) -> tuple[str, str, int]:
        """What makes it the same frame when it comes again."""
        return self.mine, self.boot, self.seq


class KeepingGateway(MineGateway):
    """A gateway whose ring is on its disk: it also has the frames of earlier starts."""

    earlier: dict[str, MineGateway]

    def answer(self, payload: bytes, now_us: int) -> tuple[list[Message], list[int]]:
        """Answer for the present start and for the earlier ones."""
        try:
            request = payloads.parse_cmd_req(payload)
        except payloads.PayloadError:
            return [], []
        old = self.earlier.get(request.boot) if request.cmd == "resend" else None
        if old is None:
            return super().answer(payload, now_us)
        answers, again = old.answer(payload, now_us)
        # A link sends a frame of the ring by its number, and that is the present one's.
        frames = [
            Message(self, self.backfill_topic, old.ring.get(seq)) for seq in again
        ]
        return [*answers, *frames], []


@dataclass
class Station:
    """A mine's gateway over all its starts.

    Attributes:
        clock_off_us: what its clock is wrong by now.
        stepped: its clock was wrong at some time, so its judged times are not its own.
        lost_us: when its connection was lost [µs UTC].
    """

    plan: MinePlan
    series: dict[str, Iterator[Sample]]
    gateway: KeepingGateway
    link: Link
    clock_off_us: int = 0
    stepped: bool = False
    frames: list[Frame] = field(default_factory=list)
    lost_us: list[int] = field(default_factory=list)
    was_connected: bool = False

    def now_us(self) -> int:
        """The time on its own clock [µs UTC]."""
        return time.time_ns() // 1000 + self.clock_off_us


class Gateways:
    """All stations and the thread that drives them.

    Attributes:
        stations: by mine code.
        acked: how often the broker acknowledged a frame, first times only.
    """

    def __init__(
        self,
        mines: Sequence[MinePlan],
        seed: int,
        ports: Sequence[int],
        cycle_s: float,
    ) -> None:
        """Prepare; ``start`` connects.

        Args:
            ports: where the broker is; the mines take them in turn.
            cycle_s: a frame of each mine this often [s].
        """
        self._selector = DefaultSelector()
        self._cycle_s = cycle_s
        self._orders: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self._stop = threading.Event()
        self._making = threading.Event()
        self._tally = Tally()
        self._boots = 0
        self._frames: dict[tuple[str, str, int], Frame] = {}
        self.failure: BaseException | None = None
        self.stations: dict[str, Station] = {}
        self._ports: dict[str, int] = {}
        for i, mine in enumerate(mines):
            self._ports[mine.code] = ports[i % len(ports)]
            gateway = self._new_gateway(mine, {})
            scripts = {s.no: series(seed, mine.code, s) for s in SHAPES}
            station = Station(mine, scripts, gateway, None)  # type: ignore[arg-type]
            station.link = self._new_link(station)
            self.stations[mine.code] = station
        self._thread = threading.Thread(target=self._guarded, daemon=True)

    def _new_gateway(
        self, mine: MinePlan, earlier: dict[str, MineGateway]
    ) -> KeepingGateway:
        self._boots += 1
        boot = boot_name(time.time_ns() // 1000 + self._boots)
        gateway = KeepingGateway(mine, boot, RING_FRAMES)
        gateway.earlier = earlier
        return gateway

    def _new_link(self, station: Station) -> Link:
        return Link(
            f"gateway-{station.plan.code}",
            [station.gateway],
            Broker("127.0.0.1", self._ports[station.plan.code]),
            self._selector,
            station.now_us,
            self._tally,
            shared=False,
            window=WINDOW,
            on_ack=self._acked,
        )

    def _acked(self, message: Message) -> None:
        key = message.gateway.mine.code, message.gateway.boot, message.seq
        self._frames[key].acked = True  # type: ignore[index]

    # From other threads

    def start(self) -> None:
        """Connect and begin to publish."""
        self._making.set()
        self._thread.start()

    def stop(self) -> None:
        """End the thread; connections die as those of a killed program."""
        self._stop.set()
        self._thread.join(10.0)

    def pause(self) -> None:
        """Make no more frames; what waits still goes out."""
        self._making.clear()

    def resume(self) -> None:
        """Make frames again."""
        self._making.set()

    def order(self, do: Callable[[], None]) -> None:
        """Have something done between two turns of the loop."""
        self._orders.put(do)

    @property
    def n_connected(self) -> int:
        """Stations that the broker has let in."""
        return sum(s.link.connected for s in self.stations.values())

    @property
    def n_open(self) -> int:
        """Frames that the broker has not acknowledged, and messages that wait."""
        frames = sum(not f.acked for s in self.stations.values() for f in s.frames)
        return frames + sum(not s.link.idle for s in self.stations.values())

    def frames(self) -> list[Frame]:
        """Every frame ever made."""
        return [f for s in self.stations.values() for f in s.frames]

    # Faults, to be ordered

    def cut(self, code: str) -> None:
        """The station's connection breaks."""
        _break(self.stations[code].link)

    def restart(self, code: str) -> None:
        """The gateway is started anew, under a new boot name.

        What the broker had not acknowledged lies on its disk and is sent first.
        """
        station = self.stations[code]
        old = station.link
        old.end()
        earlier = {**station.gateway.earlier, station.gateway.boot: station.gateway}
        station.gateway = self._new_gateway(station.plan, earlier)
        station.link = self._new_link(station)
        for message in [*old._data, *old._backfill]:
            station.link.send(message)

    def repeat(self, code: str, n: int) -> None:
        """The gateway sends its last frames again, though they were acknowledged."""
        station = self.stations[code]
        for frame in station.frames[-n:]:
            gateway = station.gateway
            if frame.boot != gateway.boot:
                gateway = station.gateway.earlier[frame.boot]  # type: ignore[assignment]
            message = Message(gateway, gateway.data_topic, None, seq=frame.seq)
            station.link.send(message)

    def set_clock(self, code: str, off_us: int) -> None:
        """Set the station's clock wrong by so much."""
        station = self.stations[code]
        station.clock_off_us = off_us
        station.stepped |= off_us != 0

    def shout(self, code: str, rng: random.Random, n: int) -> None:
        """Garbage in the mine's name."""
        station = self.stations[code]
        for _ in range(n):
            topic, payload = garbage(rng, station)
            station.link.send(Message(station.gateway, topic, payload))

    # The loop

    def _guarded(self) -> None:
        try:
            self._run()
        except BaseException as error:
            self.failure = error
            raise

    def _run(self) -> None:
        made_s = misc_s = time.monotonic()
        while not self._stop.is_set():
            self._obey()
            now_s = time.monotonic()
            if now_s - made_s >= self._cycle_s:
                made_s = max(made_s + self._cycle_s, now_s - self._cycle_s)
                if self._making.is_set():
                    self._make()
            if now_s - misc_s >= MISC_S:
                misc_s = now_s
                for station in self.stations.values():
                    station.link.misc()
                    station.link.refill()
            for station in self.stations.values():
                self._tend(station, now_s)
            for key, events in self._selector.select(TURN_S):
                if events & EVENT_READ:
                    key.data.read()
                if events & EVENT_WRITE:
                    key.data.write()
        for station in self.stations.values():
            station.link.end()
        self._selector.close()

    def _obey(self) -> None:
        while True:
            try:
                self._orders.get_nowait()()
            except Empty:
                return

    def _make(self) -> None:
        for station in self.stations.values():
            self._make_one(station)

    def _make_one(self, station: Station) -> None:
        true_us = time.time_ns() // 1000 // US_PER_MS * US_PER_MS
        sent_us = true_us + station.clock_off_us
        samples = tuple((no, next(s)) for no, s in station.series.items())
        values = [float("nan") if v is None else v for _, (v, _) in samples]
        message = station.gateway.frame(sent_us, values, [s for _, (_, s) in samples])
        frame = Frame(
            station.plan.code,
            station.gateway.boot,
            station.gateway.seq,
            true_us,
            sent_us // US_PER_MS,
            samples,
        )
        self._frames[frame.key] = frame
        station.frames.append(frame)
        station.link.send(message)

    def _tend(self, station: Station, now_s: float) -> None:
        link = station.link
        if station.was_connected and not link.connected:
            station.lost_us.append(time.time_ns() // 1000)
        station.was_connected = link.connected
        if not link.opening and now_s - link.closed_at_s >= RETRY_S:
            try:
                link.connect()
            except OSError:
                link.closed_at_s = now_s
        link.pump()


def _break(link: Link) -> None:
    """Close a connection as a broken line does; the link notices when it reads."""
    sock = None if link._client is None else link._client.socket()
    if isinstance(sock, socket.socket):
        try:
            sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass


def garbage(rng: random.Random, station: Station) -> tuple[str, bytes]:
    """A packet that must be refused and must not disturb anything."""
    gateway = station.gateway
    good = payloads.encode_data("other", 1, 1_790_000_000_000, [])
    bad: Sequence[tuple[str, bytes]] = (
        (gateway.data_topic, b"\xff\xfe\x00garbage"),
        (gateway.data_topic, b'{"v":1,"boot":'),
        (gateway.data_topic, b"[]"),
        (gateway.data_topic, good[: len(good) // 2]),
        (gateway.data_topic, b'{"v":9,"boot":"x","seq":1,"ts":1,"d":[]}'),
        (gateway.data_topic, b'{"v":1,"boot":"x","seq":"one","ts":1,"d":[]}'),
        (gateway.data_topic, b'{"v":1,"boot":"x","seq":1,"ts":1,"d":{}}'),
        (gateway.data_topic, bytes(rng.randrange(256) for _ in range(600))),
        (gateway.state_topic, b'{"v":1,"s":"perhaps","boot":"x","ts":1}'),
        (gateway.points_topic, b'{"v":1,"rev":-1,"ts":1,"points":[]}'),
    )
    return rng.choice(bad)


def by_mine(frames: Sequence[Frame]) -> dict[str, list[Frame]]:
    """Frames of each mine, in the order in which they were made."""
    out: dict[str, list[Frame]] = defaultdict(list)
    for frame in frames:
        out[frame.mine].append(frame)
    return out


def seconds(us: int) -> str:
    """A moment for people: seconds of the day, enough to find it in a log."""
    return f"{us / US_PER_S % 86_400:.3f}"
