"""What lies beside the spool: the engine's newest memory, and what we were called.

While the database is away its snapshots of the engine grow old, and a restart would
judge the whole outage again. So the newest one is kept here, with what else a start
without a database must know of that moment (``localcopy.py``).
"""

import json
import logging
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from gasmon.pipeline.evaluate import Snapshot
from gasmon.pipeline.record import RecordCorrupt, seal, unseal
from gasmon.pipeline.wholefile import write_whole

SNAPSHOT = b"S"
"""Kind of the record, beside those of the spool."""

BOOTS = 32
"""Starts of ours whose names are kept; ours: more than a supervisor makes in the time
in which a broker holds a dead connection for a living one."""

log = logging.getLogger(__name__)


class KeptSnapshot:
    """Two small files in the spool's folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._snapshot = folder / "engine.snapshot"
        self._boots = folder / "boots.json"
        self._is_told = False

    def write(
        self,
        snapshot: Snapshot,
        leave_bytes: int = 0,
        *,
        known: Mapping[str, Any] | None = None,
    ) -> bool:
        """Keep this one instead of the one before; a failure is told and harmless.

        Args:
            leave_bytes: it is not kept when less than this would be left on the disk,
                where alarms need the space more.
            known: what else was known after its step, as JSON holds it.

        Returns:
            Whether it is kept.
        """
        header = {
            "step": snapshot.step,
            "taken_us": snapshot.taken_us,
            "n_points": snapshot.n_points,
            "beside": dict(snapshot.beside),
            "known": None if known is None else dict(known),
        }
        body = np.frombuffer(snapshot.body, np.uint8)
        record = seal(SNAPSHOT, header, {"body": body})
        if leave_bytes:
            left_bytes = shutil.disk_usage(self._folder).free - len(record)
            if left_bytes < leave_bytes:
                if self._is_told:
                    return False  # once an outage, not once a second
                self._is_told = True
                log.error(
                    "a snapshot of %d bytes is not kept: %d bytes would be left, and"
                    " %d are for alarms", len(record), left_bytes, leave_bytes,
                )  # fmt: skip
                return False
        self._is_told = False
        return write_whole(self._snapshot, record)

    def read(self) -> Snapshot | None:
        """The one that is kept; None when there is none that can be read."""
        found = self.read_with_known()
        return None if found is None else found[0]

    def read_with_known(self) -> tuple[Snapshot, Mapping[str, Any] | None] | None:
        """The same with what else was known then; None where that was not kept."""
        try:
            header, arrays = unseal(SNAPSHOT, self._snapshot.read_bytes())
            known = header.pop("known", None)
            return Snapshot(**header, body=arrays["body"].tobytes()), known
        except FileNotFoundError:
            return None
        except (OSError, RecordCorrupt, KeyError, TypeError) as error:
            log.error("%s cannot be used: %s", self._snapshot, error)
            return None

    def write_boot(self, boot: str) -> None:
        """We are about to call ourselves so at the broker."""
        before = [known for known in self.boots() if known != boot]
        write_whole(self._boots, json.dumps([*before, boot][-BOOTS:]).encode())

    def boots(self) -> list[str]:
        """What we called ourselves at the broker lately."""
        try:
            return [str(boot) for boot in json.loads(self._boots.read_bytes())]
        except FileNotFoundError:
            return []
        except (OSError, ValueError, TypeError) as error:
            log.error("%s cannot be used: %s", self._boots, error)
            return []

    def forget(self) -> None:
        """The snapshot belongs to another history."""
        self._snapshot.unlink(missing_ok=True)
