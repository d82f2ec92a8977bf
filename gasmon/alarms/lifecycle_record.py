"""What the records of an alarm's handling amount to, tier by tier.

Records are never changed: a correction or a withdrawal is a record that refers to an
older one. What counts is folded from them here.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from gasmon.alarms.lifecycle import TIERS

PHASES = ("none", "verified", "handling", "fed_back")
"""How far a tier has come with an alarm."""

PHASE_MOVES: Mapping[str, Mapping[str, str]] = {
    # Verified again while somebody works on it: the work goes on.
    "verified": {
        "none": "verified",
        "verified": "verified",
        "handling": "handling",
        "fed_back": "fed_back",
    },
    "handled": dict.fromkeys(PHASES, "handling"),
    "fed_back": dict.fromkeys(PHASES, "fed_back"),
}
"""Event × phase → phase; other events leave the phase alone."""

CAUSE_EVENTS = ("confirmed", "verified", "handled", "corrected")
"""Records that may name a cause."""

WITHDRAWABLE = ("commented", "assigned", "verified", "handled", "fed_back", "corrected")
"""Records that may be withdrawn. A confirmation is a fact, not a statement, and a shelf
is ended by ``unshelve``."""

CORRECTABLE = ("confirmed", "commented", "verified", "handled", "fed_back")
"""Records whose text or cause may be corrected."""


@dataclass(frozen=True, slots=True)
class Record:
    """One row of an alarm's journal that a person (or a rule) wrote.

    Attributes:
        record_id: its number in the journal.
        tier: of the writer; None for an administrator or a rule.
        refers_to: the record that it corrects or withdraws.
        to: who was assigned, or the tier whose status was asked for.
    """

    record_id: int
    event: str
    tier: str | None
    cause_code: str | None = None
    refers_to: int | None = None
    to: str | None = None


def withdrawn_ids(records: Iterable[Record]) -> frozenset[int]:
    """Numbers of the records that no longer count.

    A correction goes with what it corrects.
    """
    rows = list(records)
    gone = {r.refers_to for r in rows if r.event == "withdrawn" and r.refers_to}
    gone |= {
        r.record_id for r in rows if r.event == "corrected" and r.refers_to in gone
    }
    return frozenset(gone)


def phases(records: Sequence[Record]) -> dict[str, str]:
    """The phase of each tier, from the records in the order of their writing."""
    gone = withdrawn_ids(records)
    found = dict.fromkeys(TIERS, "none")
    for record in records:
        moves = PHASE_MOVES.get(record.event)
        if moves is None or record.tier is None or record.record_id in gone:
            continue
        found[record.tier] = moves[found[record.tier]]
    return found


def owes_status(records: Sequence[Record]) -> dict[str, bool]:
    """Which tiers were asked for their status and have not fed back since."""
    gone = withdrawn_ids(records)
    found = dict.fromkeys(TIERS, False)
    for record in records:
        if record.event == "status_requested" and record.to in found:
            found[record.to] = True
        elif record.event == "fed_back" and record.record_id not in gone:
            assert record.tier is not None, "who feeds back has a tier"
            found[record.tier] = False
    return found


def assigned_to(records: Sequence[Record]) -> str | None:
    """Who was assigned last."""
    gone = withdrawn_ids(records)
    last = None
    for record in records:
        if record.event == "assigned" and record.record_id not in gone:
            last = record.to
    return last


def cause_of(records: Sequence[Record]) -> str | None:
    """The cause that stands: the newest one named, corrections applied."""
    gone = withdrawn_ids(records)
    corrected = {
        r.refers_to: r.cause_code
        for r in records
        if r.event == "corrected" and r.cause_code and r.record_id not in gone
    }
    cause = None
    for record in records:
        if record.event == "corrected" or record.record_id in gone:
            continue
        if record.event in CAUSE_EVENTS:
            cause = corrected.get(record.record_id) or record.cause_code or cause
    return cause
