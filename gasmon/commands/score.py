"""How good the forecast was on a recorded series: ``gasmon replay --score``.

The protocol counts from the series itself and believes nothing that the engine says of
its own success:

- onset: the limit is reached after at least 5 min below it.
- hit: an onset within 10 min after a pre-warning; every other pre-warning is false.
- label at t: the limit is reached somewhere in [t + 3 min, t + 6 min]; the area under
  the ROC curve (AUC) counts only moments at which the value is below the limit.

The baselines (last value, EWMA of 1 min) have the same budget, the same controller and
the same silence after a crossing as the forecast; only what they look at differs.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite, sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gasmon.alarms.forecast import ForecastEngine
from gasmon.alarms.forecast_model import EWMA, FORECAST, MODELS, Bools
from gasmon.alarms.forecast_truth import onsets
from gasmon.batch import Float64, Int64
from gasmon.commands.series import Column
from gasmon.errors import ConfigError
from gasmon.points import PointKey
from gasmon.units import US_PER_S

US_PER_MIN = 60 * US_PER_S
WITHIN_US = 10 * US_PER_MIN
LABEL_US = (3 * US_PER_MIN, 6 * US_PER_MIN)
LEAD_US = 3 * US_PER_MIN
BLOCK_US = 120 * US_PER_MIN
N_RESAMPLES = 200
Z95 = 1.96
US_PER_DAY = 86_400 * US_PER_S

WINDOWS = (
    ("whole", 0.0, 1.0),
    ("first_half", 0.0, 0.5),
    ("second_half", 0.5, 1.0),
    ("last_40pct", 0.6, 1.0),
)
"""Stretches that are counted apart, as shares of the series."""

ORDER = (FORECAST, EWMA, 2)


def parse_scores(
    texts: Sequence[str], mine: str, columns: Sequence[Column]
) -> dict[PointKey, list[float]]:
    """Read ``--score POINT=LIMIT`` flags.

    Raises:
        ConfigError: wrong form, an unknown column, a column that is not methane, or a
            limit that is no positive number.
    """
    known = {column.name: column for column in columns}
    scores: dict[PointKey, list[float]] = {}
    for text in texts:
        name, _, number = text.rpartition("=")
        column = known.get(name)
        if column is None:
            raise ConfigError(
                f"--score {text}: POINT=LIMIT is wanted, the point one of "
                f"{', '.join(known)}"
            )
        if column.quantity != "CH4":
            raise ConfigError(f"--score {text}: {name} is not CH4: {column.quantity}")
        try:
            limit = float(number)
        except ValueError:
            limit = float("nan")
        if not (isfinite(limit) and limit > 0):
            raise ConfigError(f"--score {text}: {number!r} is no positive limit")
        limits = scores.setdefault(PointKey(mine, "01", column.no), [])
        if limit in limits:
            raise ConfigError(f"--score {text} is given twice")
        limits.append(limit)
    return scores


def labels(at_us: Int64, value: Float64, limit: float) -> tuple[Bools, Bools]:
    """Whether the limit is reached 3 to 6 min ahead, and whether that is known."""
    first = np.searchsorted(at_us, at_us + LABEL_US[0], "left")
    end = np.searchsorted(at_us, at_us + LABEL_US[1], "right")
    counted = np.r_[0, np.cumsum(value >= limit)]
    known = end > first
    if len(at_us):
        known &= at_us + LABEL_US[1] <= at_us[-1]
    return counted[end] > counted[first], known


def auc(odds: Float64, truth: Bools, weight: Float64 | None = None) -> float | None:
    """Area under the ROC curve, ties counted half; None without both classes."""
    weight = np.ones(len(odds)) if weight is None else weight
    _, place = np.unique(odds, return_inverse=True)
    return _auc_of_places(place, truth, weight)


def _auc_of_places(
    place: NDArray[np.intp], truth: Bools, weight: Float64
) -> float | None:
    n = int(place.max()) + 1 if len(place) else 0
    yes = np.bincount(place[truth], weight[truth], n)
    no = np.bincount(place[~truth], weight[~truth], n)
    pairs = yes.sum() * no.sum()
    if pairs == 0:
        return None
    below = np.cumsum(no) - no
    return float((yes * (below + no / 2)).sum() / pairs)


def gain_interval(
    at_us: Int64, odds: Float64, base: Float64, truth: Bools
) -> list[float] | None:
    """95 % interval of the difference of two AUCs, by resampling blocks of 2 h.

    Neighbouring moments know nearly the same, so whole blocks are drawn; the seed is
    fixed and the same series gives the same interval.
    """
    if len(at_us) == 0:
        return None
    block = (at_us - at_us[0]) // BLOCK_US
    _, block = np.unique(block, return_inverse=True)
    n = int(block.max()) + 1
    places = [np.unique(x, return_inverse=True)[1] for x in (odds, base)]
    rng = np.random.default_rng(1)
    gains = []
    for _ in range(N_RESAMPLES):
        drawn = np.bincount(rng.integers(0, n, n), minlength=n)[block].astype(float)
        pair = [_auc_of_places(place, truth, drawn) for place in places]
        if pair[0] is not None and pair[1] is not None:
            gains.append(pair[0] - pair[1])
    if not gains:
        return None
    return [round(float(x), 4) for x in np.quantile(gains, (0.025, 0.975))]


def share_interval(n: int, of: int) -> list[float] | None:
    """95 % Wilson interval of a share."""
    if of == 0:
        return None
    share, z2 = n / of, Z95**2
    middle = (share + z2 / (2 * of)) / (1 + z2 / of)
    half = Z95 * sqrt(share * (1 - share) / of + z2 / (4 * of**2)) / (1 + z2 / of)
    return [round(middle - half, 3), round(middle + half, 3)]


@dataclass(frozen=True, slots=True)
class Record:
    """What one model saw and said of one limit of one point."""

    at_us: Int64
    value: Float64
    odds: Float64
    warned_us: Int64


def records(engine: ForecastEngine) -> dict[tuple[str, float], dict[int, Record]]:
    """Looks and pre-warnings by point and limit, then by model."""
    looks = engine.looks or []
    if not looks:
        return {}
    target = np.concatenate([look.target for look in looks])
    at, value = (
        np.concatenate([look.at_us for look in looks]),
        np.concatenate([look.value for look in looks]),
    )
    odds = np.concatenate([look.odds for look in looks])
    found: dict[tuple[str, float], dict[int, Record]] = {}
    for number in range(engine.targets.n):
        watch = engine.targets.watch_of(number)
        if watch.rule != "score":
            continue
        own = target == number
        warned = [o.raised_us for o in engine.outcomes if o.target == number]
        name = engine.table.keys[watch.row].no
        found.setdefault((name, watch.limit), {})[number % len(MODELS)] = Record(
            at[own], value[own], odds[own], np.asarray(warned, np.int64)
        )
    return found


def count(record: Record, limit: float, from_us: int, to_us: int) -> dict[str, Any]:
    """Hits, leads and false alarms of the pre-warnings in [from, to)."""
    all_onsets = onsets(record.at_us, record.value, limit)
    warned = record.warned_us
    first = np.searchsorted(warned, all_onsets - WITHIN_US, "left")
    hit = np.zeros(len(all_onsets), np.bool_)
    known = first < len(warned)
    hit[known] = warned[first[known]] < all_onsets[known]
    lead = (
        np.where(hit, all_onsets - warned[np.minimum(first, len(warned) - 1)], 0)
        if len(warned)
        else np.zeros(len(all_onsets), np.int64)
    )
    inside = (all_onsets >= from_us) & (all_onsets < to_us)
    next_onset = np.searchsorted(all_onsets, warned, "right")
    true = np.zeros(len(warned), np.bool_)
    some = next_onset < len(all_onsets)
    true[some] = all_onsets[next_onset[some]] <= warned[some] + WITHIN_US
    said = (warned >= from_us) & (warned < to_us)
    n_false = int(np.count_nonzero(said & ~true))
    days = (to_us - from_us) / US_PER_DAY
    n_early = int(np.count_nonzero(inside & (lead >= LEAD_US)))
    leads = lead[inside & hit] / US_PER_MIN
    n_hit, n_onsets = len(leads), int(np.count_nonzero(inside))
    return {
        "onsets": n_onsets,
        "warned": n_hit,
        "warned_interval": share_interval(n_hit, n_onsets),
        "hits_3min": n_early,
        "median_lead_min": round(float(np.median(leads)), 2) if n_hit else None,
        "false": n_false,
        "false_per_day": round(n_false / days, 3) if days > 0 else None,
    }


def scoreboard(engine: ForecastEngine) -> list[dict[str, Any]]:
    """One entry for each scored limit, with all windows and models."""
    board = []
    for (name, limit), by_model in records(engine).items():
        entry: dict[str, Any] = {
            "point": name,
            "limit": limit,
            "budget_per_day": engine.budget.per_day,
            "windows": {},
        }
        board.append(entry)
        at = by_model[FORECAST].at_us
        if len(at) < 2:
            continue
        truth, known = labels(at, by_model[FORECAST].value, limit)
        begin, length = int(at[0]), int(at[-1] - at[0]) + 1
        for window, low, high in WINDOWS:
            from_us, to_us = begin + round(low * length), begin + round(high * length)
            use = known & (at >= from_us) & (at < to_us)
            use &= by_model[FORECAST].value < limit
            told: dict[str, Any] = {"days": round((to_us - from_us) / US_PER_DAY, 3)}
            for model in ORDER:
                record = by_model[model]
                area = auc(record.odds[use], truth[use])
                told[MODELS[model]] = {
                    "auc": None if area is None else round(area, 4),
                    **count(record, limit, from_us, to_us),
                }
            told["auc_gain_interval"] = gain_interval(
                at[use], by_model[FORECAST].odds[use], by_model[EWMA].odds[use],
                truth[use],
            )  # fmt: skip
            entry["windows"][window] = told
    return board


def print_board(board: Sequence[dict[str, Any]]) -> None:
    """The table for people, on stderr."""
    for entry in board:
        print(
            f"\n{entry['point']} ≥ {entry['limit']:g}  预算 budget "
            f"{entry['budget_per_day']:g} 误报/天 false alarms a day",
            file=sys.stderr,
        )
        print(
            f"{'window':<12}{'model':<12}{'AUC':>7}{'onsets':>8}{'warned':>8}"
            f"{'≥3 min':>8}{'lead min':>10}{'false':>7}{'a day':>7}",
            file=sys.stderr,
        )
        for window, told in entry["windows"].items():
            for model in ORDER:
                row = told[MODELS[model]]
                print(
                    f"{window:<12}{MODELS[model]:<12}{_shown(row['auc'], 4):>7}"
                    f"{row['onsets']:>8}{row['warned']:>8}{row['hits_3min']:>8}"
                    f"{_shown(row['median_lead_min'], 1):>10}{row['false']:>7}"
                    f"{_shown(row['false_per_day'], 2):>7}",
                    file=sys.stderr,
                )
            print(f"{'':<12}{_intervals(told)}", file=sys.stderr)


def _intervals(told: dict[str, Any]) -> str:
    """How sure two of a window's numbers are: the gain of AUC and the share warned."""
    own, base = told[MODELS[FORECAST]], told[MODELS[EWMA]]
    parts = []
    if told["auc_gain_interval"] is not None:
        low, high = told["auc_gain_interval"]
        gain = own["auc"] - base["auc"]
        parts.append(f"AUC {gain:+.3f} over EWMA, 95 % {low:+.3f} … {high:+.3f}")
    if own["warned_interval"] is not None:
        low, high = own["warned_interval"]
        share = own["warned"] / own["onsets"]
        parts.append(f"warned {share:.0%}, 95 % {low:.0%} … {high:.0%}")
    return "; ".join(parts) or "no onset"


def _shown(number: float | None, digits: int) -> str:
    return "-" if number is None else f"{number:.{digits}f}"
