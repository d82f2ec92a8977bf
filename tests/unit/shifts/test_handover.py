"""The table of hand-overs, walked completely."""

from __future__ import annotations

from itertools import product

import pytest

from gasmon.shifts import handover
from gasmon.shifts.handover import (
    ACCEPTED,
    INCOMING,
    OPEN,
    OUTGOING,
    REFUSED,
    SIDES,
    SIGNED,
    STATES,
    TABLE,
    Refusal,
    decide,
    fingerprint,
    is_reminder_due,
    state_of,
)
from gasmon.units import US_PER_H, US_PER_MIN

BOTH = frozenset({OUTGOING, INCOMING})
MOVES = {
    ("note", OPEN): OPEN,
    ("note", REFUSED): REFUSED,
    ("sign", OPEN): SIGNED,
    ("sign", REFUSED): SIGNED,
    ("accept", SIGNED): ACCEPTED,
    ("refuse", SIGNED): REFUSED,
}
"""Everything that is possible."""


@pytest.mark.parametrize(("action", "state"), list(product(TABLE, STATES)))
@pytest.mark.parametrize(
    "sides",
    [frozenset(), {OUTGOING}, {INCOMING}, BOTH],
    # The order of a set differs from worker to worker.
    ids=lambda sides: "+".join(sorted(sides)) or "none",
)
@pytest.mark.parametrize("by", ["李", "王"])
@pytest.mark.parametrize("until_end_us", [-US_PER_H, US_PER_H, US_PER_H + 1])
def test_every_cell_of_the_table(
    action: str, state: str, sides: set[str], by: str, until_end_us: int
) -> None:
    """State × action × side × person × time: moves are those and no others."""
    signed_by = "李" if state in (SIGNED, ACCEPTED) else None
    found = decide(
        state,
        action,
        sides=frozenset(sides),
        by=by,
        signed_by=signed_by,
        until_end_us=until_end_us,
    )
    if (action, state) not in MOVES:
        assert isinstance(found, Refusal)
        assert found.why == TABLE[action][state]
    elif SIDES[action] not in sides:
        assert found in (
            Refusal(handover.NOT_OUTGOING),
            Refusal(handover.NOT_INCOMING),
        )
    elif SIDES[action] == INCOMING and by == signed_by:
        assert found == Refusal(handover.SAME_PERSON)
    elif action == "sign" and until_end_us > US_PER_H:
        assert found == Refusal(handover.TOO_EARLY)
    else:
        assert found == MOVES[action, state]


def test_the_table_has_every_cell_and_both_languages() -> None:
    """Each action knows each state; a refusal is a sentence in both languages."""
    for row in TABLE.values():
        assert set(row) == set(STATES)
        for cell in row.values():
            assert cell in STATES or (cell.zh and cell.en)  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("events", "state"),
    [
        ([], OPEN),
        (["noted", "reminded"], OPEN),
        (["noted", "signed", "reminded"], SIGNED),
        (["signed", "refused", "noted"], REFUSED),
        (["signed", "refused", "signed", "accepted"], ACCEPTED),
    ],
)
def test_the_state_is_that_of_the_last_word(events: list[str], state: str) -> None:
    """Notes and reminders change none."""
    assert state_of(events) == state


def test_a_fingerprint_is_of_the_content_and_not_of_its_order() -> None:
    """Any other content has another one."""
    assert fingerprint({"a": 1, "b": "班"}) == fingerprint({"b": "班", "a": 1})
    assert fingerprint({"a": 1}) != fingerprint({"a": 2})


def test_reminders_come_after_a_quarter_and_then_each_hour() -> None:
    """Neither earlier nor at each look."""
    assert not is_reminder_due(0, None, 15 * US_PER_MIN - 1)
    assert is_reminder_due(0, None, 15 * US_PER_MIN)
    assert not is_reminder_due(0, 15 * US_PER_MIN, 75 * US_PER_MIN - 1)
    assert is_reminder_due(0, 15 * US_PER_MIN, 75 * US_PER_MIN)
