"""Rules that ingest began to judge by, in the audit trail."""

import hashlib
import re

from gasmon.alarms.rule_changes import parts_of
from gasmon.alarms.rule_versions import RuleChange
from gasmon.store import audit
from gasmon.store.db import Connection
from gasmon.units import iso_us

_NUMBER = re.compile(r"^# change (\d+) of ", re.M)


def note_rules(conn: Connection, change: RuleChange) -> None:
    """Write down which rules count from when, in the transaction of their step.

    The text itself is in the engine's log and its snapshots for as long as they are
    kept; its digest tells for good whether a file is the one that counted. Who changed
    the file is not known to gasmon: it is whoever may write at the server.
    """
    site, approved = parts_of(change.text)
    audit.write(
        conn,
        audit.OPERATOR,
        "rules.in_force",
        change.name,
        detail={
            "from": iso_us(change.from_us),
            "sha256": hashlib.sha256(site.encode()).hexdigest(),
            "lines": len(site.splitlines()),
            "limit_changes": [int(number) for number in _NUMBER.findall(approved)],
        },
    )
