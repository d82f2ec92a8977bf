"""Steps of an event's way to a recipient, and which of them are missing. Pure.

happened → arrived → decided → committed → sent → received → stored → drawn → sounded →
confirmed: the first four are the event's own times, the others one row each in the
ledger. A later step proves that it was
sent and stored.
"""

from collections.abc import Collection

from gasmon.units import US_PER_S

SENT = "sent"
STORED = "stored"
STEPS = (SENT, "received", STORED, "drawn", "sounded", "confirmed")
"""In the order in which they happen."""

REPORTED = STEPS[1:]
"""What a recipient says itself; ``stored`` also by an acknowledgement."""

PROMISED = ("drawn", "sounded", "confirmed")
"""What a recipient may promise to report for each event."""

MISSING_AFTER_US = 30 * US_PER_S
"""How long after its commit a step counts as missing [µs]. Ours: two dead lines of
three heartbeats each."""


def missing(
    done: Collection[str], promised: Collection[str], age_us: int
) -> tuple[str, ...]:
    """Steps that should have happened by now.

    Args:
        done: steps of the ledger.
        promised: what the recipient said it would report, besides storing.
        age_us: since the event was committed [µs].
    """
    if age_us < MISSING_AFTER_US:
        return ()
    last = max((STEPS.index(step) for step in done), default=-1)
    wanted = {SENT, STORED, *promised}
    # Who drew an event holds it; whether it sounded, only its own word says.
    proven = set(STEPS[: last + 1]) - (set(PROMISED) - set(done))
    return tuple(step for step in STEPS if step in wanted - proven)
