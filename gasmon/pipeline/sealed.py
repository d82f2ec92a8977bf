"""The arrival log: a hash of what each commit stores, after the one before it.

Written in the transaction whose rows it is about, so there is never the one without
the other, whatever is killed when. What was stored already (a frame that came again,
a spooled turn that is written a second time) is not in it a second time.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from gasmon.batch import Frame, Int32, ReadingBatch
from gasmon.sealing import batch_hash, claim, frames_text, pack
from gasmon.store.db import Connection
from gasmon.store.seals import NewBatch, append_batch, head


class ArrivalLog:
    """The end of one scope's chain of batches, as one writer extends it."""

    def __init__(self, conn: Connection, scope: str) -> None:
        """Nothing is read yet.

        Args:
            scope: whose chain it is; one process at a time writes it, which fencing
                sees to.
        """
        self._conn = conn
        self._scope = scope
        self._head: tuple[int, bytes] | None = None
        self._next: tuple[int, bytes] | None = None

    def begin(self) -> None:
        """A transaction begins, outside of any pipeline."""
        self._next = None
        if self._head is None:
            self._head = head(self._conn, self._scope)

    def add(
        self,
        frames: Sequence[Frame],
        point_id: Int32,
        batch: ReadingBatch,
        stored: NDArray[np.intp] | None,
        now_us: int,
    ) -> None:
        """Log what the transaction stores; at most once in each.

        Args:
            frames: those that are new, in the order in which they arrived.
            point_id: of each reading of the batch, int32[n].
            stored: which readings are new, intp[k]; None: all of them.
            now_us: when it is recorded [µs UTC].
        """
        assert self._head is not None, "begin() comes first"
        at, arrived = batch.at_us, batch.arrived_us
        value, state = batch.value, batch.state
        if stored is not None:
            kept = np.sort(stored)
            point_id, at, arrived = point_id[kept], at[kept], arrived[kept]
            value, state = value[kept], state[kept]
        if not frames and not len(point_id):
            return
        claims, order = claim(point_id, at, arrived)
        if order is not None:
            value, state = value[order], state[order]
        number, previous = self._head[0] + 1, self._head[1]
        told, named = frames_text(frames), claims.tobytes()
        hash_ = batch_hash(
            previous, self._scope, number, now_us, told, named, value, state
        )
        # A claim's readings have the same times, and there are few claims.
        times = claims["at"].tolist() + [frame.judged_us for frame in frames]
        arrivals = claims["arrived"].tolist() + [frame.arrived_us for frame in frames]
        append_batch(
            self._conn,
            NewBatch(
                scope=self._scope,
                number=number,
                recorded_us=now_us,
                at_from_us=min(times),
                at_to_us=max(times),
                arrived_from_us=min(arrivals),
                n_frames=len(frames),
                n_readings=len(point_id),
                rows=pack(told, named),
                hash=hash_,
            ),
        )
        self._next = number, hash_

    def committed(self) -> None:
        """The transaction is committed."""
        self._head = self._next or self._head

    def forget(self) -> None:
        """It is not, or nobody knows: the database says where the chain ends."""
        self._head = None
