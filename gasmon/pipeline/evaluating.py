"""The evaluating thread: what came is put in order, judged, announced, handed over.

Each turn takes what waits in the inbox, and a clock mark when one is due. What the
mines' relays must hear is said before any disk; storing is the next thread's
(``persisting.py``).
"""

import logging
import threading
from dataclasses import dataclass

from gasmon.batch import Packet
from gasmon.clock import Clock
from gasmon.errors import StateConflict
from gasmon.ingest.first_words import FirstWords
from gasmon.ingest.inbox import Inbox
from gasmon.ingest.mqtt import Pump
from gasmon.ingest.order import HOLD_S, Ordered, Resequencer
from gasmon.pipeline.evaluate import Evaluator, Judged
from gasmon.pipeline.judging import Judging
from gasmon.pipeline.ourclock import OurClock
from gasmon.pipeline.persisting import Persisting
from gasmon.pipeline.rivals import Rivals
from gasmon.pipeline.rulewatch import RuleWatch
from gasmon.pipeline.standing import Standing
from gasmon.pipeline.storing import Storing
from gasmon.pipeline.suspects import Poisoned
from gasmon.pipeline.voice import Voice
from gasmon.settings import Settings

STALL_S = 3.0
"""A thread that did not run for so much longer than it meant to was stopped [s]: it
asks whether others have thought us dead before it says anything."""

log = logging.getLogger(__name__)


@dataclass(slots=True, eq=False, kw_only=True)
class Evaluating:
    """The parts of one build that judging goes through, in the order of their use.

    Attributes:
        clock: the one that all parts live by.
        stop: tells the thread to end.
    """

    settings: Settings
    clock: Clock
    stop: threading.Event
    our_clock: OurClock
    inbox: Inbox
    pump: Pump
    rivals: Rivals
    order: Resequencer
    first_words: FirstWords
    rules: RuleWatch
    evaluator: Evaluator
    judging: Judging
    standing: Standing
    voice: Voice
    storing: Storing
    persisting: Persisting

    def run(self, begun_us: int) -> None:
        """Judge until told to stop.

        Args:
            begun_us: when this process began to own its areas [µs UTC].

        Raises:
            Poisoned: judging failed; the engine must be made anew.
            StateConflict: another process may own our areas.
        """
        # A rule file that was changed while we were away counts from the first frame.
        self._follow_rules(begun_us)
        ingest = self.settings.ingest
        interval_s = self.settings.engine.mark_interval_s
        marked_s = awake_s = self.clock.monotonic_s()
        while not self.stop.is_set():
            self.our_clock.look()
            # A lone frame goes at once, however busy the disk is.
            packets = self.inbox.take(ingest.max_batch_frames, self._idle_s(interval_s))
            now_s = self.clock.monotonic_s()
            if now_s - awake_s > interval_s + STALL_S:
                log.warning("did not run for %.1f s", now_s - awake_s)
                if not self.storing.line.is_ours(now_s):
                    return  # the persisting thread says why
            awake_s = now_s
            packets = self.rivals.sift(packets)
            away = self.storing.line.is_away(now_s)
            if self.rivals.is_there(away, self.pump.counts["contested"]):
                raise StateConflict(
                    "another process took our session at the broker while the database"
                    " is away from us: it may own our areas"
                )
            ordered = self._in_order(packets)
            marks = []
            if now_s - marked_s >= interval_s:
                marked_s = now_s
                marks = [self.clock.now_us()]
                self._follow_rules(marks[0])
            if not (ordered.packets or ordered.held or marks):
                continue
            if self.storing.snapshot_wanted:
                self.storing.snapshot_wanted = False
                self.judging.remember_soon()
            with self.storing.way.judging():
                for judged in self.judging.turns(ordered, marks):
                    self._tell(judged)

    def _tell(self, judged: Judged) -> None:
        """Say what was found, and hand it over to be stored."""
        confirmed, self.storing.confirmed = self.storing.confirmed, None
        now_us = self.clock.now_us()
        self.standing.judge(judged, self.storing.outage, now_us)
        # Recorded while the relays are told.
        self.persisting.go_ahead(judged)
        undefined = self.standing.undefined
        self.voice.announce(judged, confirmed, undefined, now_us)
        self.voice.ask_for_gaps(judged)
        self.persisting.hand_over(judged)

    def _idle_s(self, interval_s: float) -> float:
        """How long to wait for a packet: not past the end of a hold [s]."""
        wakeups_s = (self.order.next_wakeup_s(), self.first_words.next_wakeup_s())
        due_s = [wakeup_s for wakeup_s in wakeups_s if wakeup_s is not None]
        if not due_s:
            return interval_s
        return max(0.0, min(interval_s, min(due_s) - self.clock.monotonic_s()))

    def _in_order(self, taken: list[Packet]) -> Ordered:
        """Put back in order what a reconnect mixed up."""
        self.order.hold_s = HOLD_S.get(self.pump.state.protocol, HOLD_S["3.1.1"])
        now_s = self.clock.monotonic_s()
        ordered = self.order.order(taken, now_s)
        known = self.first_words.pass_on(ordered.packets, now_s)
        if not known.held:
            return Ordered(known.packets, ordered.held)
        return Ordered(known.packets, [*ordered.held, *known.held])

    def _follow_rules(self, now_us: int) -> None:
        """Judge by the site's rule file as it is now, when that is another one.

        Raises:
            Poisoned: the engine failed over it, and must be made anew.
        """
        in_force = self.evaluator.engine.rules.rules
        new = self.rules.due(in_force, now_us)
        if new is None:
            return
        try:
            judged = self.evaluator.change_rules(new.change, new.rules)
        except Exception as error:
            self.rules.give_up(new.rules, in_force, error)
            raise Poisoned(f"the rules of {new.rules.name} failed") from error
        self.standing.change_rules(new.rules)
        self.persisting.hand_over(judged)
