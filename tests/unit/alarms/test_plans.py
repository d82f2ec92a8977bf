"""Planned work: every cell of its table, and its state at every moment."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import pytest

from gasmon.alarms.kinds import ALL_KINDS
from gasmon.alarms.lifecycle import DUTY_ROLES, TIER_OF_ROLE, UPPER_ROLES
from gasmon.alarms.planned import REASONS
from gasmon.alarms.plans import (
    APPROVED,
    ENDED,
    FILED,
    LAPSED,
    PLAN_ACTIONS,
    PLAN_STATES,
    PLANNABLE,
    REFUSED,
    RUNNING,
    WITHDRAWN,
    WORKS,
    No,
    Step,
    Window,
    decide_plan,
    plan_state,
    unknown_kinds,
)
from gasmon.store.access import ROLES

NOW = 50
SAID = Step(FILED, "wang", 0)


def plan(state: str) -> Window:
    """A plan that is in a state now."""
    approved = Step(APPROVED, "li", 10)
    windows = {
        FILED: Window(60, 90, (SAID,)),
        LAPSED: Window(20, 40, (SAID,)),
        REFUSED: Window(60, 90, (SAID, Step(REFUSED, "li", 10))),
        APPROVED: Window(60, 90, (SAID, approved)),
        RUNNING: Window(40, 90, (SAID, approved)),
        ENDED: Window(20, 40, (SAID, approved)),
        WITHDRAWN: Window(60, 90, (SAID, approved, Step(WITHDRAWN, "wang", 20))),
    }
    return windows[state]


@pytest.mark.parametrize("state", PLAN_STATES)
def test_each_state_is_reached(state: str) -> None:
    """The plans of these tests are in the states that they stand for."""
    assert plan_state(plan(state), NOW) == state


@pytest.mark.parametrize(
    ("from_us", "approved_us", "withdrawn_us", "state"),
    [
        (20, None, 30, WITHDRAWN),
        (20, 10, 15, WITHDRAWN),
        (20, 10, 20, ENDED),
        (20, 30, 30, ENDED),
    ],
)
def test_what_was_quiet_for_a_while_has_ended_and_was_not_withdrawn(
    from_us: int, approved_us: int | None, withdrawn_us: int, state: str
) -> None:
    """A plan that ran stays one that ran."""
    steps = [SAID, Step(WITHDRAWN, "wang", withdrawn_us)]
    if approved_us is not None:
        steps.insert(1, Step(APPROVED, "li", approved_us))
    assert plan_state(Window(from_us, 90, tuple(steps)), NOW) == state


def test_a_window_holds_its_begin_and_not_its_end() -> None:
    """Borders of the window."""
    window = plan(RUNNING)
    assert plan_state(window, window.from_us) == RUNNING
    assert plan_state(window, window.until_us - 1) == RUNNING
    assert plan_state(window, window.until_us) == ENDED
    waits = plan(FILED)
    assert plan_state(waits, waits.until_us - 1) == FILED
    assert plan_state(waits, waits.until_us) == LAPSED


@pytest.mark.parametrize(
    ("action", "state", "role"), list(product(PLAN_ACTIONS, PLAN_STATES, ROLES))
)
def test_every_cell_is_a_move_or_says_why_not(
    action: str, state: str, role: str
) -> None:
    """The whole table: a role that never may, a state with its reason, or a record."""
    row = PLAN_ACTIONS[action]
    assert set(row.moves) | set(row.refused) == set(PLAN_STATES)
    assert not set(row.moves) & set(row.refused)
    found = decide_plan(plan(state), action, role=role, name="zhao", now_us=NOW)
    if role not in row.roles:
        assert isinstance(found, No)
        assert found.by_role
        assert role in found.why.zh
        assert role in found.why.en
    elif state in row.refused:
        assert found == No(False, row.refused[state])
    else:
        assert found == row.event
        after = Window(
            plan(state).from_us,
            plan(state).until_us,
            (*plan(state).steps, Step(row.event, "zhao", NOW)),
        )
        assert plan_state(after, NOW) == row.moves[state]


def test_nobody_decides_on_a_plan_of_his_own() -> None:
    """Whoever filed it neither approves nor refuses it, whatever his role is now."""
    for action in ("approve", "refuse"):
        found = decide_plan(
            plan(FILED), action, role="county_officer", name="wang", now_us=NOW
        )
        assert isinstance(found, No)
        assert not found.by_role
    taken = decide_plan(
        plan(FILED), "withdraw", role="mine_dispatcher", name="wang", now_us=NOW
    )
    assert taken == WITHDRAWN


def test_the_mine_files_and_an_upper_tier_decides() -> None:
    """Whoever is watched does not quiet the watch."""
    assert PLAN_ACTIONS["approve"].roles == PLAN_ACTIONS["refuse"].roles == UPPER_ROLES
    assert PLAN_ACTIONS["withdraw"].roles == DUTY_ROLES
    assert "mine_dispatcher" in TIER_OF_ROLE


def test_what_may_be_planned_exists() -> None:
    """Kinds of works can be planned, and those that can be planned are raised."""
    assert set(PLANNABLE) <= set(ALL_KINDS)
    for name, work in WORKS.items():
        assert unknown_kinds(name, work.kinds) == []
    kinds = ["over_limit", "clock_wrong", "suspicious_data"]
    assert unknown_kinds("calibration", kinds) == ["clock_wrong"]
    assert unknown_kinds("blasting", kinds) == ["clock_wrong", "suspicious_data"]


# The page


PAGE = Path(__file__).parents[3] / "docs" / "planned-work.md"
BEGIN, END = "<!-- table: begin -->\n", "<!-- table: end -->\n"


def drawn() -> str:
    """The tables of docs/planned-work.md."""
    actions = PLAN_ACTIONS.values()
    lines = ["| state | | " + " | ".join(f"`{a.name}`" for a in actions) + " |"]
    lines.append("|---" * (len(PLAN_ACTIONS) + 2) + "|")
    for state, words in PLAN_STATES.items():
        after = (action.moves.get(state) for action in actions)
        cells = ("–" if one is None else f"→ `{one}`" for one in after)
        lines.append(f"| `{state}` | {words} | " + " | ".join(cells) + " |")
    lines += ["", "| action | roles | refused in | because |", "|---|---|---|---|"]
    for action in actions:
        roles = ", ".join(f"`{role}`" for role in action.roles)
        for why in dict.fromkeys(action.refused.values()):
            states = ", ".join(f"`{s}`" for s, w in action.refused.items() if w == why)
            lines.append(f"| `{action.name}` | {roles} | {states} | {why} |")
    lines += ["", "| work | | kinds of alarm without others |", "|---|---|---|"]
    for name, work in WORKS.items():
        kinds = ", ".join(f"`{kind}`" for kind in work.kinds) or "must be named"
        lines.append(f"| `{name}` | {work.words} | {kinds} |")
    named = ", ".join(f"`{kind}`" for kind in PLANNABLE)
    lines += ["", f"Kinds that a plan may name: {named}."]
    return "\n".join(lines) + "\n"


def test_the_page_shows_the_table() -> None:
    """Between its marks the page is what is drawn from the code."""
    page = PAGE.read_text("utf-8")
    assert page.partition(BEGIN)[2].partition(END)[0] == drawn()


def test_the_page_names_every_reason_to_break_through() -> None:
    """As events and statistics call them."""
    page = PAGE.read_text("utf-8")
    assert [why for why in REASONS if f"| `{why}` |" not in page] == []
