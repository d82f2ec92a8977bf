"""Steps of an event's way to a recipient, and which of them are missing. Pure.

happened → arrived → decided → committed → sent → received → stored → drawn → sounded →
confirmed: the first four are the event's own times, the others one row each in the
ledger. A later step proves that it was sent and stored. A recipient is a platform, or
a room: its consoles, of which one is enough.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from gasmon.units import US_PER_S

SENT = "sent"
STORED = "stored"
DRAWN = "drawn"
SOUNDED = "sounded"
STEPS = (SENT, "received", STORED, DRAWN, SOUNDED, "confirmed")
"""In the order in which they happen."""

REPORTED = STEPS[1:]
"""What a recipient says itself; ``stored`` also by an acknowledgement."""

PROMISED = (DRAWN, SOUNDED, "confirmed")
"""What a recipient may promise to report for each event."""

BLOCKED = "blocked"
"""What a page says in place of ``sounded`` when it could not: no step of the way."""

ASKING = ("raised", "level", "broke_through")
"""Events that somebody must hear of in time; of the others the ledger tells alone."""


@dataclass(frozen=True, slots=True)
class Allowed:
    """How long after its commit an event may take to each step [µs].

    Attributes:
        stored_us: to be sent, received and stored.
        drawn_us: to be drawn and sounded.
        confirmed_us: to be confirmed.
    """

    stored_us: int = 30 * US_PER_S
    drawn_us: int = 30 * US_PER_S
    confirmed_us: int = 300 * US_PER_S

    def of(self, step: str) -> int:
        """Of one step [µs]."""
        if step in (DRAWN, SOUNDED):
            return self.drawn_us
        return self.confirmed_us if step == "confirmed" else self.stored_us


@dataclass(frozen=True, slots=True)
class Gap:
    """An event that did not get to a recipient in time.

    Attributes:
        tier: whose recipient it is.
        rank: of the event.
        told_us: when the event was committed [µs UTC].
        from_us: when the first step was missing [µs UTC].
        until_us: when the last of them was there [µs UTC]; None: not yet.
    """

    tier: str
    rank: int
    told_us: int
    from_us: int
    until_us: int | None


def missing(
    done: Collection[str], wanted: Collection[str], age_us: int, allowed: Allowed
) -> tuple[str, ...]:
    """Steps that should have happened by now, in their order.

    Args:
        done: steps of the ledger.
        wanted: what is expected of the recipient.
        age_us: since the event was committed [µs].
    """
    at = dict.fromkeys(done, 0)
    return tuple(
        step
        for step in STEPS
        if step in wanted and age_us >= allowed.of(step) and _known_us(step, at) is None
    )


def gap(
    done: Mapping[str, int],
    wanted: Collection[str],
    *,
    tier: str,
    rank: int,
    told_us: int,
    allowed: Allowed,
) -> Gap | None:
    """Where a recipient was too late, or will be if nothing comes.

    Args:
        done: steps of the ledger with the time at which we knew of them [µs UTC].
        wanted: what is expected of the recipient.
        told_us: when the event was committed [µs UTC].

    Returns:
        None when everything that is wanted came in time.
    """
    late: list[tuple[int, int | None]] = []
    for step in wanted:
        limit_us, known_us = told_us + allowed.of(step), _known_us(step, done)
        if known_us is None or known_us > limit_us:
            late.append((limit_us, known_us))
    if not late:
        return None
    ends = [known_us for _, known_us in late if known_us is not None]
    return Gap(
        tier,
        rank,
        told_us,
        from_us=min(limit_us for limit_us, _ in late),
        until_us=max(ends) if len(ends) == len(late) else None,
    )


def _known_us(step: str, done: Mapping[str, int]) -> int | None:
    """When a step was known to have happened.

    Who drew an event holds it; whether it sounded, only its own word says.
    """
    if step in PROMISED:
        return done.get(step)
    proofs = STEPS[STEPS.index(step) :]
    return min((done[proof] for proof in proofs if proof in done), default=None)
