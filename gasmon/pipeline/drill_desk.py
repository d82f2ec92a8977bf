"""The runs that are judged now: begun, fed, stored, ended and freed.

Used by the thread of ``drill_loop`` alone. A turn that cannot be stored is kept and
tried again; meanwhile nothing more is taken, so that the broker keeps what comes.
"""

import logging
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

import psycopg

from gasmon.batch import Packet
from gasmon.clock import Clock
from gasmon.errors import DependencyError
from gasmon.ingest.drill_pump import DrillPump
from gasmon.ingest.topics import PLAYER_CHANNEL, Topic, parse_topic
from gasmon.pipeline.apart import write_all
from gasmon.pipeline.drill_refusals import NO_RUN, DrillRefusals
from gasmon.pipeline.drill_run import DrillRun, Ground, Spent, is_empty
from gasmon.pipeline.drill_writer import DrillWriter
from gasmon.pipeline.evaluate import Judged
from gasmon.pipeline.loops import IngestLoop
from gasmon.pipeline.wires import prepare_writer
from gasmon.settings import Settings
from gasmon.store import drill_sweep, drills, frames, points
from gasmon.store.alarms import Encode
from gasmon.store.db import Connection
from gasmon.store.drills import Drill, DrillOver
from gasmon.store.owners import be_quick
from gasmon.store.partitions import open_partitions
from gasmon.store.probe import NothingTaken
from gasmon.store.scope import covers
from gasmon.telemetry import Metrics

CONFIRMED_EVERY = 2
"""Confirmations are read with every so many looks."""

EARLY_RUNS = 1000
"""Players that are remembered before their drill begins here; the one heard the longest
ago goes first, and his drill then ends as it was declared."""

DEAF_S = 3.0
"""Not having listened for so long [s], we cannot tell who was silent."""

Waiting = tuple[int, Judged]
"""A turn that is not stored yet, with its run."""

log = logging.getLogger(__name__)


class DrillDesk:
    """Every run that is judged here.

    Attributes:
        runs: by number.
    """

    def __init__(
        self,
        settings: Settings,
        ingest: IngestLoop,
        encode: Encode,
        pump: DrillPump,
        clock: Clock,
        metrics: Metrics,
        owner: str,
        boot: str,
    ) -> None:
        self.runs: dict[int, DrillRun] = {}
        self._settings = settings
        self._ingest = ingest
        self._encode = encode
        self._pump = pump
        self._clock = clock
        self._owner = owner
        self._boot = boot
        self._conn: Connection | None = None
        self._writers: dict[int, DrillWriter] = {}
        self._confirmed: dict[int, Mapping[str, int]] = {}
        self._refusals = DrillRefusals(metrics)
        self._early: dict[int, None] = {}
        self._ending: dict[int, tuple[str, str]] = {}
        self._waiting: list[Waiting] = []
        self._waits_s: float | None = None
        self._listened_s = float("-inf")
        self._n_looks = 0
        self._has_interrupted = False
        self._n_frames = metrics.counter(
            "gasmon_drill_frames_total", "Frames of drills stored"
        )
        self._n_ended = metrics.counter(
            "gasmon_drills_ended_total", "Drills that this process ended, by cause"
        )
        metrics.gauge("gasmon_drills_running", "Drills judged now").follow(
            lambda: len(self.runs)
        )

    # Each second

    def look(self, is_connected: bool) -> None:
        """Begin and free runs as they are declared, and end what must end.

        Args:
            is_connected: the broker hears us; before that no run begins here.

        Raises:
            psycopg.Error: the database went away; ``drop`` then.
            DependencyError: it cannot be reached.
        """
        conn, now_us = self._connection(), self._clock.now_us()
        scope = self._ingest.storing.scope
        if not self._has_interrupted:
            former = drill_sweep.interrupt(
                conn, scope, self._owner, self._encode, now_us
            )
            self._n_ended.inc(len(former), cause=drills.INTERRUPTED)
            self._has_interrupted = True
        for run, (cause, reason) in list(self._ending.items()):
            if drill_sweep.finish(conn, run, cause, reason, self._encode, now_us):
                self._n_ended.inc(cause=cause)
            del self._ending[run]
        for _, cause in drill_sweep.sweep(conn, self._encode, now_us):
            self._n_ended.inc(cause=cause)
        wanted = {drill.run: drill for drill in drills.running(conn, now_us)}
        conn.commit()
        for run in self.runs.keys() - wanted.keys():
            self._free(run)
        if is_connected:
            for run in sorted(wanted.keys() - self.runs.keys()):
                self._begin(conn, wanted[run], now_us)
        self._refusals.write(conn, now_us)
        self._n_looks += 1
        if self._n_looks % CONFIRMED_EVERY == 0:
            for run in self.runs:
                self._confirmed[run] = frames.confirmed_ranks(conn, run)
            conn.commit()

    def _begin(self, conn: Connection, drill: Drill, now_us: int) -> None:
        if len(self.runs) >= self._settings.drills.runs_limit:
            return
        ours = self._settings.ingest.areas
        mines = [
            mine
            for mine in points.load_mine_ids(conn)
            if covers(drill.areas, mine[:6]) and (not ours or mine[:6] in ours)
        ]
        if not mines:
            conn.commit()
            return  # another process owns its areas
        scope = self._ingest.storing.scope
        other = drills.take(conn, drill.run, scope, self._owner, now_us)
        conn.commit()
        if other is not None:
            log.error("drill %d is judged by %s", drill.run, other)
            return
        ground = Ground(mines, self._ingest.rules.rules, self._boot)
        self.runs[drill.run] = DrillRun(
            drill, ground, self._settings, self._pump, self._clock
        )
        if drill.run in self._early:
            # He waited for the begin: from now on his silence counts.
            del self._early[drill.run]
            self.runs[drill.run].hear()
        log.warning(
            "drill %d (%s) begins with %d mines", drill.run, drill.scenario, len(mines)
        )

    # As packets come

    def turn(self, packets: Sequence[Packet]) -> Counter[int]:
        """Judge, store and acknowledge; returns how many packets each run sent."""
        of_run: dict[int, list[Packet]] = defaultdict(list)
        done = []
        for packet in packets:
            topic = _topic_of(packet)
            if not packet.payload:
                pass  # a retained message taken back: a tool that tidies up
            elif topic is None:
                self._refusals.note(NO_RUN, "bad_topic")
            elif topic.channel == PLAYER_CHANNEL:
                self._hear(topic.run)
            elif reason := self._why_not(topic):
                self._refusals.note(topic.run, reason)
            else:
                of_run[topic.run].append(packet)
                continue
            done.append(packet)
        self._pump.ack(done)
        for run in list(self.runs):
            self._judge(run, of_run.get(run, ()))
        self.store_waiting()
        return Counter({run: len(each) for run, each in of_run.items()})

    def _hear(self, run: int) -> None:
        """A player says that he goes on; no refusal, whoever judges his run."""
        if run in self.runs:
            self.runs[run].hear()
            return
        self._early.pop(run, None)
        self._early[run] = None
        if len(self._early) > EARLY_RUNS:
            del self._early[next(iter(self._early))]

    def _why_not(self, topic: Topic) -> str | None:
        """Why what came at a topic is not taken; None when it is."""
        run = self.runs.get(topic.run)
        if run is None:
            return "undeclared_run"
        return None if run.admits(topic.mine) else "outside_drill"

    def _judge(self, number: int, packets: Sequence[Packet]) -> None:
        run = self.runs[number]
        try:
            judged = run.turn(packets, self._confirmed.pop(number, None))
        except Spent as spent:
            self._end(number, spent.cause, str(spent))
            self._pump.ack(packets)
            return
        except Exception as error:
            log.exception("drill %d cannot be judged", number)
            self._end(number, drills.FAULT, f"{type(error).__name__}: {error}")
            self._pump.ack(packets)
            return
        if judged is None:
            return
        if is_empty(judged):
            self._pump.ack(packets)
            return
        self._waiting.append((number, judged))

    # Storing

    def store_waiting(self) -> bool:
        """Store what was judged; False while the database does not take it.

        Until then ``turn`` may not be called: what comes stays at the broker.
        """
        while self._waiting:
            number, judged = self._waiting[0]
            if number in self.runs:
                try:
                    self._store(number, judged)
                except DrillOver:
                    self._free(number)
                    continue
                except (psycopg.Error, DependencyError, NothingTaken) as error:
                    log.warning("drill %d is not stored: %s", number, error)
                    self.drop()
                    self._lose_patience(str(error))
                    return False
            self._pump.ack(judged.packets)
            self._waiting.pop(0)
        self._waits_s = None
        return True

    def _store(self, number: int, judged: Judged) -> None:
        conn = self._connection()
        writer = self._writers.get(number)
        if writer is None:
            writer = self._writers[number] = self._writer(conn, number)
        now_us = self._clock.now_us()

        def write(part: Judged) -> bool:
            self._n_frames.inc(writer.persist(part, now_us).n_frames)
            return True

        write_all(write, [judged], number, now_us)

    def _writer(self, conn: Connection, number: int) -> DrillWriter:
        storing = self._ingest.storing
        return DrillWriter(
            conn,
            self.runs[number].book,
            open_partitions(conn, self._settings.storage),
            self._encode,
            owner=self._owner,
            fencing=lambda: storing.line.fencing,
            scope=storing.scope,
            run=number,
        )

    def _lose_patience(self, why: str) -> None:
        now_s = self._clock.monotonic_s()
        if self._waits_s is None:
            self._waits_s = now_s
        if now_s - self._waits_s > self._settings.drills.patience_s:
            self.give_up_all(f"not stored: {why}")

    def forgive(self) -> None:
        """Let the patience with the database begin anew: it is away for real data too,
        which is no fault of a drill's.
        """
        self._waits_s = None

    # Ends

    def _end(self, number: int, cause: str, reason: str) -> None:
        """Judge this run no longer; its end is written with the next look."""
        self._ending[number] = (cause, reason)
        self._free(number)

    def _free(self, number: int) -> None:
        """Forget a run: its engine, its points, what is retained of it."""
        run = self.runs.pop(number)
        self._writers.pop(number, None)
        self._confirmed.pop(number, None)
        for topic in run.retained():
            self._pump.publish(topic, b"", retain=True)
        for waiting, judged in self._waiting:
            if waiting == number:
                self._pump.ack(judged.packets)
        self._waiting = [each for each in self._waiting if each[0] != number]
        log.warning("drill %d is judged no longer", number)

    def give_up_all(self, reason: str) -> None:
        """End every run for a fault that is not one's own."""
        for number in list(self.runs):
            self._end(number, drills.FAULT, reason)

    def crowd_out(self, how_long: str) -> None:
        """End every run, because real data leave no room."""
        for number in list(self.runs):
            self._end(number, drills.CROWDED_OUT, f"waited for {how_long}")

    def miss_players(self) -> None:
        """End each run whose player went silent.

        Called whenever we are connected and nothing waits, so that silence is theirs:
        after a time in which we did not listen everybody's patience begins anew.
        """
        now_s = self._clock.monotonic_s()
        was_deaf, self._listened_s = now_s - self._listened_s > DEAF_S, now_s
        for number, run in list(self.runs.items()):
            if was_deaf:
                run.excuse()
            elif run.is_abandoned:
                limit_s = self._settings.drills.player_silence_s
                self._end(number, drills.PLAYER_GONE, f"silent for {limit_s:g} s")

    def flooded(self, share: Counter[int], reason: str) -> None:
        """End the run that sent the most."""
        for number, _ in share.most_common(1):
            if number in self.runs:
                self._end(number, drills.FLOOD, reason)

    def drop(self) -> None:
        """Give up the connection; the next use opens another one."""
        if self._conn is not None:
            self._conn.close()
        self._conn = None
        self._writers.clear()

    def close(self) -> None:
        """End what is judged here, as far as the database can be told."""
        for number in list(self.runs):
            self._end(number, drills.INTERRUPTED, "ingest was stopped")
        try:
            conn = self._connection()
            now_us = self._clock.now_us()
            for run, (cause, reason) in self._ending.items():
                drill_sweep.finish(conn, run, cause, reason, self._encode, now_us)
        except (psycopg.Error, DependencyError) as error:
            log.error("the end of a drill is not written: %s", error)
        self.drop()

    def _connection(self) -> Connection:
        if self._conn is None or self._conn.closed:
            self._writers.clear()
            self._conn = self._ingest.storing.line.open()
            be_quick(self._conn)
            prepare_writer(self._conn)
        return self._conn


def _topic_of(packet: Packet) -> Topic | None:
    """Where a packet came; None when that is no topic of ours."""
    try:
        return parse_topic(packet.topic)
    except ValueError:
        return None
