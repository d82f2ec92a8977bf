"""Whether what is stored still is what was sealed, hour by hour.

Read in one snapshot of the database. Each batch's hash is made again from the rows of
its frames and readings; a row that no batch claims, a claim without its row, a hash
that differs, a seal that does not follow the one before it: each makes the hour
disagree. docs/seals.md says what this can and cannot prove.
"""

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gasmon.sealing import NOTHING, Chain, FrameRow, Seal, hour_of, read_seal, text_hash
from gasmon.store import seal_batches, seal_rows, seals
from gasmon.store.db import Connection
from gasmon.store.seal_batches import Batch, Rows
from gasmon.store.seal_rows import FrameKey, RowsByHour, key_of
from gasmon.store.seals import GRACE_US, StoredSeal
from gasmon.units import TIME_MAX_US, US_PER_DAY, US_PER_H, iso_us

LATE_US = US_PER_H
"""A seal that is not there so long after it was due is missing [µs]."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that does not agree.

    Attributes:
        code: `seal_missing`, `seal_changed`, `chain_broken`, `batch_missing`,
            `changed`, `reading_missing`, `reading_added`, `reading_changed`,
            `frame_missing`, `frame_added` or `frame_changed`.
        n: how many; `detail` names the first.
    """

    code: str
    n: int
    detail: str


@dataclass(slots=True)
class Hour:
    """What was found of one hour.

    Attributes:
        state: ``agrees``, ``differs``, ``missing`` (no seal), ``dropped`` (retention
            took its rows; only its seal was checked) or ``open`` (not sealed yet).
    """

    hour_us: int
    state: str = "agrees"
    n_batches: int = 0
    n_frames: int = 0
    n_readings: int = 0
    problems: list[Problem] = field(default_factory=list)

    def add(self, code: str, n: int, detail: str) -> None:
        """Something does not agree."""
        self.problems.append(Problem(code, n, detail))
        self.state = "missing" if code == "seal_missing" else "differs"

    @property
    def is_wrong(self) -> bool:
        """It does not agree, or nothing says what it should be."""
        return self.state in ("differs", "missing")


def check(
    conn: Connection, from_us: int | None, to_us: int | None, now_us: int
) -> Iterator[Hour]:
    """Check the hours that begin in [from, to), oldest first.

    Args:
        conn: connection with no open transaction; one of its own.
        from_us: None: the first hour of the log.
        to_us: None: up to the present.
        now_us: hours that are over by then must be sealed [µs UTC].
    """
    conn.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
    try:
        checker = _Checker(conn, now_us)
        first = checker.first_us
        if first is None:
            return
        hour_us = first if from_us is None else max(first, hour_of(from_us))
        end_us = now_us if to_us is None else min(to_us, now_us)
        # Up to a whole hour, as the last one is looked at as a whole.
        whole_us = hour_of(end_us + US_PER_H - 1)
        with closing(RowsByHour(conn, whole_us)) as rows:
            while hour_us < end_us:
                yield checker.hour(hour_us, rows)
                hour_us += US_PER_H
    finally:
        conn.rollback()


class _Checker:
    """What is known of all hours, and the check of one."""

    def __init__(self, conn: Connection, now_us: int) -> None:
        self._conn = conn
        self._now_us = now_us
        stored = seals.seals(conn, 0, TIME_MAX_US)
        self._stored = {one.hour_us: one for one in stored}
        self._read = {one.hour_us: _read(one) for one in stored}
        kept_us = seal_batches.kept_from(conn)
        self._kept_us = TIME_MAX_US if kept_us is None else kept_us
        oldest = min(self._stored, default=None)
        if oldest is None and kept_us is not None:
            oldest = hour_of(kept_us)
        self.first_us = oldest
        self._newest_us = max(self._stored, default=0)
        told = [s for s in self._read.values() if s is not None]
        pending, _ = seals.dropped_since(
            conn, max((s.dropped_id for s in told), default=0)
        )
        self._dropped = [*(one for s in told for one in s.dropped), *pending]

    def _spans(self, what: str) -> list[tuple[int, int]]:
        return [(a, b) for name, a, b, _ in self._dropped if name == what]

    def hour(self, hour_us: int, by_hour: RowsByHour) -> Hour:
        """Check one hour."""
        found = Hour(hour_us)
        stored, seal = self._stored.get(hour_us), self._read.get(hour_us)
        if stored is None:
            is_over = hour_us + US_PER_H + GRACE_US + LATE_US <= self._now_us
            if hour_us < self._newest_us or is_over:
                found.add("seal_missing", 1, "the hour is over and has no seal")
            else:
                found.state = "open"
            return found
        if seal is None or text_hash(stored.body) != stored.hash:
            found.add("seal_changed", 1, "the seal is not the hash of its text")
        if seal is None:
            return found
        self._follows(seal, found)
        batches = [
            b for chain in seal.chains for b in self._batches(chain, seal, found)
        ]
        found.n_batches = len(batches)
        found.n_frames = sum(c.n_frames for c in seal.chains)
        found.n_readings = seal.n_readings
        self._rows(seal, batches, by_hour, found)
        return found

    def _follows(self, seal: Seal, found: Hour) -> None:
        """The seal follows the one before it, and says so of its own hour."""
        hour_us = found.hour_us
        if seal.hour_us != hour_us:
            found.add("seal_changed", 1, "its text is of another hour")
        before = self._stored.get(hour_us - US_PER_H)
        if before is not None and before.hash != seal.previous:
            found.add(
                "chain_broken", 1, "it follows another seal than the one before it"
            )
        if hour_us == self.first_us and seal.previous != NOTHING.hex():
            found.add("chain_broken", 1, "the seals before it are gone")

    def _batches(self, chain: Chain, seal: Seal, found: Hour) -> list[Batch]:
        """A scope's batches of the hour, all of them there and one after the other."""
        before = self._read.get(found.hour_us - US_PER_H)
        if before is not None and before.chain(chain.scope).last + 1 != chain.first:
            found.add("chain_broken", 1, f"{chain.scope}: batches between two seals")
        if chain.last < chain.first:
            return []
        batches = seal_batches.of_chain(self._conn, chain)
        n_missing = chain.last - chain.first + 1 - len(batches)
        if n_missing and not batches and self._is_forgotten(found.hour_us):
            found.state = "dropped"
            return []
        if n_missing:
            there = {batch.number for batch in batches}
            first = next(
                n for n in range(chain.first, chain.last + 1) if n not in there
            )
            found.add("batch_missing", n_missing, f"{chain.scope} {first}")
        elif batches[-1].hash.hex() != chain.hash:
            found.add(
                "chain_broken", 1, f"{chain.scope} {chain.last}: sealed otherwise"
            )
        return batches

    def _is_forgotten(self, hour_us: int) -> bool:
        """A seal says that retention deleted the hour's batches."""
        return any(
            a <= hour_us and hour_us + US_PER_H <= b
            for a, b in self._spans("seal_batch")
        )

    def _rows(
        self, seal: Seal, batches: list[Batch], by_hour: RowsByHour, found: Hour
    ) -> None:
        """The rows that the batches claim, and those that none claims."""
        hour_us = found.hour_us
        rows = Rows(batches)
        judged = [row[0] for batch in batches for row in batch.frames]
        times = np.concatenate([rows.claimed.at_us, np.asarray(judged, np.int64)])
        hours = {hour_us, *np.unique(times - times % US_PER_H).tolist()}
        ours = {(batch.scope, batch.number) for batch in batches}
        others = [
            batch
            for batch in seal_batches.that_judge(
                self._conn, hour_us, hour_us + US_PER_H
            )
            if (batch.scope, batch.number) not in ours
        ]
        frames: dict[FrameKey, FrameRow] = {}
        by_hour.begin(hour_us)
        for at_us in sorted(hours):
            beside = others if at_us == hour_us else None
            self._meet(rows, at_us, beside, by_hour, found)
            there = seal_rows.frames(self._conn, at_us, at_us + US_PER_H)
            frames |= there
            if at_us == hour_us:
                self._unclaimed_frames(there, [*batches, *others], found)
        self._frames(batches, frames, found)
        self._hashes(seal, batches, rows, found)

    def _meet(
        self,
        rows: Rows,
        at_us: int,
        others: Sequence[Batch] | None,
        by_hour: RowsByHour,
        found: Hour,
    ) -> None:
        """Read an hour of judged time; in the hour itself nothing may be unclaimed."""
        window = rows.within(at_us, at_us + US_PER_H)
        beside = None
        if others is not None:
            beside = Rows(others).within(at_us, at_us + US_PER_H)
        n_added, first = 0, ""
        for block in by_hour.hour(at_us):
            known = window.meet(block)
            if beside is None:
                continue
            rest = block[~known]
            rest = rest[~beside.meet(rest)]
            rest = rest[self._is_ours(rest["arrived"], rest["at"])]
            if len(rest):
                first = (
                    first or f"point {rest['point'][0]} at {iso_us(int(rest['at'][0]))}"
                )
                n_added += len(rest)
        if n_added:
            found.add("reading_added", n_added, first)

    def _is_ours(self, arrived_us: Any, at_us: Any) -> Any:
        """It must be in a batch that is kept: it came since the oldest of them.

        What says that it came before, but was measured a day after, lies.
        """
        return (arrived_us >= self._kept_us) | (at_us >= self._kept_us + US_PER_DAY)

    def _unclaimed_frames(
        self,
        there: dict[FrameKey, FrameRow],
        batches: Sequence[Batch],
        found: Hour,
    ) -> None:
        claimed = {key_of(row) for batch in batches for row in batch.frames}
        added = [
            key
            for key, row in there.items()
            if key not in claimed and self._is_ours(row[1], row[0])
        ]
        if added:
            found.add("frame_added", len(added), _frame(min(added)))

    def _frames(
        self,
        batches: Sequence[Batch],
        there: dict[FrameKey, FrameRow],
        found: Hour,
    ) -> None:
        spans = self._spans("frame")
        missing, changed = [], []
        for batch in batches:
            for row in batch.frames:
                stored = there.get(key_of(row))
                if stored is None:
                    if not any(a <= row[0] < b for a, b in spans):
                        missing.append(key_of(row))
                elif stored != row:
                    changed.append(key_of(row))
        if missing:
            found.add("frame_missing", len(missing), _frame(missing[0]))
        if changed:
            found.add("frame_changed", len(changed), _frame(changed[0]))

    def _hashes(
        self, seal: Seal, batches: Sequence[Batch], rows: Rows, found: Hour
    ) -> None:
        """Every batch's hash, where all its rows are there."""
        taken = self._taken(rows)
        missing = ~rows.seen & ~taken
        for code, which in (
            ("reading_missing", missing),
            ("reading_changed", rows.wrong),
        ):
            if which.any():
                found.add(code, int(which.sum()), _reading(rows, int(which.argmax())))
        if taken.any() and not found.problems:
            found.state = "dropped"
        changed = []
        recorded = {(b.scope, b.number): b.hash for b in batches}
        for i, batch in enumerate(batches):
            part = slice(int(rows.offsets[i]), int(rows.offsets[i + 1]))
            previous = recorded.get((batch.scope, batch.number - 1))
            if previous is None:
                chain = seal.chain(batch.scope)
                previous = self._before(found.hour_us, chain, batch)
            if previous is None or not rows.seen[part].all():
                continue
            if (
                batch.hash_of(previous, rows.value[part], rows.state[part])
                != batch.hash
            ):
                changed.append(batch)
        if changed:
            detail = f"batch {changed[0].name} of {iso_us(changed[0].recorded_us)}"
            found.add("changed", len(changed), detail)

    def _before(self, hour_us: int, chain: Chain, batch: Batch) -> bytes | None:
        """The hash that the first batch of the hour follows; None: nobody knows."""
        if batch.number != chain.first:
            return None
        before = self._read.get(hour_us - US_PER_H)
        if before is not None:
            return bytes.fromhex(before.chain(chain.scope).hash)
        if chain.first == 1:
            return NOTHING
        return seal_batches.hash_before(self._conn, chain)

    def _taken(self, rows: Rows) -> NDArray[np.bool_]:
        """Readings that retention took, bool[n]."""
        taken = np.zeros(rows.n, np.bool_)
        at = rows.claimed.at_us
        for a, b in self._spans("reading"):
            taken |= (at >= a) & (at < b)
        return taken & ~rows.seen


def _read(stored: StoredSeal) -> Seal | None:
    try:
        return read_seal(stored.body)
    except ValueError:
        return None


def _frame(key: FrameKey) -> str:
    mine, boot, seq, judged_us = key
    return f"mine {mine}, boot {boot}, seq {seq} at {iso_us(judged_us)}"


def _reading(rows: Rows, i: int) -> str:
    return f"point {rows.claimed.point[i]} at {iso_us(int(rows.claimed.at_us[i]))}"
