"""From what came to judged turns; one bad packet does not stop it for good."""

import logging
from collections.abc import Callable, Iterator, Sequence

from gasmon.alarms.quiet import QuietTable
from gasmon.batch import Packet
from gasmon.clock import Clock
from gasmon.ingest.order import Ordered
from gasmon.pipeline.evaluate import Evaluator, Judged
from gasmon.pipeline.suspects import Poisoned, Suspects

log = logging.getLogger(__name__)

BLAMELESS_MOST = 3
"""Beginnings anew after failures that no packet can be blamed for; then we end."""

SNAPSHOT_APART_S = 1.0
SNAPSHOT_SHARE = 0.1
"""Snapshots that are wanted soon come at least a second after one another, and never
take more than a tenth of our time: 20 ms each for a city, 0.4 s for a nation. Ours."""


class Judging:
    """Gives the evaluator its turns, and takes a snapshot of its engine now and then.

    Attributes:
        suspects: packets under suspicion; goes over to the next one after a failure.
    """

    def __init__(
        self,
        evaluator: Evaluator,
        suspects: Suspects,
        clock: Clock,
        snapshot_interval_s: float,
        quiet: Callable[[], QuietTable],
    ) -> None:
        self.suspects = suspects
        self._evaluator = evaluator
        self._clock = clock
        self._interval_s = snapshot_interval_s
        self._quiet = quiet
        # Of this broker's session, as their numbers are: not those of a build before.
        self._set_aside: list[Packet] = []
        # The first turn has one, so that a crash soon after the start finds it.
        self._snapshot_due_s = self._soonest_s = clock.monotonic_s()

    def remember_soon(self) -> None:
        """Take a snapshot with the next turn, or as soon after the last as may be."""
        self._snapshot_due_s = min(self._snapshot_due_s, self._soonest_s)

    def turns(self, ordered: Ordered, marks: Sequence[int]) -> Iterator[Judged]:
        """Judge what came: one turn, unless some of it is under suspicion.

        Args:
            marks: clock marks after the packets [µs UTC].

        Raises:
            Poisoned: judging failed; the engine must be made anew.
            NothingJudged: it would fail again and again; nothing may be acknowledged.
        """
        taken, failed = self.suspects.sift(ordered.packets)
        self._set_aside += failed
        groups = list(self.suspects.groups(taken))
        if marks and self.suspects.n_tried:
            # Time stands trial alone too: no packet is blamed for what it does.
            groups.append([])
        for place, group in enumerate(groups):
            is_first, is_last = place == 0, place == len(groups) - 1
            judged = self._judge(
                group, marks if is_last else (), ordered.held if is_first else ()
            )
            if judged.n_readings:
                self.suspects.went_well()
            if self._set_aside and self.suspects.n_failed == 0:
                self._refuse(judged)
            yield judged

    def _judge(
        self, packets: Sequence[Packet], marks: Sequence[int], held: Sequence[Packet]
    ) -> Judged:
        now_us = self._clock.now_us()
        try:
            judged = self._evaluator.evaluate(
                packets, now_us=now_us, marks=marks, heard=held, quiet=self._quiet()
            )
        except Exception as error:
            # Held packets only say that they came: nothing of theirs was looked into.
            if not self.suspects.blame(packets, error):
                self.suspects.n_blameless += 1
                if self.suspects.n_blameless > BLAMELESS_MOST:
                    raise
            raise Poisoned(
                f"judging {len(packets)} packets and {len(marks)} marks failed"
            ) from error
        self._remember(judged, now_us)
        return judged

    def _refuse(self, judged: Judged) -> None:
        """Let what was set aside be stored as refused and acknowledged with a turn."""
        aside, self._set_aside = self._set_aside, []
        # One that came again on a new connection is refused once.
        once = {(packet.topic, packet.payload): packet for packet in aside}
        judged.rejects += [self.suspects.refusal(packet) for packet in once.values()]
        judged.packets = [*judged.packets, *aside]

    def _remember(self, judged: Judged, now_us: int) -> None:
        """Take a snapshot when it is time; without one a restart takes longer."""
        now_s = self._clock.monotonic_s()
        if now_s < self._snapshot_due_s:
            return
        self._snapshot_due_s = now_s + self._interval_s
        try:
            judged.snapshot = self._evaluator.snapshot(now_us)
        except Exception:
            log.exception("no snapshot of the engine")
        took_s = self._clock.monotonic_s() - now_s
        self._soonest_s = now_s + max(SNAPSHOT_APART_S, took_s / SNAPSHOT_SHARE)
