"""From a number of a target to an event with its explanation."""

from dataclasses import dataclass
from math import isnan
from typing import Any

import numpy as np

from gasmon.alarms.events import AlarmEvent
from gasmon.alarms.forecast_model import INPUTS, probability
from gasmon.alarms.forecast_targets import Targets
from gasmon.alarms.kinds import ADVISORY_KIND, FORECAST_KIND
from gasmon.batch import Float64
from gasmon.points import PointTable
from gasmon.units import US_PER_S

AHEAD_S = (120, 600)
"""A pre-warning says that the limit is newly reached within this time [s]."""

HORIZON_US = AHEAD_S[1] * US_PER_S

N_REASONS = 4

ADVISORY = "advisory"
"""Why an advisory pre-warning wakes nobody."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one pre-warning ended, as the forecast saw it on its grid.

    Attributes:
        target: number of the target; ``row`` its point; ``model`` who said it.
        ended_us: when the limit was reached, or when the time was over.
        hit: whether the limit was newly reached in time; None when the value was
            not known at the end.
        lead_s: from the pre-warning to the limit; None when it was not reached.
        probability: and ``threshold``: NaN when a restart has forgotten them.
    """

    target: int
    row: int
    model: int
    limit: float
    raised_us: int
    ended_us: int
    hit: bool | None
    lead_s: float | None
    probability: float
    threshold: float


@dataclass(frozen=True, slots=True)
class Warned:
    """A pre-warning, or what a baseline would have said; to be stored and judged.

    Attributes:
        row: the point's; ``model`` one of ``forecast_model.MODELS``.
        limit: in the point's unit, as are ``last_value`` and ``ewma_1min``: what the
            baselines looked at in that moment.
        threshold: the probability that was needed.
    """

    row: int
    model: str
    raised_us: int
    limit: float
    horizon_s: int
    probability: float
    threshold: float
    last_value: float
    ewma_1min: float
    advisory: bool


@dataclass(frozen=True, slots=True)
class Told:
    """What there is to say of one target."""

    event: str
    target: int
    raised_us: int
    happened_us: int
    explain: dict[str, Any]
    kind: str = FORECAST_KIND
    quiet: str | None = None


def raised(
    target: int,
    warned: Warned,
    share: Float64,
    budget: dict[str, Any],
    lost: float,
    n_asked: int,
) -> Told:
    """A pre-warning.

    Args:
        share: what each input added to the log-odds, float64[inputs].
        budget: the state of its false-alarm budget.
        lost: how much worse than EWMA the forecast was here lately [nats].
        n_asked: on how many tests that rests.
    """
    heaviest = np.argsort(-np.abs(share), kind="stable")[:N_REASONS]
    explain: dict[str, Any] = {
        "probability": round(warned.probability, 4),
        "threshold": round(warned.threshold, 4),
        "ahead_s": list(AHEAD_S),
        "why": {INPUTS[k]: round(float(share[k]), 3) for k in heaviest.tolist()},
        "last_value": round(warned.last_value, 4),
        "ewma_1min": round(warned.ewma_1min, 4),
        "budget": budget,
        "advisory": warned.advisory,
    }
    if n_asked:
        explain["behind_ewma"] = _behind(lost, n_asked)
    quiet = ADVISORY if warned.advisory else None
    return Told(
        "raised", target, warned.raised_us, warned.raised_us, explain, quiet=quiet
    )


def cleared(outcome: Outcome) -> Told:
    """The end of a pre-warning, and what it was worth."""
    words = {True: "hit", False: "false", None: "unknown"}
    explain = {
        "outcome": words[outcome.hit],
        "lead_s": outcome.lead_s,
        "probability": _known(outcome.probability),
        "threshold": _known(outcome.threshold),
    }
    return Told("cleared", outcome.target, outcome.raised_us, outcome.ended_us, explain)


def advisory(
    target: int, begun_us: int, at_us: int, lost: float, n_asked: int, *, ends: bool
) -> Told:
    """The forecast of a point became advisory, or counts again."""
    return Told(
        "cleared" if ends else "raised",
        target,
        begun_us,
        at_us,
        {"behind_ewma": _behind(lost, n_asked)},
        ADVISORY_KIND,
        ADVISORY,
    )


def chance(log_odds: float) -> float:
    """Log-odds as a probability; NaN stays NaN."""
    return float(probability(np.asarray(log_odds)))


def _behind(lost: float, n_asked: int) -> dict[str, Any]:
    return {"nats": round(lost, 4), "tests": n_asked}


def _known(share: float) -> float | None:
    return None if isnan(share) else round(share, 4)


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
        watch = self._targets.watch_of(told.target)
        version = watch.at(told.raised_us)
        point = self._table.current[watch.row]
        mine = self._table.mines[int(self._table.mine_of[watch.row])]
        number = None if isnan(value) else value
        self.said.append(
            AlarmEvent(
                event=told.event,
                kind=told.kind,
                rule=version.rule,
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
                limit=None if isnan(version.limit) else version.limit,
                peak=number,
                peak_at_us=told.happened_us,
                quiet=told.quiet,
                explain=told.explain,
            )
        )
