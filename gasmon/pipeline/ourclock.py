"""Our own clock, watched by the evaluating thread: its steps, and what the mines say.

Looked at once in every turn; what the mines say is asked once a second at most.
"""

from gasmon.alarms.engine import Patience
from gasmon.clock import SteadyClock
from gasmon.ingest.clocks import MineClocks
from gasmon.ingest.witness import AGREE_US, BEHIND_AT_LEAST_US, Witnesses
from gasmon.settings import EngineSettings
from gasmon.units import US_PER_S

ASK_EVERY_S = 1.0
"""How often mines are asked as witnesses [s]."""

STALL_S = 10.0
"""A clock mark that is this much too late: we stood still or our clock jumped [s]."""

Doubt = dict[str, float | int | str | None]


def patience_of(engine: EngineSettings) -> Patience:
    """How long the engine waits, by our clock."""
    return Patience(
        point_us=round(engine.stale_after_s * US_PER_S),
        mine_us=round(engine.mine_stale_after_s * US_PER_S),
        calibration_us=round(engine.calibration_honoured_s * US_PER_S),
        late_us=round(engine.late_calm_s * US_PER_S),
        gap_us=round((engine.mark_interval_s + STALL_S) * US_PER_S),
    )


def notable(bias_us: int) -> int:
    """A bias that is none of the network's making, which can only delay [µs]."""
    is_off = bias_us > AGREE_US or bias_us <= -BEHIND_AT_LEAST_US
    return bias_us if is_off else 0


class OurClock:
    """Keeps the steady clock right, and says when it is in doubt."""

    def __init__(self, clock: SteadyClock, clocks: MineClocks) -> None:
        """Watch a clock.

        Args:
            clocks: of the mines; told what they say together, and when ours is moved.
        """
        self._clock = clock
        self._clocks = clocks
        self._asked_s = -ASK_EVERY_S
        self._witnesses: Witnesses | None = None

    def look(self) -> None:
        """Compare the clocks; between turns, because it may move ours."""
        now_s = self._clock.monotonic_s()
        bias_us = None
        if now_s - self._asked_s >= ASK_EVERY_S:
            self._asked_s = now_s
            noticed_us = self._clock.noticed_us or 0
            self._witnesses = self._clocks.witnesses(self._clock.now_us(), noticed_us)
            if self._witnesses is not None:
                bias_us = self._witnesses.bias_us
                # While there are too few, what they said last goes on to count.
                self._clocks.bias_us = notable(bias_us)
        moved_us = self._clock.look(bias_us)
        if moved_us:
            self._clocks.our_clock_moved(moved_us)
            if abs(moved_us) >= US_PER_S and self._clocks.bias_us:
                self._clocks.bias_us = notable(self._clocks.bias_us - moved_us)

        steering = self._clock.steering
        is_undecided = steering.noticed_s is not None and steering.kept_s is None
        self._clocks.doubt_us = max(0, steering.error_us) if is_undecided else 0

    def doubt(self) -> Doubt | None:
        """Numbers about what is wrong; None when nothing is."""
        bias_us = self._clocks.bias_us
        steering = self._clock.steering
        if steering.noticed_s is None and not bias_us:
            return None
        step_us = steering.error_us if steering.noticed_s is not None else 0
        agree: str | None = None
        if self._witnesses is not None and step_us:
            agree = "steady" if steering.kept_s is not None else None
        elif self._witnesses is not None:
            agree = "neither"
        return {
            "step_s": step_us / US_PER_S,
            "bias_s": bias_us / US_PER_S,
            "witnesses": 0 if self._witnesses is None else self._witnesses.n,
            "witnesses_agree": agree,
        }
