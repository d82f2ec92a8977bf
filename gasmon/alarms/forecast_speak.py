"""From a number of a target to an event with its explanation."""

from dataclasses import dataclass
from math import isnan
from typing import TYPE_CHECKING, Any

import numpy as np

from gasmon.alarms.events import AlarmEvent
from gasmon.alarms.forecast_model import INPUTS, probability
from gasmon.alarms.forecast_targets import Targets
from gasmon.alarms.kinds import FORECAST_KIND
from gasmon.batch import Float64
from gasmon.points import PointTable

if TYPE_CHECKING:
    from gasmon.alarms.forecast_judge import Outcome

AHEAD_S = (120, 600)
"""A pre-warning says that the limit is newly reached within this time [s]."""

N_REASONS = 4


@dataclass(frozen=True, slots=True)
class Told:
    """What there is to say of one target."""

    event: str
    target: int
    raised_us: int
    happened_us: int
    explain: dict[str, Any]


def raised(
    target: int,
    at_us: int,
    odds: float,
    threshold: float,
    share: Float64,
    budget: dict[str, Any],
    lost: float,
    n_asked: int,
) -> Told:
    """A pre-warning.

    Args:
        odds: log-odds of a new crossing; ``threshold`` what they had to reach.
        share: what each input added to them, float64[inputs].
        budget: the state of its false-alarm budget.
        lost: how much worse than EWMA the forecast was here lately [nats].
        n_asked: on how many tests that rests.
    """
    heaviest = np.argsort(-np.abs(share), kind="stable")[:N_REASONS]
    explain: dict[str, Any] = {
        "probability": round(float(probability(np.asarray(odds))), 4),
        "threshold": round(float(probability(np.asarray(threshold))), 4),
        "ahead_s": list(AHEAD_S),
        "why": {INPUTS[k]: round(float(share[k]), 3) for k in heaviest.tolist()},
        "budget": budget,
        "advisory": is_advisory(lost, n_asked),
    }
    if n_asked:
        explain["behind_ewma"] = {"nats": round(lost, 4), "tests": n_asked}
    return Told("raised", target, at_us, at_us, explain)


def cleared(outcome: "Outcome") -> Told:
    """The end of a pre-warning, and what it was worth."""
    words = {True: "hit", False: "false", None: "unknown"}
    explain = {
        "outcome": words[outcome.hit],
        "lead_s": outcome.lead_s,
        "probability": round(outcome.probability, 4),
        "threshold": round(outcome.threshold, 4),
    }
    return Told("cleared", outcome.target, outcome.raised_us, outcome.ended_us, explain)


ENOUGH_TESTS = 144
"""The comparison with EWMA is believed after a day of tests, one each 10 minutes."""


def is_advisory(lost: float, n_asked: int) -> bool:
    """Whether the forecast loses to EWMA here and should not be relied on."""
    return n_asked >= ENOUGH_TESTS and lost > 0.0


class Saying:
    """Turns what is told into events.

    Attributes:
        said: where they are collected.
    """

    def __init__(
        self,
        targets: Targets,
        table: PointTable,
        run: int,
        now_us: int,
        said: list[AlarmEvent],
    ) -> None:
        self._targets = targets
        self._table = table
        self._run = run
        self._now_us = now_us
        self.said = said

    def say(self, told: Told, arrived_us: int, value: float) -> None:
        """Make the event of one thing that is told."""
        watch = self._targets.watches[told.target]
        point = self._table.current[watch.row]
        mine = self._table.mines[int(self._table.mine_of[watch.row])]
        number = None if isnan(value) else value
        self.said.append(
            AlarmEvent(
                event=told.event,
                kind=FORECAST_KIND,
                rule=watch.rule,
                subject_type="point",
                subject_id=str(point.key),
                area=mine.area,
                mine=mine.code,
                # Two limits of one point are two alarms, also when both are
                # forecast in the same moment: the key holds the time alone.
                raised_at_us=told.raised_us + watch.nth,
                happened_at_us=told.happened_us + watch.nth,
                arrived_at_us=arrived_us,
                decided_at_us=self._now_us,
                rank=0,
                run=self._run,
                system=point.key.system,
                no=point.key.no,
                unit=point.unit_slug,
                row=watch.row,
                value=number,
                limit=None if isnan(watch.limit) else watch.limit,
                peak=number,
                peak_at_us=told.happened_us,
                explain=told.explain,
            )
        )
