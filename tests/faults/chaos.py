"""Faults: what can be broken, and a schedule of breaking it, drawn from a seed.

Each fault has a kind, a target and a duration. Two faults never hold the same target
at once; everything else may overlap, and does.
"""

from __future__ import annotations

import random
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field

import psutil

from gasmon.errors import DependencyError
from gasmon.units import US_PER_S
from tests.faults.gateways import Gateways
from tests.faults.stack import Stack

SERVICES = ("ingest", "api", "duty", "receive-city", "receive-zhenxiong")
LINES = ("database", "ingest", "gateways-a", "gateways-b", "api")
CLOCKS = {
    "clock_ahead": 300 * US_PER_S,
    "clock_behind": -3600 * US_PER_S,
    "clock_2000": 0,
}
YEAR_2000_US = 946_684_800 * US_PER_S


@dataclass(frozen=True)
class Fault:
    """One thing to break.

    Attributes:
        at_s: when, after the begin of the round [s].
        lasts_s: how long; 0 for what has no end of its own [s].
    """

    at_s: float
    kind: str
    target: str
    lasts_s: float


@dataclass
class Happened:
    """A fault that was inflicted; ``end_us`` when it was healed [µs UTC]."""

    fault: Fault
    begin_us: int
    end_us: int = 0
    note: str = ""

    @property
    def takes_database(self) -> bool:
        """Ingest has no database meanwhile."""
        fault = self.fault
        return fault.target in ("postgres", "database") or fault.kind == "disk_full"

    @property
    def breaks_way(self) -> bool:
        """The way from a mine to its relay is broken, or its times are unknown."""
        fault = self.fault
        ways = ("ingest", "broker", "gateways-a", "gateways-b")
        of_mine = ("gateway", "clock", "whole_ring")
        return fault.target in ways or fault.kind.startswith(of_mine)


KINDS: dict[str, tuple[tuple[str, ...], tuple[float, float], int]] = {
    "kill": ((*SERVICES, "broker", "postgres"), (0.2, 5.0), 6),
    "restart": (("ingest", "api", "duty"), (0.0, 2.0), 2),
    "stall": ((*SERVICES, "broker", "postgres"), (1.0, 9.0), 3),
    "line_cut": (LINES, (0.0, 0.0), 3),
    "line_refuse": (LINES, (1.0, 8.0), 2),
    "line_stall": (LINES, (1.0, 9.0), 2),
    "line_half": (LINES, (1.0, 9.0), 2),
    "gateway_cut": (("mine",), (0.0, 0.0), 2),
    "gateway_restart": (("mine",), (0.0, 0.0), 2),
    "repeat": (("mine",), (0.0, 0.0), 2),
    "whole_ring": (("mine",), (0.0, 0.0), 1),
    "garbage": (("mine",), (0.0, 0.0), 2),
    "clock_ahead": (("clock",), (4.0, 12.0), 1),
    "clock_behind": (("clock",), (4.0, 12.0), 1),
    "clock_2000": (("clock",), (4.0, 12.0), 1),
    "disk_full": (("spool",), (4.0, 10.0), 1),
}
"""Kind → targets, span of durations [s], weight."""

AWAY = (
    "kill:postgres", "stall:postgres", "line_cut:database", "line_refuse:database",
    "line_stall:database", "line_half:database", "kill:api", "restart:api",
    "kill:duty", "stall:api", "line_cut:api", "line_half:api", "kill:receive-city",
    "repeat", "garbage",
)  # fmt: skip
"""Faults that leave the way from a mine to its relay whole."""

NEEDS = {
    "disk_full": ("line:database", "clock"),
    "clock_ahead": ("clock",),
    "clock_behind": ("clock",),
    "clock_2000": ("clock",),
}
"""What else a kind holds besides its target. A frame with a wrong time whose judged
time is lost with its readings would leave the truth unknown."""


def chosen(text: str | None) -> tuple[str, ...]:
    """Kinds from a flag: ``kill,stall:broker``; none means all.

    Raises:
        ValueError: names what does not exist.
    """
    if not text:
        return tuple(KINDS)
    for each in text.split(","):
        kind, _, target = each.partition(":")
        if kind not in KINDS or (target and target not in KINDS[kind][0]):
            raise ValueError(f"no such fault: {each}")
    return tuple(text.split(","))


def schedule(
    rng: random.Random,
    length_s: float,
    mines: Sequence[str],
    kinds: Sequence[str],
    mean_gap_s: float,
) -> list[Fault]:
    """Faults of one round.

    Args:
        mines: mine codes; the last two are those whose clocks may be set wrong.
        kinds: which to use: ``kill``, or ``kill:ingest`` alone.
        mean_gap_s: mean time from one fault to the next [s].
    """
    held: dict[str, float] = {}
    faults = []
    at_s = 1.0
    weights = [KINDS[each.partition(":")[0]][2] for each in kinds]
    while at_s < length_s:
        kind, _, target = rng.choices(kinds, weights)[0].partition(":")
        targets, span, _ = KINDS[kind]
        target = target or rng.choice(targets)
        if target == "mine":
            target = rng.choice(mines)
        elif target == "clock":
            target = rng.choice(mines[-2:])
        lasts_s = min(rng.uniform(*span), max(0.5, length_s - at_s))
        holds = held_by(kind, target)
        if all(held.get(each, 0.0) <= at_s for each in holds):
            for each in holds:
                held[each] = at_s + lasts_s + 0.5
            faults.append(Fault(at_s, kind, target, lasts_s))
        at_s += rng.expovariate(1.0 / mean_gap_s)
    return faults


def held_by(kind: str, target: str) -> list[str]:
    """What a fault holds, so that no other one breaks it meanwhile; sorted."""
    own = target
    if kind.startswith("line"):
        own = f"line:{target}"
    elif kind.startswith("clock"):
        own = f"clock:{target}"
    return sorted({own, *NEEDS.get(kind, ())})


@dataclass
class Chaos:
    """Inflicts faults on a stack and its gateways.

    Attributes:
        happened: what was inflicted, in order.
        n_garbage: garbage packets sent, by mine.
    """

    stack: Stack
    gateways: Gateways
    rng: random.Random
    say: Callable[[str], None]
    happened: list[Happened] = field(default_factory=list)
    n_garbage: dict[str, int] = field(default_factory=dict)
    failure: BaseException | None = None
    locks: dict[str, threading.Lock] = field(
        default_factory=lambda: defaultdict(threading.Lock)
    )

    def run(self, faults: Sequence[Fault], length_s: float) -> None:
        """Inflict them at their times; returns when all are healed."""
        begin_s = time.monotonic()
        pause = threading.Event()
        threads = []
        for fault in faults:
            pause.wait(max(0.0, begin_s + fault.at_s - time.monotonic()))
            thread = threading.Thread(target=self._inflict, args=(fault,), daemon=True)
            thread.start()
            threads.append(thread)
        pause.wait(max(0.0, begin_s + length_s - time.monotonic()))
        for thread in threads:
            thread.join(120.0)
        if self.failure is not None:
            raise self.failure

    def _inflict(self, fault: Fault) -> None:
        """One fault; waits when a target takes longer to come back than planned."""
        with ExitStack() as held:
            for each in held_by(fault.kind, fault.target):
                held.enter_context(self.locks[each])
            self._inflict_now(fault)

    def _inflict_now(self, fault: Fault) -> None:
        record = Happened(fault, time.time_ns() // 1000)
        self.happened.append(record)
        self.say(f"{fault.kind} {fault.target} {fault.lasts_s:.1f} s")
        try:
            heal = self._break(fault, record)
            threading.Event().wait(fault.lasts_s)
            if heal is not None:
                heal()
        except BaseException as error:
            self.failure = error
        record.end_us = time.time_ns() // 1000

    def _break(self, fault: Fault, record: Happened) -> Callable[[], None] | None:
        kind, target = fault.kind, fault.target
        if kind == "kill":
            return self._kill(target)
        if kind == "restart":
            service = self.stack.service(target)
            assert service is not None
            service.end()
            return service.start
        if kind == "stall":
            return self._stall(target)
        if kind.startswith("line"):
            return self._line(kind, target, record)
        if kind.startswith("clock"):
            return self._clock(kind, target)
        if kind == "disk_full":
            return self._disk_full()
        self._gateway(kind, target, record)
        return None

    def _kill(self, target: str) -> Callable[[], None]:
        service = self.stack.service(target)
        if service is not None:
            service.kill()
            return service.start
        server = self.stack.postgres if target == "postgres" else self.stack.broker
        server.kill()
        return lambda: _start_patiently(server.start)

    def _stall(self, target: str) -> Callable[[], None]:
        service = self.stack.service(target)
        if service is not None:
            service.stall()
            return service.go_on
        processes = self.stack.servers(target)
        _signal(processes, "suspend")
        return lambda: _signal(processes, "resume")

    def _line(
        self, kind: str, target: str, record: Happened
    ) -> Callable[[], None] | None:
        line = self.stack.lines[target]
        if kind == "line_cut":
            line.cut()
            return None
        if kind == "line_refuse":
            line.refuse()
        elif kind == "line_stall":
            line.stall()
        else:
            record.note = self.rng.choice(("up", "down"))
            line.stall(record.note)
        return line.heal

    def _clock(self, kind: str, mine: str) -> Callable[[], None]:
        off_us = CLOCKS[kind]
        if kind == "clock_2000":
            off_us = YEAR_2000_US - time.time_ns() // 1000
        self.gateways.order(lambda: self.gateways.set_clock(mine, off_us))
        return lambda: self.gateways.order(lambda: self.gateways.set_clock(mine, 0))

    def _disk_full(self) -> Callable[[], None]:
        """No database and no room for what is judged meanwhile."""
        line = self.stack.lines["database"]
        ballast = self.stack.spool_dir / "ballast"
        line.refuse()
        with ballast.open("wb", buffering=0) as file:
            try:
                while True:
                    file.write(b"\0" * 65536)
            except OSError:
                pass

        def heal() -> None:
            ballast.unlink()
            line.heal()

        return heal

    def _gateway(self, kind: str, mine: str, record: Happened) -> None:
        gateways, rng = self.gateways, random.Random(self.rng.random())
        if kind == "gateway_cut":
            gateways.order(lambda: gateways.cut(mine))
        elif kind == "gateway_restart":
            gateways.order(lambda: gateways.restart(mine))
        elif kind == "repeat":
            n = rng.randint(1, 20)
            record.note = f"{n} frames"
            gateways.order(lambda: gateways.repeat(mine, n))
        elif kind == "whole_ring":
            gateways.order(lambda: gateways.repeat(mine, 100_000))
        else:
            n = rng.randint(1, 30)
            record.note = f"{n} packets"
            self.n_garbage[mine] = self.n_garbage.get(mine, 0) + n
            gateways.order(lambda: gateways.shout(mine, rng, n))


def _start_patiently(start: Callable[[], None]) -> None:
    """A supervisor tries again; a killed server's last processes hold things."""
    for attempt in range(10):
        try:
            return start()
        except DependencyError:
            if attempt == 9:
                raise
            threading.Event().wait(0.5)


def _signal(processes: Sequence[psutil.Process], action: str) -> None:
    for process in processes:
        try:
            getattr(process, action)()
        except psutil.NoSuchProcess:
            pass
