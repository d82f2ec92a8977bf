"""A scenario as it plays: its mines' frames, at its pace, over their connections.

**Faster than real time without a clock of its own.** gasmon judges readings in their
own time and its clock is nobody's to turn, so a scenario of 20 min at ten times real
time begins 18 min in the past and has caught up when it ends: to the platform it is a
backlog that comes in order, judged as if live. What the platform judges by its own
clock (silence, last wills, planned work) an expectation marks with ``by_arrival``.
"""

import time
from collections.abc import Callable

from gasmon.units import US_PER_S
from simulators.act import Act, Turn
from simulators.fleet import Fleet
from simulators.gateway import boot_name
from simulators.link import Broker
from simulators.places import Places
from simulators.scenario import Scenario
from simulators.verdict import Clock


class Performance:
    """One scenario in one run.

    Attributes:
        clock: how its seconds belong to times; set anew when it begins.
        fleet: its gateways' connections.
    """

    def __init__(
        self,
        scenario: Scenario,
        places: Places,
        broker: Broker,
        on_turn: Callable[[Turn], None],
        *,
        run: int = 0,
        clock_off_us: int = 0,
    ) -> None:
        """Prepare city and gateways; nothing connects yet.

        Args:
            on_turn: told of each cycle before its messages leave.
            run: 0 for live, else the number of the drill.
            clock_off_us: how much the platform's clock is ahead of ours [µs].
        """
        self._scenario = scenario
        self._on_turn = on_turn
        self._clock_off_us = clock_off_us
        self._act = Act(scenario, places, boot_name(time.time_ns() // 1000), run=run)
        self._begin_s: float | None = None
        self.clock = self._beginning_now()
        # A drill's gateways must not push the live ones of the same mines out.
        self.fleet = Fleet(
            self._act.gateways,
            broker,
            self._now_us,
            client_prefix=f"drill{run}" if run else "gateway",
        )

    def _beginning_now(self) -> Clock:
        scenario = self._scenario
        real_us = time.time_ns() // 1000 + self._clock_off_us
        lead_s = scenario.duration_s * (1 - 1 / scenario.speed)
        # Whole milliseconds, as on the wire.
        begin_us = (real_us - int(lead_s * US_PER_S)) // 1000 * 1000
        return Clock(begin_us, real_us, scenario.speed)

    def begin(self) -> None:
        """It begins now."""
        self._begin_s = time.monotonic()
        self.clock = self._beginning_now()
        self._act.begin_us = self.clock.begin_us

    @property
    def now_s(self) -> float:
        """Seconds of the scenario since its begin; at real time once it is over."""
        if self._begin_s is None:
            return -1.0
        real_s = time.monotonic() - self._begin_s
        lasts_s = self._scenario.duration_s / self.clock.speed
        fast_s = min(real_s, lasts_s) * self.clock.speed
        return fast_s + max(0.0, real_s - lasts_s)

    def _now_us(self) -> int:
        return self.clock.begin_us + int(self.now_s * US_PER_S)

    def turn(self) -> None:
        """Do what is due now: a cycle of the mines, the network."""
        if self._act.due_s <= self.now_s:
            self._cycle()
        self.fleet.turn(0.0)

    def _cycle(self) -> None:
        """The next frame of each mine, whatever the time is by now."""
        turn = self._act.cycle()
        link_of = self.fleet.link_of
        self._on_turn(turn)
        for gateway in turn.cut:
            link_of[gateway.mine.code].cut()
        for gateway in turn.mended:
            link_of[gateway.mine.code].mend()
        for message in turn.messages:
            link_of[message.gateway.mine.code].send(message)
        for gateway, seqs in turn.late:
            link_of[gateway.mine.code].send_again(gateway, seqs)
