"""Scenarios through gasmon's own judging, without broker, database and waiting.

The same packets that a broker would carry, in the same order, with the simulated time
as time of arrival; whoever needs the real way plays them with ``gasmon-sim run``.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from gasmon.alarms.engine import AlarmEngine, Patience
from gasmon.alarms.events import AlarmEvent
from gasmon.alarms.rules import default_rules
from gasmon.batch import Packet
from gasmon.ingest.dedupe import SeenFrames
from gasmon.pipeline.book import PointBook
from gasmon.pipeline.evaluate import Evaluator
from gasmon.units import US_PER_S
from simulators.act import Act
from simulators.gateway import Message, MineGateway
from simulators.places import Places, find_places
from simulators.platform import SeenAlarm
from simulators.scenario import Scenario
from simulators.verdict import Clock, Verdict, judge

BEGIN_US = 1_790_000_000 * US_PER_S


@dataclass
class Judging:
    """An evaluator that is given what the mines of a scenario publish."""

    scenario: Scenario
    places: Places

    def __post_init__(self) -> None:
        self.act = Act(self.scenario, self.places, "boot")
        self.act.begin_us = BEGIN_US
        engine = AlarmEngine(default_rules(), Patience())
        self._evaluator = Evaluator(PointBook([]), engine, SeenFrames())
        self._alarms: dict[str, SeenAlarm] = {}
        self._waiting: dict[str, list[Message]] = {}
        self._down: set[str] = set()

    def play(self) -> list[SeenAlarm]:
        """All of it; gives the alarms that it made."""
        births = [m for g in self.act.gateways for m in g.birth(BEGIN_US - US_PER_S)]
        self._take([packet(m, BEGIN_US - US_PER_S) for m in births], BEGIN_US)
        while self.act.due_s <= self.scenario.duration_s:
            at_us = BEGIN_US + int(self.act.due_s * US_PER_S)
            self._take(self._cycle(at_us), at_us)
        return [
            alarm
            for alarm in self._alarms.values()
            if alarm.raised_us <= BEGIN_US + self.scenario.duration_s * US_PER_S
        ]

    def _cycle(self, at_us: int) -> list[Packet]:
        turn = self.act.cycle()
        packets = []
        for gateway in turn.cut:
            self._down.add(gateway.mine.code)
            packets.append(packet(gateway.state("offline", at_us), at_us))
        for gateway in turn.mended:
            code = gateway.mine.code
            self._down.discard(code)
            sent = [*gateway.birth(at_us), *self._waiting.pop(code, [])]
            packets += [packet(message, at_us) for message in sent]
        for message in turn.messages:
            code = message.gateway.mine.code
            if code in self._down:
                self._waiting.setdefault(code, []).append(message)
            else:
                packets.append(packet(message, at_us))
        for gateway, seqs in turn.late:
            packets += [backfilled(gateway, seq, at_us) for seq in seqs]
        return packets

    def _take(self, packets: list[Packet], at_us: int) -> None:
        """One turn, and a clock mark for each second until the next."""
        # In a clock's steps at most, or the time between would not have been lived.
        steps_s = np.arange(0, self.scenario.cycle_s, 5.0)
        marks = [at_us + int(s * US_PER_S) for s in steps_s]
        judged = self._evaluator.evaluate(packets, now_us=at_us, marks=marks)
        assert {reject.reason for reject in judged.rejects} <= {
            "negative_concentration"
        }
        for event in judged.events:
            self._note(event)

    def _note(self, event: AlarmEvent) -> None:
        known = self._alarms.get(event.key)
        if known is None:
            known = self._alarms[event.key] = SeenAlarm(
                alarm_id=len(self._alarms) + 1,
                mine=event.mine,
                kind=event.kind,
                subject=event.subject,
                point=event.no or "",
                unit=event.unit or "",
                place="",
                rank=event.rank,
                value=event.value,
                raised_us=event.raised_at_us,
                decided_us=event.decided_at_us,
                is_over=False,
                is_late=event.late,
                is_planned=event.planned,
            )
        self._alarms[event.key] = replace(
            known,
            rank=max(known.rank, event.rank),
            is_over=event.event == "cleared",
        )


def packet(message: Message, at_us: int) -> Packet:
    """A message as it arrives."""
    payload = message.payload
    if payload is None:
        assert message.seq is not None
        payload = message.gateway.ring.get(message.seq)
    assert payload is not None
    return Packet(message.topic, payload, at_us)


def backfilled(gateway: MineGateway, seq: int, at_us: int) -> Packet:
    """A frame that comes late."""
    return packet(Message(gateway, gateway.backfill_topic, None, seq=seq), at_us)


def judged(
    scenario: Scenario, seed: int | None = None, *, city: int | None = None
) -> Verdict:
    """What the engine makes of a scenario.

    Args:
        seed: of the seam, the air and the sensors' noise, in the same mines; the
            scenario's own if not said.
        city: seed of the city whose mines it takes place in, as ``--seed`` gives it.
    """
    places = find_places(scenario, city)
    scenario = scenario if seed is None else replace(scenario, seed=seed)
    seen = Judging(scenario, places).play()
    return judge(scenario, places, Clock(BEGIN_US, BEGIN_US, 1.0), seen)
