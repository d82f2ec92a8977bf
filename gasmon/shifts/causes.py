"""Which alarms make the load, against the figures of ISA-18.2. Pure.

ANSI/ISA-18.2-2016: the ten most frequent alarms should be below 5 % of the load; an
alarm is chattering when it comes three times in a minute. An alarm is what is wrong
(kind) with something (subject); each time that it was told counts.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from gasmon.units import US_PER_MIN

MOST_CAUSES = 10
CHATTERS = 3
"""Times in a minute from which on an alarm is chattering."""


@dataclass(frozen=True, slots=True)
class Cause:
    """One alarm of those that made the load.

    Attributes:
        subject: ``type:id``.
        n: how often it was told.
        share_pct: of everything told [%].
        chattering: whether it came three times in some minute.
    """

    subject: str
    kind: str
    n: int
    share_pct: float
    chattering: bool


def causes_of(told: Iterable[tuple[str, str, int]]) -> list[Cause]:
    """The most frequent alarms, those that came oftenest first.

    Args:
        told: subject, kind, and when it was told [µs UTC], in any order.

    Returns:
        :data:`MOST_CAUSES` at most.
    """
    times: dict[tuple[str, str], list[int]] = {}
    for subject, kind, at_us in told:
        times.setdefault((subject, kind), []).append(at_us)
    n_all = sum(map(len, times.values()))
    first = sorted(times.items(), key=lambda item: (-len(item[1]), item[0]))
    return [
        Cause(
            subject=subject,
            kind=kind,
            n=len(at_us),
            share_pct=100.0 * len(at_us) / n_all,
            chattering=_chatters(sorted(at_us)),
        )
        for (subject, kind), at_us in first[:MOST_CAUSES]
    ]


def _chatters(at_us: list[int]) -> bool:
    """Whether three of these ascending times lie in a minute [µs]."""
    last = zip(at_us, at_us[CHATTERS - 1 :], strict=False)
    return any(late - early < US_PER_MIN for early, late in last)
