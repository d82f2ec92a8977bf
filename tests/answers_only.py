"""Escalation rules for tests about answers: a room without a page calls nobody."""

from __future__ import annotations

from dataclasses import replace

from gasmon.alarms.escalation_rules import (
    DELIVERED,
    EscalationRules,
    default_escalation,
)
from gasmon.settings import LedgerSettings
from gasmon.store.expected import expecting_of

EXPECTING = expecting_of(LedgerSettings())


def answers_only() -> EscalationRules:
    """The shipped rules without what waits for deliveries."""
    shipped = default_escalation()
    rows = [
        replace(row, steps=tuple(s for s in row.steps if s.without != DELIVERED))
        for row in shipped.rows
    ]
    return replace(shipped, rows=tuple(rows))
