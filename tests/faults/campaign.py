"""A campaign: rounds of chaos on one stack, each followed by healing and checking."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from importlib import resources

from tests.faults.delays import RULES
from tests.faults.plan import SETTINGS, Outcome, Plan
from tests.faults.stack import Stack
from tests.faults.world import World


class Campaign:
    """Runs stack after stack until the time is over or something is found."""

    def __init__(self, plan: Plan, say: Callable[[str], None]) -> None:
        self.plan = plan
        self.outcome = Outcome(plan)
        self._say = say
        self._rng = random.Random(f"campaign/{plan.seed}")

    def run(self) -> Outcome:
        """Do it; a finding ends it, because everything after it would be doubtful."""
        brokers = list(self.plan.brokers)
        if self.plan.seed % 2:
            brokers.reverse()
        end_s = time.monotonic() + self.plan.minutes * 60
        for number, broker in enumerate(brokers):
            left_s = end_s - time.monotonic()
            share_s = left_s / (len(brokers) - number)
            self._stack(broker, self.plan.seed * 10 + number, share_s)
            if self.outcome.findings:
                break
        return self.outcome

    def _rules(self, seed: int) -> str:
        """The shipped rules, or in every second stack the same with delays."""
        text = (resources.files("gasmon.alarms") / "default_rules.toml").read_text(
            "utf-8"
        )
        delayed = self.plan.delays
        if delayed == "both":
            delayed = "no" if (seed + seed // 20) % 2 else "yes"
        if delayed == "yes":
            for old, new in RULES.items():
                assert old in text
                text = text.replace(old, new)
        return text

    def _stack(self, broker: str, seed: int, share_s: float) -> None:
        begin_s = time.monotonic()
        stack = Stack(
            broker,
            SETTINGS,
            self.plan.keep,
            self._rules(seed),
            standby=self.plan.standby,
            timescaledb=self.plan.timescaledb,
        )
        self.outcome.folders.append(str(stack.folder))
        world = None
        try:
            self._say(f"stack {broker}, seed {seed}, {stack.folder}")
            stack.start()
            world = World(stack, self.plan, seed, self._say)
            number = 0
            while not self.outcome.findings:
                number += 1
                spent_s = time.monotonic() - begin_s
                if number > 1 and spent_s + self.plan.round_s * 0.7 > share_s:
                    break
                length_s = min(self.plan.round_s, max(10.0, share_s - spent_s - 25))
                self.outcome.findings += world.round(self._rng, length_s, self.outcome)
            for name, service in stack.services.items():
                if service.own_ends:
                    self.outcome.notes.append(f"{name} ended itself {service.own_ends}")
                    self.outcome.totals[f"{name} ended by itself"] += len(
                        service.own_ends
                    )
        finally:
            if self.outcome.findings:
                # What was found once may not be found again.
                stack.is_kept = True
                self._say(f"evidence stays in {stack.folder}")
            self.outcome.totals.update(self.outcome.now)
            self.outcome.now = {}
            if world is not None:
                world.stop()
            stack.stop()
