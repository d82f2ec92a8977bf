"""Evaluate: packets in, verdicts out, without a disk and without a clock.

The same steps serve live frames and a replay of a file: decode, adopt what mines
define, judge. What the engine was given is kept beside what came of it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from gasmon.alarms.again import judge_again, redefined
from gasmon.alarms.crossings import Crossing
from gasmon.alarms.engine import AlarmEngine
from gasmon.alarms.events import AlarmEvent
from gasmon.alarms.forecast_speak import Warned
from gasmon.alarms.kinds import LINK_BREAK
from gasmon.alarms.owing import Debt
from gasmon.alarms.planned import PlannedWork
from gasmon.alarms.quiet import QuietTable
from gasmon.alarms.rule_versions import RuleChange
from gasmon.alarms.rules import RuleSet
from gasmon.alarms.silence import Sign
from gasmon.alarms.snapshot import dump
from gasmon.alarms.state import LONG_AGO_US
from gasmon.alarms.steps import Step, give
from gasmon.batch import Frame, FrameKey, GatewayClock, Packet, ReadingBatch, Reject
from gasmon.ingest.clocks import MineClocks
from gasmon.ingest.decode import (
    Decoded,
    DecodeLimits,
    Definition,
    Layouts,
    MineEvent,
    MineStatistic,
    Response,
    decode_packets,
)
from gasmon.ingest.dedupe import SeenFrames
from gasmon.ingest.upload.profiles import Profiles
from gasmon.ingest.upload.receive import FileReader
from gasmon.pipeline import signs
from gasmon.pipeline.book import PointBook
from gasmon.pipeline.defining import moved, unheeded
from gasmon.pipeline.definition_rate import DefinitionRate
from gasmon.pipeline.latest import LatestPoints, latest_points
from gasmon.pipeline.refused import folded, of_run
from gasmon.pipeline.stretches import stretches
from gasmon.points import PointDef, PointKey
from gasmon.units import US_PER_MS


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What an engine remembered (``alarms.snapshot.dump``).

    Attributes:
        step: the last step that is in it.
        taken_us: when it was taken [µs UTC].
        n_points: points in it.
        beside: what was known of frames then (``Evaluator.snapshot``), for a start
            without a database; empty where that is not kept.
    """

    step: int
    taken_us: int
    n_points: int
    body: bytes
    beside: Mapping[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Judged:
    """Everything that one turn found out, in order; what persist stores.

    Attributes:
        packets: what it came from, to be acknowledged after the commit.
        batches: the readings, in order.
        definitions: what mines told, with all their points as they stand now.
        unknown: points that sent and are not defined.
        newest: newest accepted frame of each mine that sent one; none of a mine that
            only sent old ones.
        online: mines of which was learned whether they are heard.
        latest: what is known now of each mine in ``online``.
        clocks: of gateways, as far as they became different.
        crossed: crossings by which no alarm began.
        warned: pre-warnings, and what the baselines beside them would have said.
        steps: what the engine was given, in order, to be given again after a restart.
        snapshot: what the engine remembered after the last step, now and then.
        given_up: newest frame of each mine whose readings a full spool did not take.
        recorded: ids of events that went ahead (``ahead.py``) and are in the record.
    """

    packets: Sequence[Packet] = ()
    batches: list[ReadingBatch] = field(default_factory=list)
    events: list[AlarmEvent] = field(default_factory=list)
    rejects: list[Reject] = field(default_factory=list)
    definitions: list[tuple[Definition, list[PointDef]]] = field(default_factory=list)
    unknown: list[PointKey] = field(default_factory=list)
    mine_events: list[MineEvent] = field(default_factory=list)
    statistics: list[MineStatistic] = field(default_factory=list)
    repeated: list[FrameKey] = field(default_factory=list)
    responses: list[Response] = field(default_factory=list)
    marks: Sequence[int] = ()
    newest: dict[str, Frame] = field(default_factory=dict)
    online: dict[str, bool] = field(default_factory=dict)
    latest: list[LatestPoints] = field(default_factory=list)
    clocks: list[GatewayClock] = field(default_factory=list)
    crossed: list[Crossing] = field(default_factory=list)
    warned: list[Warned] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    snapshot: Snapshot | None = None
    given_up: dict[str, Frame] = field(default_factory=dict)
    recorded: list[str] = field(default_factory=list)

    @property
    def n_readings(self) -> int:
        """Number of readings over all batches."""
        return sum(batch.n for batch in self.batches)


class Evaluator:
    """The pure middle of ingest: decode and judge.

    Attributes:
        book: the points; ``engine`` what judges them; ``seen`` which frames came.
        boots: the present boot of each mine, as far as it told.
        clocks: corrections of gateways' clocks.
        planned: what planned work keeps quiet.
        step: number of the last step that was given to the engine.
        given_up: newest frame of each mine that a former process judged and gave up.
        owing: what the engine is to wait for from the next turn on.
    """

    def __init__(
        self,
        book: PointBook,
        engine: AlarmEngine,
        seen: SeenFrames,
        limits: DecodeLimits | None = None,
        definitions_per_minute: int | None = None,
        profiles: Callable[[], Profiles] = Profiles,
    ) -> None:
        self.book = book
        self.engine = engine
        self.seen = seen
        self.boots: dict[str, str] = {}
        self.clocks = MineClocks()
        self.planned = PlannedWork()
        self.step = 0
        self.given_up: dict[str, FrameKey] = {}
        self.owing: Sequence[Debt] = ()
        self._limits = limits or DecodeLimits()
        self._layouts = Layouts(self._limits.lowest)
        self._rate = DefinitionRate(definitions_per_minute)
        self._files = FileReader(profiles, book.described)

    def evaluate(
        self,
        packets: Sequence[Packet],
        *,
        now_us: int,
        marks: Sequence[int] = (),
        heard: Sequence[Packet] = (),
        quiet: QuietTable | None = None,
    ) -> Judged:
        """Judge packets in the order in which they arrived, then the clock marks.

        Args:
            heard: packets that are held back to be put in order; they are signs of
                life already, and judged later.
            now_us: stamped as the time of decision [µs UTC].
            marks: clock marks after the packets [µs UTC].
            quiet: shelves and plans as they are known now.
        """
        judged = Judged(packets=packets, marks=marks)
        self.planned.begin(quiet or QuietTable(), self.book.table)
        if self.owing:
            self._owe(judged)
        judged.definitions += self.book.rule(now_us)
        if judged.definitions:
            self._judge_again(self.adopt(now_us), now_us, judged)
        if heard:
            alive = signs.of_held(heard, self.book.table.mine_index, self._layouts)
            self._tick(ReadingBatch.empty(), (), alive, now_us, judged)
        ours, foreign = of_run(packets, self.engine.run)
        ours, replaced = self._rate.pass_on(ours, now_us)
        judged.rejects += [*foreign, *replaced]
        for control, data in stretches(ours):
            alive = self._control(self._decode(control), judged, now_us)
            decoded = self._decode(data)
            self.adopt(now_us)
            alive += signs.of_empty(decoded.frames, self.book.table.mine_index)
            self._tick(decoded.batch, (), alive, now_us, judged)
            self._collect(decoded, judged)
        self.adopt(now_us)
        if marks:
            self._tick(ReadingBatch.empty(), marks, (), now_us, judged)
        judged.events = self.planned.after(judged.events, now_us)
        judged.rejects = folded(judged.rejects)
        judged.clocks = self.clocks.changed()
        for event in judged.events:
            if event.kind == LINK_BREAK:
                judged.online[event.mine] = event.event == "cleared"
        judged.latest = [
            points
            for mine in judged.online
            if (points := latest_points(self.book, self.engine.state, mine))
        ]
        return judged

    def change_rules(self, change: RuleChange, rules: RuleSet) -> Judged:
        """Judge by other rules from now on; a step of the log like any other.

        Args:
            rules: what the change changes to.
        """
        self.step += 1
        self.engine.change_rules(rules, change.from_us)
        return Judged(steps=[Step(self.step, ReadingBatch.empty(), rules=change)])

    def snapshot(self, now_us: int) -> Snapshot:
        """What the engine remembers now, and which frames came."""
        engine = self.engine
        beside = {"boots": dict(self.boots), "seen": self.seen.dump(engine.run)}
        return Snapshot(self.step, now_us, engine.table.n, dump(engine), beside)

    def _decode(self, packets: Sequence[Packet]) -> Decoded:
        if not packets:
            return Decoded()
        return decode_packets(
            packets,
            self.book,
            layouts=self._layouts,
            limits=self._limits,
            clocks=self.clocks,
            is_new=self.seen.is_new,
            files=self._files,
        )

    def adopt(self, now_us: int) -> list[PointDef]:
        """Let the engine know what is new in the book; returns the new versions."""
        fresh = self.book.fresh()
        if fresh or self.book.table is not self.engine.table:
            self.engine.adopt(self.book.table, fresh, now_us)
        return fresh

    def _tick(
        self,
        batch: ReadingBatch,
        marks: Sequence[int],
        alive: Sequence[Sign],
        now_us: int,
        judged: Judged,
    ) -> None:
        if not (batch.n or alive or marks):
            return
        self.step += 1
        judged.steps.append(Step(self.step, batch, tuple(alive), tuple(marks)))
        self.planned.follow(batch)
        quiet = self.planned.table()
        judged.events += self.engine.tick(
            batch, now_us=now_us, marks=marks, signs=alive, quiet=quiet
        )
        judged.crossed += self.engine.crossed
        if self.engine.forecast is not None:
            judged.warned += self.engine.forecast.take()

    def _owe(self, judged: Judged) -> None:
        """Let the engine wait for what was recorded ahead of readings to come."""
        self.step += 1
        owed, self.owing = tuple(self.owing), ()
        step = Step(self.step, ReadingBatch.empty(), owed=owed)
        judged.steps.append(step)
        give(self.engine, step)

    def _judge_again(
        self, versions: Sequence[PointDef], now_us: int, judged: Judged
    ) -> None:
        """What was measured last counts under new limits as well."""
        points = redefined(self.engine, versions) if versions else ()
        if not points:
            return
        self.step += 1
        empty = ReadingBatch.empty()
        judged.steps.append(Step(self.step, empty, redefined=points))
        quiet = self.planned.table()
        judged.events += judge_again(self.engine, points, now_us=now_us, quiet=quiet)
        judged.crossed += self.engine.crossed

    def _newest_us(self, row: int) -> int:
        """Event time of the newest reading that was judged for a point [µs UTC]."""
        s = self.engine.state
        return int(s.last_at_us[row]) if row < s.n else LONG_AGO_US

    def _control(self, decoded: Decoded, judged: Judged, now_us: int) -> list[Sign]:
        """Take definitions and states; returns what the engine must know of them."""
        judged.rejects += decoded.rejects
        for definition in decoded.definitions:
            known = self.book.heeded(definition.mine.code)
            standing = self.book.define(definition, self._newest_us)
            judged.rejects += unheeded(definition, known, standing)
            # A number may mean another row now (system 02 instead of 01).
            self._layouts.forget(definition.mine.code)
            if standing:
                judged.definitions.append((definition, standing))
                self._judge_again(self.adopt(now_us), now_us, judged)
                batch = moved(self.book, self.engine, standing)
                if batch.n:
                    self._tick(batch, (), (), now_us, judged)
                    judged.batches.append(batch)
        heard: list[Sign] = []
        for state in decoded.states:
            sign = signs.of_state(state, self.book.table.mine_index, self.boots)
            if sign is not None:
                judged.online[state.mine] = sign.online
                heard.append(sign)
        return heard

    def know(self, judged: Judged) -> None:
        """Take over what a turn, judged by a former process, says of frames."""
        for clock in judged.clocks:
            self.clocks.restore(clock)
        for batch in judged.batches:
            for frame in batch.frames:
                self._note(frame)
        for mine, frame in judged.given_up.items():
            # Not seen, for it may come again; but all up to it was judged.
            self.given_up[mine] = frame.key
        for mine, frame in (judged.newest | judged.given_up).items():
            self.boots[mine] = frame.key.boot

    def _note(self, frame: Frame) -> None:
        arrived_ms = frame.arrived_us // US_PER_MS
        self.seen.add(frame.key, frame.device_ms or 0, arrived_ms)

    def _collect(self, decoded: Decoded, judged: Judged) -> None:
        for frame in decoded.frames:
            self._note(frame)
            # The last one to come may be an old one of an earlier start of its gateway.
            if self.clocks.is_newest(frame.key):
                judged.newest[frame.key.mine] = frame
                self.boots[frame.key.mine] = frame.key.boot
            judged.online[frame.key.mine] = True
        if decoded.batch.n or decoded.frames:
            judged.batches.append(decoded.batch)
        judged.rejects += decoded.rejects
        judged.unknown += decoded.unknown
        judged.mine_events += decoded.events
        judged.statistics += decoded.statistics
        judged.repeated += decoded.repeated
        judged.responses += decoded.responses
