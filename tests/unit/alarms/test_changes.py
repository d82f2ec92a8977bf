"""Changes of limits: every cell of their table, and their state at every moment."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from pathlib import Path

import pytest

from gasmon.alarms.changes import (
    APPROVED,
    CHANGE_ACTIONS,
    CHANGE_STATES,
    IMPOSSIBLE,
    IN_FORCE,
    PROPOSED,
    REFUSED,
    TESTED,
    WITHDRAWN,
    Proposal,
    change_state,
    decide_change,
)
from gasmon.alarms.lifecycle import UPPER_ROLES
from gasmon.alarms.plans import No, Step
from gasmon.store.access import ROLES

NOW = 50
SAID = Step(PROPOSED, "wang", 0)
TAKEN = Step(APPROVED, "li", 10)
CHANGES = {
    PROPOSED: Proposal((SAID,)),
    TESTED: Proposal((SAID,), tested=True),
    IMPOSSIBLE: Proposal((SAID,), tested=True, impossible=True),
    APPROVED: Proposal((SAID, TAKEN), tested=True, from_us=51),
    IN_FORCE: Proposal((SAID, TAKEN), tested=True, from_us=50),
    REFUSED: Proposal((SAID, Step(REFUSED, "li", 10)), tested=True),
    WITHDRAWN: Proposal((SAID, TAKEN, Step(WITHDRAWN, "wang", 20)), from_us=30),
}


@pytest.mark.parametrize("state", CHANGE_STATES)
def test_each_state_is_reached(state: str) -> None:
    """The changes of these tests are in the states that they stand for."""
    assert change_state(CHANGES[state], NOW) == state


@pytest.mark.parametrize(
    ("action", "state", "role"), list(product(CHANGE_ACTIONS, CHANGE_STATES, ROLES))
)
def test_every_cell_is_a_move_or_says_why_not(
    action: str, state: str, role: str
) -> None:
    """The whole table: a role that never may, a state with its reason, or a record."""
    row, change = CHANGE_ACTIONS[action], CHANGES[state]
    assert set(row.moves) | set(row.refused) == set(CHANGE_STATES)
    assert not set(row.moves) & set(row.refused)
    found = decide_change(change, action, role=role, name="zhao", now_us=NOW)
    if role not in row.roles:
        assert isinstance(found, No)
        assert found.by_role
        assert role in found.why.zh
    elif state in row.refused:
        assert found == No(False, row.refused[state])
    else:
        assert found == row.event
        steps = (*change.steps, Step(row.event, "zhao", NOW))
        after = replace(change, steps=steps, from_us=NOW + 1)
        assert change_state(after, NOW) == row.moves[state]


def test_nobody_decides_on_a_change_of_his_own() -> None:
    """Neither approves nor refuses it; taking it back is his."""
    for action in ("approve", "refuse"):
        found = decide_change(
            CHANGES[TESTED], action, role="city_officer", name="wang", now_us=NOW
        )
        assert isinstance(found, No)
        assert not found.by_role
        assert CHANGE_ACTIONS[action].roles == UPPER_ROLES
    taken = decide_change(
        CHANGES[TESTED], "withdraw", role="city_officer", name="wang", now_us=NOW
    )
    assert taken == WITHDRAWN


PAGE = Path(__file__).parents[3] / "docs" / "limit-changes.md"
BEGIN, END = "<!-- table: begin -->\n", "<!-- table: end -->\n"


def drawn() -> str:
    """The tables of docs/limit-changes.md."""
    actions = CHANGE_ACTIONS.values()
    lines = ["| state | | " + " | ".join(f"`{a.name}`" for a in actions) + " |"]
    lines.append("|---" * (len(CHANGE_ACTIONS) + 2) + "|")
    for state, words in CHANGE_STATES.items():
        after = (action.moves.get(state) for action in actions)
        cells = ("–" if one is None else f"→ `{one}`" for one in after)
        lines.append(f"| `{state}` | {words} | " + " | ".join(cells) + " |")
    lines += ["", "| action | roles | refused in | because |", "|---|---|---|---|"]
    for action in actions:
        roles = ", ".join(f"`{role}`" for role in action.roles)
        for why in dict.fromkeys(action.refused.values()):
            states = ", ".join(f"`{s}`" for s, w in action.refused.items() if w == why)
            lines.append(f"| `{action.name}` | {roles} | {states} | {why} |")
    return "\n".join(lines) + "\n"


def test_the_page_shows_the_table() -> None:
    """Between its marks the page is what is drawn from the code."""
    page = PAGE.read_text("utf-8")
    assert page.partition(BEGIN)[2].partition(END)[0] == drawn()
