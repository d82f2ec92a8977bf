"""The life of an alarm after it was raised: state × action × role, as a table.

The state is derived and never stored: from what the engine said (raised, cleared),
from the marks of the asking tier (confirmed at the present level), from what keeps the
alarm quiet (a shelf, planned work) and from whether it was closed. Each tier (mine,
county, city) has marks of its own, so the same alarm is in a state for each of them.
States follow ISA-18.2; which role may do what is ours.

``ACTIONS`` is the table. Tests walk all of it, and docs/alarm-life.md is drawn from it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from gasmon.alarms.events import RED

TIERS = ("mine", "county", "city")
"""Who watches, each with confirmations and a handling record of its own."""

TIER_OF_ROLE = {
    "mine_dispatcher": "mine",
    "county_officer": "county",
    "city_officer": "city",
}
"""Whose marks these are; the other roles look on."""

UNCONFIRMED = "unconfirmed"
CONFIRMED = "confirmed"
SHELVED_UNCONFIRMED = "shelved_unconfirmed"
SHELVED = "shelved"
OUT_OF_SERVICE_UNCONFIRMED = "out_of_service_unconfirmed"
OUT_OF_SERVICE = "out_of_service"
CLEARED_UNCONFIRMED = "cleared_unconfirmed"
CLEARED = "cleared"
CLOSED_UNCONFIRMED = "closed_unconfirmed"
CLOSED = "closed"

_PAIRS = (
    (UNCONFIRMED, CONFIRMED),
    (SHELVED_UNCONFIRMED, SHELVED),
    (OUT_OF_SERVICE_UNCONFIRMED, OUT_OF_SERVICE),
    (CLEARED_UNCONFIRMED, CLEARED),
    (CLOSED_UNCONFIRMED, CLOSED),
)
"""(this tier owes a confirmation, it does not)."""

STATES = tuple(state for pair in _PAIRS for state in pair)

_OWED = tuple(owed for owed, _ in _PAIRS)
_CLOSED = _PAIRS[4]
_LIVE = STATES[:8]
"""Everything that is not closed."""

DUTY_ROLES = tuple(TIER_OF_ROLE)
UPPER_ROLES = ("county_officer", "city_officer")


@dataclass(frozen=True, slots=True)
class Words:
    """One sentence for people, in both languages."""

    zh: str
    en: str

    def __str__(self) -> str:
        return f"{self.zh} · {self.en}"


_ALREADY = Words("本级已确认当前等级", "your tier confirmed this level already")
_FIRST = Words("请先确认本级报警", "confirm it for your tier first")
_IS_CLOSED = Words("报警已结束", "it is closed")
_CORRECT = Words("报警已结束，请更正记录", "it is closed: correct the record instead")
_IS_SHELVED = Words("报警已搁置", "it is shelved already")
_NOT_SHELVED = Words("报警未搁置", "it is not shelved")
_PLANNED = Words("报备期间已静默", "planned work keeps it quiet already")
_IS_OVER = Words("报警已解除，无需搁置", "it is over: there is nothing to shelve")
_NOT_OVER = Words(
    "报警未解除，只有数值恢复才算解除",
    "it is not cleared, and only its value clears it",
)
RED_STAYS = Words("红色报警不得搁置", "red is never shelved")


@dataclass(frozen=True, slots=True)
class Action:
    """One thing that people do with an alarm: a column of the table.

    Attributes:
        event: what the journal and the streams call it when it was done.
        roles: who may.
        moves: state before → state after; the states in which it is possible.
        refused: the other states, with the reason.
    """

    name: str
    event: str
    roles: tuple[str, ...]
    moves: Mapping[str, str]
    refused: Mapping[str, Words] = field(default_factory=dict)


def _stay(*states: str) -> dict[str, str]:
    return {state: state for state in states}


def _why(reason: Words, *states: str) -> dict[str, Words]:
    return dict.fromkeys(states, reason)


def _while_live(name: str, event: str, roles: tuple[str, ...]) -> Action:
    """A record that is possible until the alarm is closed."""
    return Action(name, event, roles, _stay(*_LIVE), _why(_IS_CLOSED, *_CLOSED))


def _once_confirmed(name: str, event: str) -> Action:
    """A record of handling: whoever handles an alarm has seen its present level."""
    return Action(
        name,
        event,
        DUTY_ROLES,
        _stay(CONFIRMED, SHELVED, OUT_OF_SERVICE, CLEARED),
        _why(_FIRST, *_OWED[:4]) | _why(_CORRECT, *_CLOSED),
    )


ACTIONS = {
    action.name: action
    for action in (
        Action(
            "confirm",
            "confirmed",
            DUTY_ROLES,
            dict(_PAIRS),
            {done: _ALREADY for _, done in _PAIRS},
        ),
        Action("comment", "commented", (*DUTY_ROLES, "administrator"), _stay(*STATES)),
        _while_live("assign", "assigned", DUTY_ROLES),
        _once_confirmed("verify", "verified"),
        _once_confirmed("handle", "handled"),
        _while_live("request_status", "status_requested", UPPER_ROLES),
        _while_live("feed_back", "fed_back", DUTY_ROLES),
        # Not the mine's own dispatcher: whoever is watched does not quiet the watch.
        Action(
            "shelve",
            "shelved",
            UPPER_ROLES,
            {UNCONFIRMED: SHELVED_UNCONFIRMED, CONFIRMED: SHELVED},
            _why(_IS_SHELVED, SHELVED_UNCONFIRMED, SHELVED)
            | _why(_PLANNED, OUT_OF_SERVICE_UNCONFIRMED, OUT_OF_SERVICE)
            | _why(_IS_OVER, CLEARED_UNCONFIRMED, CLEARED)
            | _why(_IS_CLOSED, *_CLOSED),
        ),
        Action(
            "unshelve",
            "unshelved",
            UPPER_ROLES,
            {SHELVED_UNCONFIRMED: UNCONFIRMED, SHELVED: CONFIRMED},
            _why(
                _NOT_SHELVED,
                *(s for s in _LIVE if s not in (SHELVED_UNCONFIRMED, SHELVED)),
            )
            | _why(_IS_CLOSED, *_CLOSED),
        ),
        Action(
            "withdraw",
            "withdrawn",
            DUTY_ROLES,
            _stay(*_LIVE),
            _why(_CORRECT, *_CLOSED),
        ),
        Action("correct", "corrected", DUTY_ROLES, _stay(*STATES)),
        Action(
            "close",
            "closed",
            UPPER_ROLES,
            {CLEARED: CLOSED},
            _why(_NOT_OVER, *STATES[:6])
            | _why(_FIRST, CLEARED_UNCONFIRMED)
            | _why(_IS_CLOSED, *_CLOSED),
        ),
    )
}
"""The table, by the action's name."""

EVENT_OF_ACTION = {name: action.event for name, action in ACTIONS.items()}


@dataclass(frozen=True, slots=True)
class Move:
    """The action is possible: the state after it, and the event that tells it."""

    state: str
    event: str


@dataclass(frozen=True, slots=True)
class Refusal:
    """The action is not possible.

    Attributes:
        by_role: this role never may; otherwise the alarm's state forbids it now.
    """

    by_role: bool
    why: Words


def state_of(
    *,
    cleared: bool,
    owed: bool,
    shelved: bool = False,
    out_of_service: bool = False,
    closed: bool = False,
) -> str:
    """The state of an alarm for one tier.

    Args:
        cleared: the value is back.
        owed: this tier has not confirmed the present level.
        shelved: a shelf covers it now, up to its level; means nothing once cleared.
        out_of_service: planned work or calibration covers it, likewise.
        closed: it was closed; only what is cleared can be.
    """
    assert cleared or not closed, "only what is cleared can be closed"
    if cleared:
        pair = _PAIRS[4] if closed else _PAIRS[3]
    elif shelved:
        pair = _PAIRS[1]
    else:
        pair = _PAIRS[2] if out_of_service else _PAIRS[0]
    return pair[0] if owed else pair[1]


def decide(state: str, action: str, role: str, *, rank: int = 0) -> Move | Refusal:
    """One cell of the table.

    Args:
        state: one of ``STATES``, for the tier of ``role``.
        action: one of ``ACTIONS``.
        rank: the present level; red is never shelved.
    """
    found = ACTIONS[action]
    if role not in found.roles:
        return Refusal(
            True,
            Words(f"角色 {role} 不能执行 {action}", f"role {role} may not {action}"),
        )
    if state in found.refused:
        return Refusal(False, found.refused[state])
    if action == "shelve" and rank >= RED:
        return Refusal(False, RED_STAYS)
    return Move(found.moves[state], found.event)
