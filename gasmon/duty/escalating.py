"""The job of escalation: looks at what changed and at what is due, and records steps.

Each look reads the alarms that something happened to (the outbox tells) and those whose
next moment has come, computes from their histories what is due, and records it: one
transaction per alarm with its steps, their records in the journal and their messages.
A look that is broken off is simply made again.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

from gasmon.alarms.escalation import (
    NEVER_US,
    REPORT,
    Due,
    came,
    dues,
    next_due,
    overdue_tiers,
)
from gasmon.alarms.escalation_rules import DELIVERED, EscalationRules
from gasmon.duty.channel_file import Channel
from gasmon.store import alarms, deliveries, escalations
from gasmon.store.alarm_records import acted, last_us, write_record
from gasmon.store.alarms import Encode, StoredEvent
from gasmon.store.db import Connection, retry_deadlock
from gasmon.store.deliveries import Letter
from gasmon.store.escalations import Watch, Watched
from gasmon.store.expected import Expecting
from gasmon.store.life_jobs import BY
from gasmon.store.on_duty import OnDuty, load_on_duty
from gasmon.units import US_PER_MIN, US_PER_S, iso_us

CHUNK = 500
"""Alarms whose histories are read at once: about 2 MB, some 50 ms."""


LOOK_AGAIN_US = 15 * US_PER_S
"""How soon a delivery that was missing is looked at again [µs]: what arrives stands in
the ledger and not in the outbox, so nothing else tells of it."""

SETTLE_US = 10 * US_PER_S
"""How long the api may take to write what it knows of deliveries once the database is
back [µs]: it tries again each two seconds."""


@dataclass(frozen=True, slots=True)
class Escalation:
    """What a look needs to know.

    Attributes:
        expecting: how soon events must get where they belong.
        encode: makes the body of the events that tell of steps.
        channels: of the site, besides page and streams.
        exercise: everything here is one, so no SMS leaves the house; a drill's alarms
            are one in any case.
    """

    rules: EscalationRules
    expecting: Expecting
    encode: Encode
    channels: Sequence[Channel] = ()
    exercise: bool = False

    def look(self, conn: Connection, now_us: int, settled_us: int = 0) -> str:
        """Record every step that came; returns one line about it.

        Args:
            conn: connection with no open transaction.
            now_us: wall time [µs UTC].
            settled_us: what is not known to be delivered is missing from then on, not
                before [µs UTC].
        """
        changed, seq = escalations.changed(conn)
        ids = list(dict.fromkeys([*changed, *escalations.waiting(conn, now_us)]))
        on_duty = load_on_duty(conn, now_us)
        conn.commit()
        n_steps = 0
        for at in range(0, len(ids), CHUNK):
            chunk = ids[at : at + CHUNK]
            for alarm_id in self._due_now(conn, chunk, on_duty, now_us, settled_us):
                step = partial(
                    self._record, conn, alarm_id, on_duty, now_us, settled_us
                )
                n_steps += retry_deadlock(step)
        escalations.keep_position(conn, seq)
        conn.commit()
        return f"{n_steps} steps, {len(ids)} alarms looked at"

    def steps(self, alarm: Watched, on_duty: OnDuty) -> list[Due]:
        """All steps of an alarm, past and to come."""
        present = on_duty.tiers(alarm.area, alarm.mine)
        return dues(self.rules, alarm.history, present)

    def _due_now(
        self,
        conn: Connection,
        ids: Sequence[int],
        on_duty: OnDuty,
        now_us: int,
        settled_us: int,
    ) -> list[int]:
        """Write what alarms wait for; returns those that have something to record."""
        due, watches = [], []
        known = escalations.watched(conn, ids, self.expecting, now_us)
        for alarm in known:
            steps = _from(alarm, self.steps(alarm, on_duty), settled_us)
            if any(True for _ in _new(alarm, steps, now_us)):
                due.append(alarm.alarm_id)
            else:
                watches.append(watch_of(alarm.alarm_id, steps, now_us))
        escalations.put_watches(conn, watches)
        waits = {w.alarm_id for w in watches if not w.is_empty} | set(due)
        escalations.forget_watches(conn, [i for i in ids if i not in waits])
        conn.commit()
        return due

    def _record(
        self,
        conn: Connection,
        alarm_id: int,
        on_duty: OnDuty,
        now_us: int,
        settled_us: int,
    ) -> int:
        """Record what came for one alarm, looked at again under its lock."""
        with conn.transaction():
            row = alarms.lock(conn, alarm_id)
            known = escalations.watched(conn, [alarm_id], self.expecting, now_us)
            if not known:  # closed by a rule a moment ago
                return 0
            alarm = known[0]
            steps = _from(alarm, self.steps(alarm, on_duty), settled_us)
            at_us = max(now_us, last_us(conn, alarm_id) + 1)
            told: list[StoredEvent] = []
            # The worst first: what it calls for need not be called for again.
            new = sorted(_new(alarm, steps, now_us), key=lambda d: -d.rank)
            for number, due in enumerate(new):
                outcome, folded_into = self._outcome(conn, alarm, due, now_us)
                stored = acted(
                    row,
                    "status_requested" if due.without == REPORT else "escalated",
                    at_us + number,
                    by=BY,
                    tier=None,
                    note="",
                    cause_code=None,
                    more=_said(due, outcome),
                )
                escalation_id = escalations.add_step(
                    conn,
                    alarm,
                    due,
                    outcome=outcome,
                    folded_into=folded_into,
                    journal_id=write_record(conn, stored, now_us),
                    now_us=now_us,
                )
                if outcome == "called":
                    deliveries.put(
                        conn,
                        escalation_id,
                        stored.event.event_id,
                        self.encode(stored),
                        self._letters(alarm, due),
                        now_us,
                    )
                told.append(stored)
            escalations.put_watches(conn, [watch_of(alarm_id, steps, now_us)])
            alarms.tell(conn, told, self.encode, now_us)
        return len(told)

    def _outcome(
        self, conn: Connection, alarm: Watched, due: Due, now_us: int
    ) -> tuple[str, int | None]:
        """Whether somebody is called, and if not, the reason."""
        if due.until_us <= now_us:
            return "answered", None
        before = None
        if due.without != REPORT:
            since_us = now_us - self.rules.fold_us
            before = escalations.called_before(conn, alarm.incident_id, due, since_us)
        return ("called", None) if before is None else ("folded", before)

    def _letters(self, alarm: Watched, due: Due) -> list[Letter]:
        """What is sent to whom: also to those for whom somebody else must act."""
        tiers = {due.tier, due.of_tier}
        return [
            Letter(channel.name, channel.kind, to, self.exercise or alarm.run != 0)
            for channel in self.channels
            if channel.is_called(due.channels, tiers, alarm.area)
            for to in channel.to
        ]


class Settling:
    """Looks of one process, which let the api write its ledger first.

    While the database was away nobody could write what was delivered, and a look that
    comes before that is written would call people for it. Each connection is made
    anew behind an outage.
    """

    def __init__(self, escalation: Escalation) -> None:
        self._escalation = escalation
        self._conn: Connection | None = None
        self._since_us = 0

    def look(self, conn: Connection, now_us: int) -> str:
        """As :meth:`Escalation.look`."""
        if conn is not self._conn:
            self._conn, self._since_us = conn, now_us
        # A clock that was set back must not make anybody wait for it.
        self._since_us = min(self._since_us, now_us)
        return self._escalation.look(conn, now_us, self._since_us + SETTLE_US)


def watch_of(alarm_id: int, steps: Sequence[Due], now_us: int) -> Watch:
    """What an alarm waits for, once everything that came is recorded."""
    # What has not arrived after a second is no step that somebody waits for.
    following = next_due((d for d in steps if d.without != DELIVERED), now_us)
    # A step may also end by time alone: a window that begins later answers it then.
    ends = [d.until_us for d in came(steps, now_us) if now_us < d.until_us < NEVER_US]
    again = [
        d.due_us if d.due_us > now_us else now_us + LOOK_AGAIN_US
        for d in steps
        if d.without == DELIVERED and d.until_us > now_us
    ]
    moments = [*ends, *again, *([] if following is None else [following.due_us])]
    return Watch(
        alarm_id=alarm_id,
        overdue=overdue_tiers(steps, now_us),
        next_tier=None if following is None else following.tier,
        next_us=None if following is None else following.due_us,
        look_us=min(moments, default=None),
    )


def _from(alarm: Watched, steps: Sequence[Due], settled_us: int) -> list[Due]:
    """Steps, of which new ones about deliveries do not come before a time."""
    return [
        replace(due, due_us=max(due.due_us, settled_us))
        if due.without == DELIVERED and not _is_done(alarm, due)
        else due
        for due in steps
    ]


def _is_done(alarm: Watched, due: Due) -> bool:
    return (due.key, due.rank, due.since_us) in alarm.done


def _new(alarm: Watched, steps: Sequence[Due], now_us: int) -> Iterator[Due]:
    return (due for due in came(steps, now_us) if not _is_done(alarm, due))


def _said(due: Due, outcome: str) -> dict[str, object]:
    """What the journal and the message say besides the event."""
    return {
        "to": due.tier,
        "of": due.of_tier,
        "without": due.without,
        "waited_min": round((due.due_us - due.since_us) / US_PER_MIN, 1),
        "due_at": iso_us(due.due_us),
        "step": due.key,
        "rule": due.rule or "status_report",
        "outcome": outcome,
    }
