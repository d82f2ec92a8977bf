"""Rules that ingest began to judge by: their text, and the note in the audit trail."""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from gasmon.alarms.rule_changes import parts_of
from gasmon.alarms.rule_versions import RuleChange
from gasmon.store import audit
from gasmon.store.db import Connection
from gasmon.units import from_datetime, iso_us, to_datetime

_NUMBER = re.compile(r"^# change (\d+) of ", re.M)


@dataclass(frozen=True, slots=True)
class RulesTaken:
    """Rules as one owner of areas took them.

    Attributes:
        scope: whose: the codes of its areas, or ``*`` (``replay_log.scope_name``).
        change: from which event time they count, and their text.
        taken_us: when it began to judge by them [µs UTC].
        sha256: of the text of the site's file and of the approved changes together.
    """

    rules_id: int
    scope: str
    change: RuleChange
    taken_us: int
    sha256: str

    @property
    def limit_changes(self) -> list[int]:
        """Numbers of the approved changes that are part of them."""
        return _numbers(parts_of(self.change.text)[1])


def note_rules(conn: Connection, change: RuleChange, scope: str, now_us: int) -> None:
    """Write down which rules count from when, in the transaction of their step.

    Who changed the file is not known to gasmon: it is whoever may write at the server.
    """
    site, approved = parts_of(change.text)
    audit.write(
        conn,
        audit.OPERATOR,
        "rules.in_force",
        change.name,
        detail={
            "from": iso_us(change.from_us),
            "sha256": _sha256(site),
            "lines": len(site.splitlines()),
            "limit_changes": _numbers(approved),
        },
    )
    _keep(conn, change, scope, now_us)


def note_present(conn: Connection, change: RuleChange, scope: str, now_us: int) -> bool:
    """Write down what a start judges by, where that is not the newest that is known.

    Returns:
        Whether it was written.
    """
    newest = conn.execute(
        "SELECT sha256 FROM rules_in_force WHERE scope = %s"
        " ORDER BY rules_id DESC LIMIT 1",
        (scope,),
    ).fetchone()
    if newest is not None and newest[0] == _sha256(change.text):
        return False
    _keep(conn, change, scope, now_us)
    return True


def rules_taken(conn: Connection, limit: int = 100) -> Sequence[RulesTaken]:
    """Of all owners, the newest first."""
    rows: list[tuple[Any, ...]] = conn.execute(
        "SELECT rules_id, scope, from_at, taken_at, name, text, sha256"
        " FROM rules_in_force ORDER BY rules_id DESC LIMIT %s",
        (limit,),
    ).fetchall()
    return [
        RulesTaken(
            int(number),
            str(scope),
            RuleChange(from_datetime(from_at), str(name), str(text)),
            from_datetime(taken_at),
            str(sha256),
        )
        for number, scope, from_at, taken_at, name, text, sha256 in rows
    ]


def _keep(conn: Connection, change: RuleChange, scope: str, now_us: int) -> None:
    conn.execute(
        "INSERT INTO rules_in_force (scope, from_at, taken_at, name, sha256, text)"
        " VALUES (%s, %s, %s, %s, %s, %s)",
        (
            scope,
            to_datetime(change.from_us),
            to_datetime(now_us),
            change.name,
            _sha256(change.text),
            change.text,
        ),
    )


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _numbers(approved: str) -> list[int]:
    return [int(number) for number in _NUMBER.findall(approved)]
