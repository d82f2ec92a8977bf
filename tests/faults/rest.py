"""Coming to rest: what is still broken, held back or on its way."""

from __future__ import annotations

from gasmon.errors import DependencyError
from tests.faults import check
from tests.faults.facts import Facts, OutboxReader, held_by, look
from tests.faults.finding import Finding
from tests.faults.gateways import Gateways
from tests.faults.stack import RECEIVERS, Stack

SETTLE_S = 90.0
"""How long everything may take to come to rest [s]."""

UNDER_WAY = ("gasmon_inbox_depth", "gasmon_unacknowledged", "gasmon_turns_waiting")
HELD_BACK = (
    "gasmon_spool_turns",
    "gasmon_frames_held",
    "gasmon_gaps_open",
    "gasmon_late_waiting",
)


class Rest:
    """Looks whether a stack rests.

    Attributes:
        facts: what is stored, as of the last look.
    """

    def __init__(self, stack: Stack, gateways: Gateways, reader: OutboxReader) -> None:
        self.facts = Facts()
        self._stack = stack
        self._gateways = gateways
        self._reader = reader

    def wait(self, *, is_paused: bool) -> list[Finding]:
        """Wait until everything has come to rest; what does not is a finding of I5.

        Args:
            is_paused: the gateways pause, so that all of it must be everywhere.
        """
        waiting: dict[str, object] = {}

        def rests() -> bool:
            waiting.clear()
            waiting.update(self.unrest() or (self.unequal() if is_paused else {}))
            return not waiting

        try:
            self._stack.wait(rests, SETTLE_S, "rest")
        except DependencyError:
            return [Finding("I5", f"no rest within {SETTLE_S:g} s: {waiting}")]
        return []

    def unrest(self) -> dict[str, object]:
        """What is broken, held back or waiting; frames may go on meanwhile."""
        gateways = self._gateways
        if gateways.failure is not None:
            raise gateways.failure
        found: dict[str, object] = dict(self._stack.problems())
        if gateways.n_connected < len(gateways.stations):
            found["connected"] = gateways.n_connected
        return found | self._not_zero(HELD_BACK)

    def unequal(self) -> dict[str, object]:
        """What was made and is not everywhere yet; while the gateways pause."""
        found: dict[str, object] = {}
        if self._gateways.n_open:
            found["gateways"] = f"{self._gateways.n_open} frames not acknowledged"
        found |= self._not_zero(UNDER_WAY)
        if found:
            return found
        self.look()
        made = {f.key for f in self._gateways.frames() if f.acked}
        missing = made - self.facts.frames.keys()
        missing = {key for key in missing if not check.is_lost(key, self.facts)}
        if missing:
            found["frames"] = sorted(missing)[:5]
        told = self.facts.outbox
        for name, area in RECEIVERS.items():
            held = held_by(self._stack.state_file(name))
            wanted = [t.seq for t in told if area in ("all", t.area)] or [0]
            if (held[-1].seq if held else 0) != wanted[-1]:
                found[f"receive-{name}"] = f"not at {wanted[-1]}"
        last, seen = told[-1].seq if told else 0, self._reader.seen
        if (seen[-1] if seen else 0) != last:
            found["reader"] = f"not at {last}"
        return found

    def look(self) -> None:
        """Look at what is stored now."""
        with self._stack.connect() as conn:
            self.facts = look(conn)

    def _not_zero(self, names: tuple[str, ...]) -> dict[str, object]:
        """Of ingest's gauges those that are not 0."""
        ingest = self._stack.ingest()
        values = {name: ingest.metric(name) for name in names}
        return {name: value for name, value in values.items() if value != 0}
