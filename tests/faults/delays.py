"""What delays make uncertain when readings come late, and what they do not.

A pending delay matures on the next reading or on our clock, and silence starts an end
anew. So while a way is broken an alarm may exist that a delayed reading would have
cancelled, an end may come later, and a level may be reached that a delayed end would
have forestalled. A beginning is never moved, and nothing is lost.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tests.faults.finding import Span
from tests.faults.truth import Alarm, AlarmKey

ON_MS, OFF_MS = 2500, 1500
"""The on- and the off-delay of campaigns with delays [ms]."""

RULES = {
    'on = "0s"': f'on = "{ON_MS}ms"',
    'off = "0s"': f'off = "{OFF_MS}ms"',
    '["5min", "yellow"], ["10min", "orange"]': '["3s", "yellow"], ["6s", "orange"]',
}
"""What a campaign with delays changes in the shipped rules. The delays lie between two
cycles, so that a few ms of a clock decide nothing."""

MATURED_S = 10.5
"""After this nothing pending can change: delay, last level, a clock mark [s]."""


@dataclass(frozen=True)
class Delays:
    """What is known of delays for one check.

    Attributes:
        cancelled: alarms that a reading cancelled before their delay was over.
        trouble: when the way from a mine was broken.
    """

    cancelled: frozenset[AlarmKey]
    trouble: Sequence[Span]

    def troubled(self, alarm: Alarm, until_us: int | None = None) -> bool:
        """Whether its mine's way was broken while it lived, or shortly before."""
        end = alarm.cleared_us if until_us is None else until_us
        mine = alarm.key.subject.split(":")[1][:12]
        begin = alarm.key.raised_us - 20_000_000
        return any(s.touches(mine, begin, 2**63 if end is None else end)
                   for s in self.trouble)  # fmt: skip

    def may_exist(self, extra: Alarm) -> bool:
        """A delay that a reading would have cancelled, had it not been delayed."""
        return extra.key in self.cancelled and self.troubled(extra)

    def may_differ(self, truth: Alarm, stored: Alarm) -> bool:
        """It ends later, or had time to rise."""
        if truth.cleared_us is None:
            return False
        longer = stored.cleared_us is None or stored.cleared_us >= truth.cleared_us
        return longer and stored.rank >= truth.rank and self.troubled(stored)

    def may_be_missing(self, missing: Alarm, stored: Sequence[Alarm]) -> bool:
        """It went on from one that should have been over, or never have been."""
        at = missing.key.raised_us
        lived = [
            s
            for s in stored
            if s.key.raised_us < at and (s.cleared_us is None or s.cleared_us >= at)
        ]
        # One that should never have been lives on while its end is interrupted, for
        # longer than the way was broken.
        return any(self.troubled(missing) or self._matured_early(s) for s in lived)

    def _matured_early(self, alarm: Alarm) -> bool:
        """Raised by our clock while the reading that cancels it was under way."""
        begin_us = alarm.key.raised_us
        return alarm.key in self.cancelled and self.troubled(alarm, begin_us)
