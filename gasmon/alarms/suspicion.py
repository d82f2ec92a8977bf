"""Suspicion: how much of what a mine sends looks as if somebody made it. Pure.

Findings come from stored readings (``suspicion_series``, ``suspicion_flow``) and from
the journal of alarms. Each says from when to when, and which numbers it rests on. A
score is help for an inspector who must choose where to look first: it raises, changes
and suppresses no alarm. All weights are ours.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class SignWords:
    """What a sign is called, and how much it counts alone, 0 to 1."""

    zh: str
    en: str
    weight: float


SIGNS: Mapping[str, SignWords] = {
    "replayed": SignWords("重放旧数据", "old readings once more", 0.8),
    "clipped": SignWords("限值以下削顶", "clipped under its limit", 0.7),
    "flat": SignWords("逐位不变", "flat to the last digit", 0.6),
    "evasion": SignWords("上升时停报、标校或断线", "hidden while it rose", 0.6),
    "flow_mismatch": SignWords("抽采纯量与混合流量不符", "flows do not match", 0.5),
    "flat_while_producing": SignWords("生产时数据不变", "flat while coal is won", 0.5),
    "bits_contradict": SignWords(
        "状态位与数值矛盾", "state bits contradict the value", 0.4
    ),
    "odd_values": SignWords("疑似伪数据报警", "alarms of suspicious data", 0.4),
    "below_neighbour": SignWords("下风侧偏低", "less than before it in its air", 0.4),
    "limits": SignWords("放宽或报警时修改限值", "limits looser, or changed", 0.3),
    "clock": SignWords("煤矿时钟错误", "the mine's clock is wrong", 0.3),
}
"""Every sign, the heaviest first."""

FROM_JOURNAL: Mapping[str, str] = {
    "suspicious_data": "odd_values",
    "evasion": "evasion",
    "producing_but_flat": "flat_while_producing",
    "downstream_below_upstream": "below_neighbour",
    "limits_looser": "limits",
    "limits_changed": "limits",
    "clock_wrong": "clock",
}
"""The sign that an alarm of a kind is."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One sign at a point, a unit or a mine.

    Attributes:
        sign: key of ``SIGNS``.
        from_us, to_us: the stretch that shows it [µs UTC].
        numbers: what it rests on, as JSON has it.
    """

    sign: str
    from_us: int
    to_us: int
    numbers: dict[str, Any] = field(default_factory=dict)


def score(findings: Iterable[Finding]) -> int:
    """How suspicious all of it is together, 0 to 100.

    Signs add up as if each left a share of the doubt: 1 − Π(1 − weight). One sign
    counts once, however often it was found.
    """
    return combined(SIGNS[sign].weight for sign in {f.sign for f in findings})


def combined(weights: Iterable[float]) -> int:
    """Shares of certainty, 0 to 1 each, as one score of 0 to 100."""
    doubt = 1.0
    for weight in sorted(weights):
        doubt *= 1.0 - weight
    return round(100 * (1.0 - doubt))


def mine_score(own: Iterable[Finding], points: Iterable[int]) -> int:
    """A mine's: what is found of itself and its units, and its worst point.

    Not the sum over its points: a mine with many sensors is no worse for it.
    """
    return combined([score(own) / 100, max(points, default=0) / 100])
