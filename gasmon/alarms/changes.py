"""Changes of limits: proposed, back-tested, decided by a second person. Pure.

A change's state is derived from its records, its back-test and the time, never stored;
``CHANGE_ACTIONS`` is the table, which tests walk completely and
docs/limit-changes.md is drawn from.
"""

from dataclasses import dataclass

from gasmon.alarms.deciding import Action, No, Step, decide, step_of
from gasmon.alarms.lifecycle import DUTY_ROLES, UPPER_ROLES, Words

PROPOSED = "proposed"
TESTED = "tested"
IMPOSSIBLE = "impossible"
APPROVED = "approved"
IN_FORCE = "in_force"
REFUSED = "refused"
WITHDRAWN = "withdrawn"

CHANGE_STATES = {
    PROPOSED: Words("回溯中", "its back-test is not done yet"),
    TESTED: Words("待审批", "back-tested, waits for a decision"),
    IMPOSSIBLE: Words("不可行", "its back-test says why it cannot count"),
    APPROVED: Words("已批准", "approved, counts from its time on"),
    IN_FORCE: Words("已生效", "counts since its time, unless a later one replaced it"),
    REFUSED: Words("已驳回", "refused"),
    WITHDRAWN: Words("已撤回", "withdrawn before it counted"),
}
"""States with their words."""

PROPOSING_ROLES = DUTY_ROLES
"""Who proposes: mine, county and city; the law stays the floor for all of them."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """A change as its life depends on it.

    Attributes:
        steps: its records, in order.
        tested: its back-test is done.
        impossible: the back-test found that it would not count.
        from_us: from when it counts, once it is approved [µs UTC].
    """

    steps: tuple[Step, ...]
    tested: bool = False
    impossible: bool = False
    from_us: int = 0

    def step(self, event: str) -> Step | None:
        """The record of an event; each happens once at most."""
        return step_of(self.steps, event)


def change_state(change: Proposal, now_us: int) -> str:
    """The state of a change at a moment."""
    if change.step(REFUSED):
        return REFUSED
    if change.step(WITHDRAWN):
        return WITHDRAWN
    if change.step(APPROVED):
        return IN_FORCE if now_us >= change.from_us else APPROVED
    if change.impossible:
        return IMPOSSIBLE
    return TESTED if change.tested else PROPOSED


_OWN = Words("不得审批本人提出的修改", "nobody decides on a change of his own")
_UNTESTED = Words("回溯尚未完成", "its back-test is not done")
_IMPOSSIBLE = Words("回溯表明修改不可行", "its back-test says that it cannot count")
_DECIDED = Words("修改已批准", "it was approved already")
_COUNTS = Words(
    "修改已生效，请提出新的修改", "it counts already; propose another change"
)
_GONE = {
    REFUSED: Words("修改已驳回", "it was refused"),
    WITHDRAWN: Words("修改已撤回", "it was withdrawn"),
}
_TAKEN = {APPROVED: _DECIDED, IN_FORCE: _DECIDED}

CHANGE_ACTIONS = {
    action.name: action
    for action in (
        Action(
            "approve",
            APPROVED,
            UPPER_ROLES,
            {TESTED: APPROVED},
            _GONE | _TAKEN | {PROPOSED: _UNTESTED, IMPOSSIBLE: _IMPOSSIBLE},
            True,
        ),
        Action(
            "refuse",
            REFUSED,
            UPPER_ROLES,
            dict.fromkeys((PROPOSED, TESTED, IMPOSSIBLE), REFUSED),
            _GONE | _TAKEN,
            True,
        ),
        # What counts is changed by two people again, never by one.
        Action(
            "withdraw",
            WITHDRAWN,
            DUTY_ROLES,
            dict.fromkeys((PROPOSED, TESTED, IMPOSSIBLE, APPROVED), WITHDRAWN),
            _GONE | {IN_FORCE: _COUNTS},
        ),
    )
}
"""The table, by the action's name. What is approved for a time that is past counts at
once."""


def decide_change(
    change: Proposal, action: str, *, role: str, name: str, now_us: int
) -> str | No:
    """One cell of the table: the event to record, or why there is none.

    Args:
        name: who asks; nobody decides on a change of his own.
    """
    proposed = change.step(PROPOSED)
    assert proposed is not None, "every change was proposed"
    state, found = change_state(change, now_us), CHANGE_ACTIONS[action]
    return decide(found, state, proposed, role=role, name=name, own=_OWN)
