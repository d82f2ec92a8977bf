"""What one person asks for and another decides: records, actions, who may. Pure.

Plans (``plans``) and changes of limits (``changes``) are such things. Each has its own
states, and a table of ``Action`` that its tests walk completely.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from gasmon.alarms.lifecycle import Words


@dataclass(frozen=True, slots=True)
class Step:
    """One record of a plan or a change, such as ``approved`` or ``withdrawn``."""

    event: str
    by: str
    at_us: int


def step_of(steps: Sequence[Step], event: str) -> Step | None:
    """The record of an event; each happens once at most."""
    return next((step for step in steps if step.event == event), None)


@dataclass(frozen=True, slots=True)
class Action:
    """One thing that people do with it: a column of its table.

    Attributes:
        event: what its record is called.
        roles: who may.
        moves: state before → state after.
        refused: the other states, with the reason.
        by_another: whoever asked for it may not.
    """

    name: str
    event: str
    roles: tuple[str, ...]
    moves: Mapping[str, str]
    refused: Mapping[str, Words] = field(default_factory=dict)
    by_another: bool = False


@dataclass(frozen=True, slots=True)
class No:
    """It is not possible: for this role at all, or in this state now."""

    by_role: bool
    why: Words


def decide(
    action: Action, state: str, asked: Step, *, role: str, name: str, own: Words
) -> str | No:
    """One cell of a table: the event to record, or why there is none.

    Args:
        asked: its first record: who asked for it.
        name: who wants to do this; ``own`` says why the one who asked may not.
    """
    if role not in action.roles:
        zh = f"角色 {role} 不能执行 {action.name}"
        return No(True, Words(zh, f"role {role} may not {action.name}"))
    if state in action.refused:
        return No(False, action.refused[state])
    if action.by_another and asked.by == name:
        return No(False, own)
    return action.event
