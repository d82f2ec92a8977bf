"""What lies beside the spool: whose turns these are, and the engine's newest memory.

While the database is away its snapshots of the engine grow old, and a restart would
judge the whole outage again. So the newest one is kept here. The owner's fencing
numbers say whether anybody else owned our areas since: then the turns of the spool
belong to another history than the database's.
"""

import json
import logging
import os
import shutil
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from gasmon.pipeline.evaluate import Snapshot
from gasmon.pipeline.record import RecordCorrupt, seal, unseal
from gasmon.pipeline.segment import sync_folder

SNAPSHOT = b"S"
"""Kind of the record, beside those of the spool."""

log = logging.getLogger(__name__)


class KeptSnapshot:
    """Two small files in the spool's folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._snapshot = folder / "engine.snapshot"
        self._owner = folder / "owner.json"
        self._written: dict[str, int] | None = None

    def write(self, snapshot: Snapshot, leave_bytes: int = 0) -> bool:
        """Keep this one instead of the one before; a failure is told and harmless.

        Args:
            leave_bytes: it is not kept when less than this would be left on the disk,
                where alarms need the space more.

        Returns:
            Whether it is kept.
        """
        header = {
            "step": snapshot.step,
            "taken_us": snapshot.taken_us,
            "n_points": snapshot.n_points,
        }
        body = np.frombuffer(snapshot.body, np.uint8)
        record = seal(SNAPSHOT, header, {"body": body})
        if leave_bytes:
            left_bytes = shutil.disk_usage(self._folder).free - len(record)
            if left_bytes < leave_bytes:
                log.error(
                    "a snapshot of %d bytes is not kept: %d bytes would be left, and"
                    " %d are for alarms", len(record), left_bytes, leave_bytes,
                )  # fmt: skip
                return False
        return _write(self._snapshot, record)

    def read(self) -> Snapshot | None:
        """The one that is kept; None when there is none that can be read."""
        try:
            header, arrays = unseal(SNAPSHOT, self._snapshot.read_bytes())
            return Snapshot(**header, body=arrays["body"].tobytes())
        except FileNotFoundError:
            return None
        except (OSError, RecordCorrupt, KeyError, TypeError) as error:
            log.error("%s cannot be used: %s", self._snapshot, error)
            return None

    def write_owner(self, fencing: Mapping[str, int]) -> None:
        """What is spooled from now on is judged under these numbers."""
        if self._written == fencing:
            return
        if _write(self._owner, json.dumps(dict(fencing)).encode()):
            self._written = dict(fencing)

    def is_continued(self, fencing: Mapping[str, int]) -> bool:
        """Whether nobody owned our areas between the spool's owner and us."""
        try:
            before = json.loads(self._owner.read_bytes())
        except FileNotFoundError:
            return True  # nothing was spooled yet by a version that keeps it
        except (OSError, ValueError) as error:
            log.error("%s cannot be used: %s", self._owner, error)
            return False
        return bool({scope: n - 1 for scope, n in fencing.items()} == before)

    def forget(self) -> None:
        """The snapshot belongs to another history."""
        self._snapshot.unlink(missing_ok=True)


def _write(path: Path, content: bytes) -> bool:
    """Replace a file so that the old or the new one is there, whatever happens."""
    fresh = path.with_suffix(".new")
    try:
        with fresh.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        log.error("%s is not written: %s", path, error)
        fresh.unlink(missing_ok=True)
        return False
    return True
