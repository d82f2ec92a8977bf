"""Whether handling records can be true: copied, too fast, against evidence. Pure.

A doubt is a note beside a record, for whoever reads it. It changes nothing, asks nobody
and suppresses nothing: the record stands, and who wrote it may be right.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from gasmon.alarms.lifecycle import Words
from gasmon.units import US_PER_MIN

SAID_EVENTS = ("verified", "handled", "fed_back")
"""Records in which somebody says what was found or done."""

LEAST_CHARS = 10
"""Shorter texts are set phrases, and alike without being copied. Ours."""

FASTEST_US = {"handled": US_PER_MIN, "fed_back": 3 * US_PER_MIN}
"""Nobody has telephoned underground and written it down in less, nor sent somebody and
heard what he found [µs]. Ours: in the timeline that was observed the telephone call
came 76 s after the confirmation and 168 s after the alarm."""

NOT_GAS = ("sensor_fault", "calibration", "interference", "communication", "false_data")
"""Causes by which there was no gas."""

COPIED = "copied"
TOO_FAST = "too_fast"
NEIGHBOUR_ROSE = "neighbour_rose"
NO_CALIBRATION = "no_calibration"

WORDS = {
    COPIED: Words("与其他报警的记录相同", "the same words as for another alarm"),
    TOO_FAST: Words("快于实际可能", "faster than it can be done"),
    NEIGHBOUR_ROSE: Words(
        "同一地点其他测点同时超限", "another point there was over its limit with it"
    ),
    NO_CALIBRATION: Words("期间没有标校状态", "no calibration state in that time"),
}
"""What each doubt says."""


@dataclass(frozen=True, slots=True)
class Saying:
    """One record of handling.

    Attributes:
        at_us: when it was written [µs UTC].
        cause_code: of ``causes.CAUSES``; None when it names none.
    """

    event: str
    text: str
    at_us: int
    cause_code: str | None = None


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known of the alarm itself.

    Attributes:
        kind: of the alarm.
        told_us: when it was recorded [µs UTC].
        neighbour_rose: another point of its incident was over its limit in its time.
        was_calibrated: its point had the calibration state in its time; None where no
            reading tells.
    """

    kind: str
    told_us: int
    neighbour_rose: bool = False
    was_calibrated: bool | None = None


def words_of(text: str) -> str:
    """What two texts have in common when one is a copy: no blanks, signs or numbers."""
    return "".join(c for c in text.casefold() if c.isalpha())


def doubts_of(
    said: Saying, evidence: Evidence, before: Collection[str]
) -> tuple[str, ...]:
    """What speaks against one record.

    Args:
        before: ``words_of`` what was written earlier for other incidents of the mine.

    Returns:
        Keys of ``WORDS``.
    """
    if said.event not in SAID_EVENTS:
        return ()
    found: list[str] = []
    words = words_of(said.text)
    if len(words) >= LEAST_CHARS and words in before:
        found.append(COPIED)
    if said.at_us - evidence.told_us < FASTEST_US.get(said.event, 0):
        found.append(TOO_FAST)
    if evidence.kind == "over_limit" and said.cause_code in NOT_GAS:
        if evidence.neighbour_rose:
            found.append(NEIGHBOUR_ROSE)
        if said.cause_code == "calibration" and evidence.was_calibrated is False:
            found.append(NO_CALIBRATION)
    return tuple(found)


def told_doubts(names: Sequence[str]) -> list[dict[str, str]]:
    """Doubts as people read them."""
    return [
        {"doubt": name, "zh": WORDS[name].zh, "en": WORDS[name].en} for name in names
    ]
