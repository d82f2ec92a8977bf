"""A paced load: many mines, many points, exact sequence numbers, next to no work.

The readings of a frame are one of a few blocks encoded beforehand; per frame only
``seq`` and ``ts`` are printed between them. So one core can push a nation's frames and
the number measured is the platform's, not the simulator's.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from gasmon import domain
from gasmon.ingest import payloads
from gasmon.units import US_PER_MS
from simulators.fleet import Fleet
from simulators.furnish import limits_for
from simulators.gateway import Message, MineGateway, boot_name
from simulators.link import Broker
from simulators.plan import MinePlan, PointPlan, UnitPlan

_VARIANTS = 16
_PLACE_CLASS = "FACE_T2"
_RING_FRAMES = 120
_STOP_PATIENCE_S = 30.0


@dataclass(frozen=True, slots=True)
class LoadSettings:
    """What to send.

    Attributes:
        mines: number of made-up mines.
        points: methane points per mine.
        cycle_s: time between two frames of a mine [s].
        duration_s: how long frames are made [s].
        connections: shared MQTT connections.
        burst: all mines at once at each cycle, instead of evenly spread.
        alarm_every: each so-many-th frame has its first point over the limit, and the
            mine's next frame has not; 0 for none.
    """

    mines: int = 259
    points: int = 58
    cycle_s: float = 5.0
    duration_s: float = 30.0
    connections: int = 1
    burst: bool = False
    alarm_every: int = 0
    run: int = 0
    patience_s: float = 30.0


class LoadGateway(MineGateway):
    """A gateway that prints frames around encoded blocks of readings."""

    def __init__(
        self, mine: MinePlan, boot: str, ring_frames: int, *, run: int = 0
    ) -> None:
        super().__init__(mine, boot, ring_frames, run=run)
        self._head = b'{"v":1,"boot":"%s","seq":' % boot.encode()

    def ready_frame(self, at_us: int, block: bytes) -> Message:
        """The next frame; ``block`` is the JSON array of its readings."""
        self.seq += 1
        payload = b'%s%d,"ts":%d,"d":%s}' % (
            self._head,
            self.seq,
            at_us // US_PER_MS,
            block,
        )
        self.ring.add(self.seq, payload)
        return Message(self, self.data_topic, None, seq=self.seq)


def load_mines(n_mines: int, n_points: int) -> list[MinePlan]:
    """Made-up mines, dealt over the counties, each with the same methane points."""
    limits = limits_for("CH4", _PLACE_CLASS)
    points = tuple(
        PointPlan(
            no=f"{k // 16 + 1:03d}A{k % 16 + 1:02d}",
            system="01",
            sensor_type="0001",
            kind="MN",
            unit_id="load",
            place=f"压力测试回风巷{k + 1}号",
            place_class=_PLACE_CLASS,
            uom="%",
            range=(0, 4),
            limits=limits,
            relations=(),
            role="still",
            working=-1,
            gain=0.0,
            delay_s=0.0,
            substation=k // 16 + 1,
        )
        for k in range(n_points)
    )
    counties = [area for area in domain.areas() if area.mines > 0]
    return [
        MinePlan(
            code=f"{counties[i % len(counties)].code}{900_000 + i // len(counties)}",
            area=counties[i % len(counties)].code,
            slug=counties[i % len(counties)].slug,
            name=f"压力测试{i + 1}号煤矿",
            kind="low_gas",
            drainage=False,
            atmosphere_kpa=86.0,
            units=(UnitPlan("load", "return", "压力测试"),),
            workings=(),
            points=points,
        )
        for i in range(n_mines)
    ]


def encoded_blocks(mine: MinePlan) -> tuple[list[bytes], bytes]:
    """Blocks of readings far below every limit, and one whose first point is over."""
    rng = np.random.default_rng(1)
    blocks = []
    for _ in range(_VARIANTS):
        value = np.rint(rng.uniform(30, 60, len(mine.points))) / 100
        blocks.append(_block(mine, value.tolist()))
    value[0] = 1.2
    return blocks, _block(mine, value.tolist())


def _block(mine: MinePlan, value: list[float]) -> bytes:
    items: list[payloads.Item] = [
        (point.no, v, 0) for point, v in zip(mine.points, value, strict=True)
    ]
    # Cut out of a whole frame, so that the encoder of the contract wrote it.
    frame = payloads.encode_data("b", 0, 0, items)
    return frame[frame.index(b'"d":') + 4 : -1]


class Load:
    """One load from start to the last acknowledgement."""

    def __init__(
        self, broker: Broker, settings: LoadSettings, say: Callable[[str], None]
    ) -> None:
        """Prepare mines, blocks and links; nothing connects yet."""
        self._settings = settings
        self._say = say
        self._stopping = False
        mines = load_mines(settings.mines, settings.points)
        boot = boot_name(_now_us())
        self._gateways = [
            LoadGateway(mine, boot, _RING_FRAMES, run=settings.run) for mine in mines
        ]
        self._blocks, self._alarm_block = encoded_blocks(mines[0])
        self.fleet = Fleet(
            self._gateways,
            broker,
            _now_us,
            connections=settings.connections,
            client_prefix="load",
            on_ack=self._on_ack,
        )
        self._begin_s = 0.0
        self._spacing_s = settings.cycle_s / settings.mines
        self._index = {g.mine.code: i for i, g in enumerate(self._gateways)}
        self._late_s: list[float] = []
        self._acked_after_s: list[float] = []
        self._blocked_s = 0.0

    def stop(self) -> None:
        """Ask the load to end; safe in a signal handler."""
        self._stopping = True

    def run_paced(self) -> dict[str, object]:
        """Send for the set time, flush, and report.

        Raises:
            DependencyError: the broker cannot be reached.
        """
        settings, fleet = self._settings, self.fleet
        fleet.start(settings.patience_s, lambda: self._stopping)
        # Definitions first, so that the load itself is frames alone.
        fleet.wait_until(
            lambda: (
                self._stopping
                or all(link.connected and link.idle for link in fleet.links)
            ),
            time.monotonic() + settings.patience_s,
        )
        self._say(f"{settings.mines} mines defined, sending")
        self._begin_s = time.monotonic()
        sent = self._send()
        sent_in_s = time.monotonic() - self._begin_s
        flushed = fleet.wait_until(
            lambda: fleet.n_open_frames == 0, time.monotonic() + _STOP_PATIENCE_S
        )
        acked_in_s = time.monotonic() - self._begin_s
        flushed = fleet.stop(_STOP_PATIENCE_S) and flushed
        acked = len(self._acked_after_s)
        return {
            "mines": settings.mines,
            "points": settings.points,
            "cycle_s": settings.cycle_s,
            "connections": len(fleet.links),
            "boot": self._gateways[0].boot,
            "frames": sent,
            "acknowledged": acked,
            "dropped": fleet.n_dropped,
            "readings": sent * settings.points,
            "target_frames_per_s": round(settings.mines / settings.cycle_s, 3),
            "sent_frames_per_s": round(sent / max(sent_in_s, 1e-9), 3),
            "acked_frames_per_s": round(acked / acked_in_s, 3),
            "acked_readings_per_s": round(acked * settings.points / acked_in_s, 1),
            "late_ms": _spread_ms(self._late_s),
            "acked_after_ms": _spread_ms(self._acked_after_s),
            "blocked_s": round(self._blocked_s, 3),
            "losses": fleet.tally.losses,
            "flushed": flushed,
        }

    def _due_s(self, turn: int) -> float:
        """When the turn-th frame of all mines together is due [monotonic s]."""
        settings = self._settings
        if settings.burst:
            return self._begin_s + turn // settings.mines * settings.cycle_s
        return self._begin_s + turn * self._spacing_s

    def _send(self) -> int:
        settings, fleet = self._settings, self.fleet
        n = settings.mines
        end_s = self._begin_s + settings.duration_s
        turn = 0
        last_s = self._begin_s
        blocked = False
        while not self._stopping:
            now_s = time.monotonic()
            if blocked:
                self._blocked_s += now_s - last_s
            last_s = now_s
            due_s = self._due_s(turn)
            if due_s >= end_s:
                break
            at_us = _now_us()
            # A bounded bite, so that a late start still reads acknowledgements.
            for _ in range(n):
                if due_s > now_s or due_s >= end_s:
                    break
                gateway = self._gateways[turn % n]
                block = self._blocks[(turn + turn // n) % _VARIANTS]
                if settings.alarm_every and turn % settings.alarm_every == 0:
                    block = self._alarm_block
                message = gateway.ready_frame(at_us, block)
                fleet.link_of[gateway.mine.code].send(message)
                self._late_s.append(now_s - due_s)
                turn += 1
                due_s = self._due_s(turn)
            fleet.turn(min(due_s - time.monotonic(), 0.05))
            blocked = any(link.blocked for link in fleet.links)
        return turn

    def _on_ack(self, message: Message) -> None:
        if message.seq is not None:
            turn = (message.seq - 1) * self._settings.mines
            turn += self._index[message.gateway.mine.code]
            self._acked_after_s.append(time.monotonic() - self._due_s(turn))


def _spread_ms(values_s: list[float]) -> dict[str, float]:
    if not values_s:
        return {}
    at = np.percentile(np.array(values_s) * 1000, [50, 99, 100])
    return {
        name: round(float(v), 3)
        for name, v in zip(("p50", "p99", "max"), at, strict=True)
    }


def _now_us() -> int:
    return time.time_ns() // 1000
