"""What the safeguards are measured on: backlogs, alarms, and where every frame is.

Every published frame is accounted for before a number counts: it is stored, or the
measurement ends and says where it is instead.
"""

import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from benchmarks.listeners import Relay
from benchmarks.parts import Gasmon, MadeCity, Publisher, publish_all
from benchmarks.servers import Servers
from gasmon.clock import SystemClock
from gasmon.embedded.process import wait_for
from gasmon.errors import GasmonError
from gasmon.store.db import Connection
from gasmon.units import US_PER_MS, US_PER_S

N_POINTS = 58
CYCLE_S = 5.0
PATIENCE_S = 120.0

GAUGES = {
    "received": "gasmon_messages_received",
    "acknowledged": "gasmon_messages_acknowledged",
    "not yet acknowledged": "gasmon_unacknowledged",
    "in the inbox": "gasmon_inbox_depth",
    "held for their order": "gasmon_frames_held",
    "turns waiting for the disk": "gasmon_turns_waiting",
    "turns spooled": "gasmon_spool_turns",
    "repeats": "gasmon_frames_repeated_total",
}
"""What a running gasmon is asked when frames are missed; since its own start."""


@dataclass(frozen=True, slots=True)
class Size:
    """How much is measured.

    Attributes:
        n_cycles: frames of each mine in a backlog; more frames than fit in one commit,
            or there is no time between two of them.
        load_s: how long the load with alarms goes on [s].
        probe_every_s: least time between two frames of the probe mine [s].
        names: variants to measure; None means all.
        settings: more of gasmon's settings, in every variant.
    """

    n_mines: int = 259
    n_cycles: int = 12
    load_s: float = 6.0
    probe_every_s: float = 0.1
    n_rounds: int = 3
    names: tuple[str, ...] | None = None
    settings: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Variant:
    """What differs from everything on.

    Attributes:
        off: switches of ``switches.py``.
        spool: whether a spool is configured.
        server: settings of the database server.
    """

    off: tuple[str, ...] = ()
    spool: bool = True
    server: dict[str, str] = field(default_factory=dict)


class Probe:
    """One more mine whose methane crosses its limit and returns.

    It returns only when the relay has heard of the alarm: one that is over within a
    turn is told to nobody, and could not be told from one that was lost.
    """

    def __init__(self, mine: int, every_s: float, heard: dict[int, int]) -> None:
        self.mine = mine
        self.is_over = False
        self.began: dict[int, int] = {}
        self._every_s = every_s
        self._heard = heard
        self._due_s = 0.0

    @property
    def is_heard(self) -> bool:
        """Whether every alarm so far was heard of."""
        return self.began.keys() <= self._heard.keys()

    def turns(self, now_s: float) -> bool:
        """Whether it crosses the limit, or returns, now."""
        if now_s < self._due_s or not self.is_heard:
            return False
        self._due_s = now_s + self._every_s
        self.is_over = not self.is_over
        return True

    def published(self, at_us: int) -> None:
        """Its frame leaves now; remembered when it raises an alarm."""
        if self.is_over:
            self.began[at_us // US_PER_MS] = time.perf_counter_ns()


class Rig:
    """Everything that stays over all variants.

    Attributes:
        n_frames: published so far; the broker has acknowledged all of them.
    """

    def __init__(self, size: Size, where: Servers, conn: Connection) -> None:
        self.size = size
        self.where = where
        self.conn = conn
        self.city = MadeCity(size.n_mines + 1, N_POINTS, "bench")
        self.relay = Relay(where.broker_port)
        self.newest_us = SystemClock().now_us() - 60 * US_PER_S
        self.n_frames = 0

    def define(self) -> None:
        """Let gasmon know all points.

        Raises:
            GasmonError: it does not take them.
        """
        n_points = b"SELECT count(*) FROM point"
        with Gasmon("ingest", self.where):
            told = self.city.definitions(SystemClock().now_us())
            publish_all(self.where.broker_port, told)
            if not wait_for(
                lambda: self._one(n_points) == self.city.n_points, PATIENCE_S
            ):
                raise GasmonError(
                    f"{self._one(n_points)} of {self.city.n_points} points are defined"
                )

    def ingest(self, variant: Variant) -> Gasmon:
        """Ingest as the variant wants it."""
        settings = dict(self.size.settings)
        if variant.spool:
            settings["ingest.spool_dir"] = str(self.where.log_dir / "spool")
        return Gasmon("ingest", self.where, settings, variant.off)

    def backlog(self) -> int:
        """Publish a backlog, times between the newest and now; returns its frames."""
        now_us, n = SystemClock().now_us(), self.size.n_cycles
        step_us = (now_us - self.newest_us) // (n + 1)
        frames = []
        for cycle in range(n):
            at_us = self.newest_us + (cycle + 1) * step_us
            frames += self.city.cycle(at_us, [cycle % self.size.n_mines])
        self.newest_us = now_us
        publish_all(self.where.broker_port, [(f.topic, f.payload) for f in frames])
        self.n_frames += len(frames)
        return len(frames)

    def stored(self, gasmon: Gasmon) -> None:
        """Wait until every frame is in the database.

        Raises:
            GasmonError: gasmon ended, a frame was refused, there are more of them than
                were published, or it takes too long; says where they are.
        """

        def is_decided() -> bool:
            gasmon.require_alive()
            return self._n_stored() >= self.n_frames or bool(self._refused())

        wait_for(is_decided, PATIENCE_S)
        if self._n_stored() != self.n_frames or self._refused():
            raise GasmonError(self.whereabouts(gasmon))

    def whereabouts(self, gasmon: Gasmon) -> str:
        """Where the frames are, for people, with the end of gasmon's log."""
        refused = self._refused()
        parts = [
            f"published {self.n_frames}",
            f"stored {self._n_stored()}",
            f"refused {sum(refused.values())}"
            + "".join(f" ({n} {reason})" for reason, n in refused.items()),
        ]
        try:
            told = gasmon.gauges(*GAUGES.values())
            parts += [f"{name} {n:g}" for name, n in zip(GAUGES, told, strict=True)]
        except GasmonError as error:
            parts.append(str(error))
        return f"frames: {', '.join(parts)}\n{gasmon.log()}"

    def settled(self, gasmon: Gasmon, n_acknowledged: float) -> None:
        """Wait until it has acknowledged so many messages since its start.

        Raises:
            GasmonError: gasmon ended, or it takes too long; says where they are.
        """
        names = ("acknowledged", "not yet acknowledged", "in the inbox")

        def is_settled() -> bool:
            gasmon.require_alive()
            told = gasmon.gauges(*(GAUGES[name] for name in names))
            return told[0] >= n_acknowledged and told[1:] == [0.0, 0.0]

        if not wait_for(is_settled, PATIENCE_S):
            raise GasmonError(self.whereabouts(gasmon))

    def _n_stored(self) -> int:
        return self._one(b"SELECT count(*) FROM frame")

    def _refused(self) -> dict[str, int]:
        rows: list[Any] = self.conn.execute(
            "SELECT reason, sum(n)::int FROM reject GROUP BY 1 ORDER BY 1"
        ).fetchall()
        return dict(rows)

    def _one(self, query: bytes) -> int:
        row: Any = self.conn.execute(query).fetchone()
        return int(row[0])

    def alarms(self, gasmon: Gasmon) -> list[tuple[int, float]]:
        """The city's load while a probe mine goes in and out of alarm.

        Returns:
            Of each alarm its time [ms UTC] and how long it took to the relay [ms].

        Raises:
            GasmonError: an alarm was not heard of.
        """
        size, heard = self.size, self.relay.heard_ns
        probe = Probe(size.n_mines, size.probe_every_s, heard)
        pause_s = min(CYCLE_S / size.n_mines, size.probe_every_s / 2)
        end_s = time.perf_counter() + size.load_s
        mine = 0
        with Publisher(self.where.broker_port, "bench-load") as publisher:
            while (now_s := time.perf_counter()) < end_s or not probe.is_heard:
                if now_s > end_s + PATIENCE_S:
                    n = len(probe.began.keys() - heard.keys())
                    raise GasmonError(
                        f"{n} of {len(probe.began)} alarms were not announced;"
                        f" {self.whereabouts(gasmon)}"
                    )
                self._publish(publisher, [mine], probe, turns=probe.turns(now_s))
                mine = (mine + 1) % size.n_mines
                time.sleep(pause_s)
            if probe.is_over:
                probe.is_over = False
                self._publish(publisher, [], probe, turns=True)
            publisher.flush()
        return [(at, (heard[at] - ns) / 1e6) for at, ns in probe.began.items()]

    def _publish(
        self, publisher: Publisher, mines: list[int], probe: Probe, *, turns: bool
    ) -> None:
        """A frame of each mine now, and of the probe mine when it turns."""
        at_us = max(SystemClock().now_us(), self.newest_us + US_PER_MS)
        self.newest_us = at_us
        over = [probe.mine] if turns and probe.is_over else []
        for frame in self.city.frames([*mines, *[probe.mine] * turns], at_us, over):
            if frame.mine == probe.mine:
                probe.published(at_us)
            publisher.publish(frame.topic, frame.payload)
            self.n_frames += 1

    def committed_ms(self, alarms: Iterable[int]) -> list[float]:
        """How long the frames of alarms, by time [ms UTC], took to their commit."""
        rows: list[Any] = self.conn.execute(
            """SELECT extract(epoch FROM pg_xact_commit_timestamp(xmin)) * 1000
                      - device_ms
               FROM frame WHERE device_ms = ANY(%s) AND mine_id =
                     (SELECT mine_id FROM mine WHERE code = %s)""",
            (list(alarms), self.city.mines[-1].code),
        ).fetchall()
        return [float(row[0]) for row in rows]

    def drained_per_s(self, before: int) -> float:
        """Readings per second from the first commit of a backlog to the last.

        Raises:
            GasmonError: it was all one commit.
        """
        commits: list[Any] = self.conn.execute(
            """SELECT extract(epoch FROM pg_xact_commit_timestamp(xmin))::float8,
                      count(*), sum(n_readings)
               FROM frame GROUP BY 1 ORDER BY 1"""
        ).fetchall()
        total, own = 0, []
        for at_s, n, n_readings in commits:
            total += n
            if total > before:
                own.append((float(at_s), float(n_readings)))
        if len(own) < 2:
            raise GasmonError(f"{total - before} frames were stored by one commit")
        return sum(n for _, n in own[1:]) / (own[-1][0] - own[0][0])
