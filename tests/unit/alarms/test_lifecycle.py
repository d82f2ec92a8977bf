"""The table of an alarm's life: walked completely, and its page drawn from it."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import pytest

from gasmon.alarms.causes import CAUSES
from gasmon.alarms.lifecycle import (
    ACTIONS,
    CLOSED,
    RED_STAYS,
    STATES,
    TIER_OF_ROLE,
    Move,
    Refusal,
    decide,
    state_of,
)
from gasmon.alarms.lifecycle_record import (
    CAUSE_EVENTS,
    CORRECTABLE,
    PHASE_MOVES,
    PHASES,
    WITHDRAWABLE,
    Record,
    assigned_to,
    cause_of,
    owes_status,
    phases,
)
from gasmon.store.access import ROLES

PAGE = Path(__file__).parents[3] / "docs" / "alarm-life.md"
BEGIN, END = "<!-- table: begin -->\n", "<!-- table: end -->\n"
ROLES_SHOWN = ("mine_dispatcher", "county_officer", "city_officer", "administrator")


def test_every_cell_of_the_table_is_a_move_or_a_refusal_with_a_reason() -> None:
    """State × action × role, all of it."""
    n = 0
    for state, action, role in product(STATES, ACTIONS, ROLES):
        found = decide(state, action, role)
        n += 1
        if role not in ACTIONS[action].roles:
            assert isinstance(found, Refusal)
            assert found.by_role
            assert role in found.why.en
            assert role in found.why.zh
        elif isinstance(found, Refusal):
            assert not found.by_role
            assert found.why.zh
            assert found.why.en
            assert state not in ACTIONS[action].moves
        else:
            assert found.state in STATES
            assert found.event == ACTIONS[action].event
    assert n == len(STATES) * len(ACTIONS) * len(ROLES)


@pytest.mark.parametrize("action", ACTIONS)
def test_each_action_knows_every_state_once(action: str) -> None:
    """Nothing is both possible and refused, and nothing is neither."""
    found = ACTIONS[action]
    assert sorted([*found.moves, *found.refused]) == sorted(STATES)


@pytest.mark.parametrize("action", ACTIONS)
def test_no_action_of_a_person_ends_or_hides_what_is_raised(action: str) -> None:
    """Only the value clears; only a shelf quiets; only what is cleared is closed."""
    for before, after in ACTIONS[action].moves.items():
        open_before = before.split("_")[0] in (
            "unconfirmed",
            "confirmed",
            "shelved",
            "out",
        )
        open_after = after.split("_")[0] in (
            "unconfirmed",
            "confirmed",
            "shelved",
            "out",
        )
        assert open_before == open_after
        if after.startswith("shelved") and not before.startswith("shelved"):
            assert action == "shelve"
        if "unconfirmed" in before:
            assert "unconfirmed" in after or action == "confirm"


def test_a_red_alarm_is_never_shelved() -> None:
    """Whatever the state: the reason is the level."""
    for state, role in product(STATES, ("county_officer", "city_officer")):
        found = decide(state, "shelve", role, rank=4)
        assert isinstance(found, Refusal)
    assert decide("unconfirmed", "shelve", "county_officer", rank=4) == Refusal(
        False, RED_STAYS
    )
    assert isinstance(decide("unconfirmed", "shelve", "county_officer", rank=3), Move)


def test_the_watched_does_not_quiet_the_watch() -> None:
    """A mine's dispatcher neither shelves nor closes; lookers-on do nothing at all."""
    for action in ("shelve", "unshelve", "close", "request_status"):
        assert "mine_dispatcher" not in ACTIONS[action].roles
    for role in ("viewer", "trainer", "platform"):
        assert not any(role in action.roles for action in ACTIONS.values())


@pytest.mark.parametrize("bits", range(32))
def test_every_combination_of_facts_has_one_state(bits: int) -> None:
    """Every state is reached; closed without cleared is our own error."""
    cleared, owed, shelved, out, closed = (bool(bits >> n & 1) for n in range(5))
    facts = {
        "cleared": cleared, "owed": owed, "shelved": shelved,
        "out_of_service": out, "closed": closed,
    }  # fmt: skip
    if closed and not cleared:
        with pytest.raises(AssertionError, match="only what is cleared"):
            state_of(**facts)
        return
    found = state_of(**facts)
    assert ("unconfirmed" in found) == owed
    assert found.startswith(("cleared", "closed")) == cleared
    assert found.startswith("closed") == closed
    assert found.startswith("shelved") == (shelved and not cleared)


def test_every_state_is_reached() -> None:
    """There is no state that no combination of facts gives."""
    found = {
        state_of(cleared=c, owed=o, shelved=s, out_of_service=p, closed=e and c)
        for c, o, s, p, e in product((False, True), repeat=5)
    }
    assert found == set(STATES)


# The handling record


def test_every_phase_moves_on_each_event() -> None:
    """Event × phase, all of it."""
    for event, phase in product(PHASE_MOVES, PHASES):
        assert PHASE_MOVES[event][phase] in PHASES


def test_each_tier_has_a_record_of_its_own() -> None:
    """What one tier did says nothing of another; what was withdrawn does not count."""
    rows = [
        Record(1, "confirmed", "mine"),
        Record(2, "verified", "mine"),
        Record(3, "handled", "mine"),
        Record(4, "verified", "county"),
        Record(5, "handled", "county"),
        Record(6, "withdrawn", "county", refers_to=5),
        Record(7, "verified", "mine"),
        Record(8, "commented", None),
    ]
    assert phases(rows) == {"mine": "handling", "county": "verified", "city": "none"}


def test_a_status_is_owed_until_it_is_fed_back() -> None:
    """Withdrawing the answer makes it owed again."""
    asked = [Record(1, "status_requested", "city", to="mine")]
    answered = [*asked, Record(2, "fed_back", "mine")]
    taken_back = [*answered, Record(3, "withdrawn", "mine", refers_to=2)]
    assert [owes_status(rows)["mine"] for rows in (asked, answered, taken_back)] == [
        True, False, True,
    ]  # fmt: skip
    assert not owes_status(asked)["county"]


def test_the_last_assignment_that_stands_counts() -> None:
    """An assignment that was withdrawn gives the alarm back to who had it."""
    rows = [
        Record(1, "assigned", "county", to="王"),
        Record(2, "assigned", "county", to="李"),
    ]
    assert assigned_to([]) is None
    assert assigned_to(rows) == "李"
    assert assigned_to([*rows, Record(3, "withdrawn", "county", refers_to=2)]) == "王"


def test_a_correction_changes_the_cause_and_its_withdrawal_changes_it_back() -> None:
    """The newest cause counts, as corrected; comments name none."""
    rows = [
        Record(1, "confirmed", "county", "blasting"),
        Record(2, "commented", "county"),
        Record(3, "handled", "county"),
    ]
    corrected = [*rows, Record(4, "corrected", "county", "sensor_fault", refers_to=1)]
    back = [*corrected, Record(5, "withdrawn", "county", refers_to=4)]
    gone = [*corrected[1:], Record(6, "withdrawn", "county", refers_to=3)]
    assert cause_of([]) is None
    assert cause_of(rows) == "blasting"
    assert cause_of(corrected) == "sensor_fault"
    assert cause_of(back) == "blasting"
    assert cause_of(gone) is None
    assert (
        cause_of([*rows, Record(7, "verified", "city", "calibration")]) == "calibration"
    )


def test_withdrawing_a_record_takes_its_correction_along() -> None:
    """A correction has nothing left to correct."""
    rows = [
        Record(1, "verified", "county", "blasting"),
        Record(2, "corrected", "county", "calibration", refers_to=1),
        Record(3, "withdrawn", "county", refers_to=1),
    ]
    assert cause_of(rows) is None
    assert phases(rows)["county"] == "none"


def test_events_that_records_may_refer_to_exist() -> None:
    """Names in the lists are events of the table."""
    events = {action.event for action in ACTIONS.values()}
    assert {*WITHDRAWABLE, *CORRECTABLE, *CAUSE_EVENTS, *PHASE_MOVES} <= events


# The page


def drawn() -> str:
    """The tables of docs/alarm-life.md."""
    lines = ["| state | " + " | ".join(f"`{name}`" for name in ACTIONS) + " |"]
    lines.append("|---" * (len(ACTIONS) + 1) + "|")
    for state in STATES:
        cells = []
        for action in ACTIONS.values():
            after = action.moves.get(state)
            cells.append(
                "–" if after is None else "·" if after == state else f"→ `{after}`"
            )
        lines.append(f"| `{state}` | " + " | ".join(cells) + " |")
    lines += [
        "",
        "| action | event | " + " | ".join(f"`{r}`" for r in ROLES_SHOWN) + " |",
    ]
    lines.append("|---" * (len(ROLES_SHOWN) + 2) + "|")
    for action in ACTIONS.values():
        may = " | ".join("yes" if r in action.roles else "" for r in ROLES_SHOWN)
        lines.append(f"| `{action.name}` | `{action.event}` | {may} |")
    lines += ["", "| action | refused in | because |", "|---|---|---|"]
    for action in ACTIONS.values():
        for why in dict.fromkeys(action.refused.values()):
            states = ", ".join(f"`{s}`" for s, w in action.refused.items() if w == why)
            lines.append(f"| `{action.name}` | {states} | {why} |")
    lines.append(f"| `shelve` | any, at level red | {RED_STAYS} |")
    lines += ["", "| cause | 中文 | English |", "|---|---|---|"]
    lines += [f"| `{code}` | {zh} | {en} |" for code, (zh, en) in CAUSES.items()]
    return "\n".join(lines) + "\n"


def test_the_page_is_drawn_from_the_table() -> None:
    """docs/alarm-life.md shows the table as it is (run this file to draw it anew)."""
    text = PAGE.read_text("utf-8")
    assert text.split(BEGIN)[1].split(END)[0] == drawn()


def test_the_picture_has_every_move_between_states() -> None:
    """Arrows of actions in the diagram are the table's moves, and no others."""
    wanted = {
        (before, after, action.name)
        for action in ACTIONS.values()
        for before, after in action.moves.items()
        if before != after
    }
    told = {
        (words[0], words[2], words[4])
        for line in PAGE.read_text("utf-8").splitlines()
        if (words := line.split())[1:2] == ["-->"]
        and words[4:5]
        and words[4] in ACTIONS
    }
    assert told == wanted


def test_tiers_are_those_of_roles() -> None:
    """Who has duty is who acts; a closed alarm stays closed."""
    assert set(TIER_OF_ROLE) <= set(ROLES)
    assert all(
        action.moves.get(CLOSED, CLOSED) == CLOSED for action in ACTIONS.values()
    )


if __name__ == "__main__":
    head, rest = PAGE.read_text("utf-8").split(BEGIN)
    PAGE.write_text(head + BEGIN + drawn() + END + rest.split(END)[1], "utf-8")
