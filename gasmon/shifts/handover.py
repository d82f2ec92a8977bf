"""Hand-overs: who signs what in which state, as a table. Pure.

The outgoing side writes notes and signs; the incoming side accepts or refuses. The two
signatures are never of one person. What was signed is kept with its fingerprint. The
table is ours: no standard says how it is done.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from gasmon.alarms.lifecycle import Words
from gasmon.units import US_PER_H, US_PER_MIN

EARLY_US = US_PER_H
"""How long before its begin somebody may sign on to a shift, and how long before its
end hand it over [µs]. Ours: the time in which both are there."""

STAY_US = US_PER_H
"""How long after its end whoever did not sign off counts as there [µs]. Ours: who is
relieved late is there; who forgot to sign off is not there for ever."""

REMIND_US = 15 * US_PER_MIN
"""How long after its end a shift without two signatures is reminded of first [µs].
Ours: handing over takes some minutes."""

REMIND_EVERY_US = US_PER_H
"""Time between two reminders [µs]. Ours."""

OPEN = "open"
SIGNED = "signed"
REFUSED = "refused"
ACCEPTED = "accepted"
STATES = (OPEN, SIGNED, REFUSED, ACCEPTED)

OUTGOING = "outgoing"
INCOMING = "incoming"

EVENTS = {"note": "noted", "sign": "signed", "accept": "accepted", "refuse": "refused"}
"""What the record of each action is called."""

SIDES = {"note": OUTGOING, "sign": OUTGOING, "accept": INCOMING, "refuse": INCOMING}
"""Whose action it is."""

_DONE = Words("交接已完成", "it was handed over already")
_WAITS = Words(
    "已签字，待接班人签字或退回",
    "it is signed: the incoming side accepts or refuses it",
)
_UNSIGNED = Words("交班人尚未签字", "the outgoing side has not signed")
_ANEW = Words("已退回，待交班人重新签字", "refused: the outgoing side signs anew")

TABLE: dict[str, dict[str, str | Words]] = {
    "note": {OPEN: OPEN, SIGNED: _WAITS, REFUSED: REFUSED, ACCEPTED: _DONE},
    "sign": {OPEN: SIGNED, SIGNED: _WAITS, REFUSED: SIGNED, ACCEPTED: _DONE},
    "accept": {OPEN: _UNSIGNED, SIGNED: ACCEPTED, REFUSED: _ANEW, ACCEPTED: _DONE},
    "refuse": {OPEN: _UNSIGNED, SIGNED: REFUSED, REFUSED: _ANEW, ACCEPTED: _DONE},
}
"""Action → state → the state after it, or why it is not possible."""

NOT_OUTGOING = Words(
    "您未在该班次签到，不能交班", "you did not sign on to the shift that is handed over"
)
NOT_INCOMING = Words(
    "您未在后续班次签到，不能接班", "you are not signed on to a shift after it"
)
SAME_PERSON = Words(
    "交班人与接班人不能是同一人", "the same person cannot sign on both sides"
)
TOO_EARLY = Words("交班前一小时内方可签字", "it is signed in its last hour or later")


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why an action is not possible."""

    why: Words


def state_of(events: Iterable[str]) -> str:
    """The state after records, in their order; notes and reminders change none."""
    state = OPEN
    for event in events:
        if event in STATES:
            state = event
    return state


def decide(
    state: str,
    action: str,
    *,
    sides: frozenset[str],
    by: str,
    signed_by: str | None,
    until_end_us: int,
) -> str | Refusal:
    """Whether somebody may do something with a hand-over now.

    Args:
        state: one of ``STATES``.
        action: one of ``TABLE``.
        sides: on which sides the person has duty.
        by: who it is.
        signed_by: who gave the outgoing signature; None while there is none.
        until_end_us: how long the outgoing shift still lasts [µs]; below 0 when over.

    Returns:
        The state after it, or why not.
    """
    then = TABLE[action][state]
    if isinstance(then, Words):
        return Refusal(then)
    if SIDES[action] not in sides:
        return Refusal(NOT_OUTGOING if SIDES[action] == OUTGOING else NOT_INCOMING)
    if SIDES[action] == INCOMING and by == signed_by:
        return Refusal(SAME_PERSON)
    if action == "sign" and until_end_us > EARLY_US:
        return Refusal(TOO_EARLY)
    return then


def fingerprint(content: Mapping[str, Any]) -> str:
    """SHA-256 in hex of what is signed: the same content, whatever its order."""
    text = json.dumps(content, ensure_ascii=False, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def is_reminder_due(until_us: int, reminded_us: int | None, now_us: int) -> bool:
    """Whether a hand-over without two signatures is to be reminded of now.

    Args:
        until_us: end of its shift [µs UTC].
        reminded_us: the last time [µs UTC].
    """
    if reminded_us is None:
        return now_us >= until_us + REMIND_US
    return now_us >= reminded_us + REMIND_EVERY_US
