"""A running stack through one round after another: break, heal, settle, check."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator, Sequence

from gasmon.errors import DependencyError
from gasmon.units import US_PER_S
from tests.faults import check, check_alarms, evidence
from tests.faults.chaos import AWAY, KINDS, Chaos, Fault, Happened, schedule
from tests.faults.delays import MATURED_S, Delays
from tests.faults.facts import Facts, OutboxReader, held_by
from tests.faults.finding import Finding, Span
from tests.faults.forgetting import forgotten
from tests.faults.gateways import Gateways, by_mine
from tests.faults.plan import Outcome, Plan
from tests.faults.rest import Rest
from tests.faults.script import city
from tests.faults.stack import INGESTS, RECEIVERS, Stack
from tests.faults.times import Judged, judge_series, judged_times
from tests.faults.truth import Alarm, Truth

ENDS = ("kill", "restart")
HOLD_S = {"nats": 12.0, "mosquitto": 2.0}
CALM_S = 5.0
SLACK_US = 1_500_000
MINE_US = 20 * US_PER_S


class World:
    """A running stack with its gateways, truth and readers."""

    def __init__(
        self, stack: Stack, plan: Plan, seed: int, say: Callable[[str], None]
    ) -> None:
        self.stack = stack
        self.mines = city(seed, plan.n_mines)
        self.rules = stack.rules
        self.kinds = [
            kind for kind in plan.kinds if kind != "disk_full" or stack.spool_is_small
        ]
        self._plan = plan
        self._say = say
        ports = [stack.lines[name].port for name in ("gateways-a", "gateways-b")]
        self.gateways = Gateways(self.mines, seed, ports, plan.cycle_s)
        self.reader = OutboxReader(stack.dsn)
        self._rest = Rest(stack, self.gateways, self.reader)
        self.n_sounded = 0
        self._pauses: list[tuple[int, int]] = []
        self._paused_us = 0
        self._garbage: set[str] = set()
        self._happened: list[Happened] = []
        self.gateways.start()

    @property
    def facts(self) -> Facts:
        """What was stored at the last look."""
        return self._rest.facts

    def stop(self) -> None:
        """End gateways and reader."""
        self.gateways.stop()
        self.reader.stop()

    def round(
        self,
        rng: random.Random,
        length_s: float,
        outcome: Outcome,
        faults: Sequence[Fault] | None = None,
    ) -> list[Finding]:
        """One round: break, heal, settle, check.

        Args:
            faults: what to break; None draws it.
        """
        if faults is None:
            codes = [mine.code for mine in self.mines]
            kinds = AWAY if self._is_for_relays() else self.kinds
            faults = schedule(rng, length_s, codes, kinds, self._plan.mean_gap_s)
        chaos = Chaos(self.stack, self.gateways, rng, self._say)
        self.gateways.resume()
        begin_s = time.monotonic()
        chaos.run(faults, length_s)
        outcome.chaos_s += time.monotonic() - begin_s
        self._garbage |= chaos.n_garbage.keys()
        self._say(f"{len(faults)} faults in {length_s:.0f} s; healing")
        threading.Event().wait(CALM_S)
        found = self._rest.wait(is_paused=False)
        if not found:
            self.gateways.pause()
            self._paused_us = begin_us = time.time_ns() // 1000
            if self.rules.on_delay_us:
                threading.Event().wait(MATURED_S)
            found = self._rest.wait(is_paused=True)
            self._pauses.append((begin_us, time.time_ns() // 1000))
        self._happened += chaos.happened
        if not found:
            found = self.check(outcome)
        if found:
            self._keep_evidence()
        for happened in chaos.happened:
            outcome.faults[_name(happened.fault.kind, happened.fault.target)] += 1
        outcome.totals["rounds"] += 1
        return found

    def _is_for_relays(self) -> bool:
        """Every third round breaks nothing between mines and relays, for I6's sake."""
        is_third = len(self._pauses) % 3 == 1
        return is_third and self._plan.kinds == tuple(KINDS)

    def check(self, outcome: Outcome) -> list[Finding]:
        """Every invariant over everything since the stack began, counted."""
        facts, made = self.facts, self.gateways.frames()
        found, n_blurred = self.findings(facts)
        outcome.now["frames"] = len(made)
        outcome.now["alarms"] = len(facts.alarms)
        outcome.now["events told"] = len(facts.outbox)
        outcome.now["frames judged late"] = sum(map(len, self._late(facts).values()))
        outcome.now["alarms excused"] = n_blurred
        outcome.now["alarms sounded without a database"] = self.n_sounded
        shown = ", ".join(f"{n} {name}" for name, n in outcome.now.items())
        self._say(f"checked: {shown}; {len(found)} findings")
        return found

    def findings(
        self, facts: Facts, relays_s: float = 5.0
    ) -> tuple[list[Finding], int]:
        """Every invariant, and how many alarms were excused for late frames.

        Args:
            relays_s: how long the relays may take to hear the last news [s].
        """
        # What still moves is looked at before the truth is reckoned, which takes a
        # while: a mine that is paused for long is silent in the end.
        seen = list(self.reader.seen)
        held = {name: held_by(self.stack.state_file(name)) for name in RECEIVERS}
        by_relays = self._relays(facts, relays_s)
        made, stations = self.gateways.frames(), self.gateways.stations
        stepped = {code for code, s in stations.items() if s.stepped}
        full = [
            (h.begin_us, h.end_us + US_PER_S)
            for h in self._happened
            if h.fault.kind == "disk_full"
        ]
        found = check.frames_stored(made, facts)
        found += check.times_kept(made, facts, stepped)
        found += check.lost_rightly(made, facts, full)
        found += check.refused_rightly(facts, self._garbage)
        model = self.truth(facts, stepped)
        truth = model.alarms
        away = [_span(h) for h in self._happened if h.takes_database]
        trouble = [_span(h) for h in self._happened if h.breaks_way]
        delays = None
        if self.rules.on_delay_us:
            delays = Delays(model.cancelled(), trouble)
        judged = self._judged(facts, stepped)
        wrong, n_blurred = check_alarms.alarms_true(
            truth,
            facts,
            self._late(facts),
            delays,
            forgotten(judged, facts, self._ingest_ends()),
            {
                m: [j.at_us for j in each if not j.is_known]
                for m, each in judged.items()
            },
        )
        found += wrong
        assert self.stack.relays is not None
        late, self.n_sounded = check.sounded_without_database(
            # A delay matures on a clock mark, so its relay sounds a little later.
            # And of a mine whose clock was wrong the times are not when it was.
            [] if delays else [a for a in truth.values() if _mine(a) not in stepped],
            self.stack.relays.first_us,
            away,
            trouble,
        )
        found += late
        lost = {code: s.lost_us for code, s in stations.items()}
        found += check_alarms.silences_real(
            made, facts, lost, MINE_US, SLACK_US, self._paused_us
        )
        found += check.outbox_complete(facts, seen)
        for name, area in RECEIVERS.items():
            wanted = None if area == "all" else area
            found += check.receiver_equals(name, wanted, held[name], facts)
            out = self.stack.services[f"receive-{name}"].out.read_text("utf-8")
            found += check.events_printed(name, out.splitlines(), held[name])
        found += check.ends_explained(
            {
                name: service.log.read_text("utf-8", "replace")
                for name, service in self.stack.services.items()
            }
        )
        return found + by_relays, n_blurred

    def _late(self, facts: Facts) -> dict[str, list[int]]:
        hold_us = round(HOLD_S[self.stack.broker.kind] * US_PER_S)
        return check_alarms.judged_late(self.gateways.frames(), facts, hold_us)

    def _keep_evidence(self) -> None:
        self._rest.look()
        stepped = {c for c, s in self.gateways.stations.items() if s.stepped}
        evidence.keep(
            self.stack.folder,
            self.gateways.frames(),
            self.facts,
            self.truth(self.facts, stepped).alarms,
            self._happened,
        )

    def truth(self, facts: Facts, stepped: set[str]) -> Truth:
        """What must exist, from every frame that was made so far."""
        truth = Truth(self.mines, self.rules, 1800 * US_PER_S)
        for mine, judged in self._judged(facts, stepped).items():
            judge_series(truth, mine, judged, self._pauses)
        return truth

    def _judged(self, facts: Facts, stepped: set[str]) -> dict[str, list[Judged]]:
        return {
            mine: judged_times(frames, facts, is_stepped=mine in stepped)
            for mine, frames in by_mine(self.gateways.frames()).items()
        }

    def _ingest_ends(self) -> Iterator[int]:
        """When ingest was ended, or ended itself [µs UTC]."""
        for happened in self._happened:
            if happened.fault.target == "ingest" and happened.fault.kind in ENDS:
                yield happened.begin_us
        for name in INGESTS:
            service = self.stack.services.get(name)
            for at_s, _ in service.own_ends if service else ():
                yield round(at_s * US_PER_S)

    def _relays(self, facts: Facts, patience_s: float) -> list[Finding]:
        relays = self.stack.relays
        assert relays is not None

        def look_again() -> list[Finding]:
            told = {m: {a.id for a in p.open} for m, p in relays.newest.items()}
            codes = [mine.code for mine in self.mines]
            return check.annunciator_true(told, codes, facts)

        try:
            self.stack.wait(lambda: not look_again(), patience_s, "relays")
        except DependencyError:
            return look_again()
        return []


def _mine(alarm: Alarm) -> str:
    return alarm.key.subject.split(":")[1][:12]


def _name(kind: str, target: str) -> str:
    return kind if target.isdigit() else f"{kind} {target}"


def _span(happened: Happened) -> Span:
    target = happened.fault.target
    mine = target if target.isdigit() else None
    return Span(happened.begin_us, happened.end_us, mine)
