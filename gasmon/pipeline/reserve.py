"""Disk space that is kept for alarms: a file of nothing, given up when it is needed.

A disk that refuses even that (a file system turns read-only when its disk fails) is
told and raises nothing: what stores goes on with what it has.
"""

import logging
import os
from pathlib import Path

log = logging.getLogger(__name__)


class Reserve:
    """A file whose blocks are really taken.

    Attributes:
        n_bytes: how large it is.
        held: whether it is there.
    """

    def __init__(self, path: Path, n_bytes: int) -> None:
        self.n_bytes = n_bytes
        self.held = False
        self._path = path

    @property
    def wanted_bytes(self) -> int:
        """How much must be free for it to be taken [bytes]."""
        return self.n_bytes * 3 // 2

    def take(self) -> bool:
        """Take the space, when half as much again would be left.

        Without that margin the next readings would fill the disk at once, and the
        reserve would come and go with every turn.
        """
        if self.held:
            return True
        try:
            self._path.unlink(missing_ok=True)
            if self.free_bytes() < self.wanted_bytes:
                return False
            handle = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            try:
                # Also on a file system without it, where the C library writes.
                os.posix_fallocate(handle, 0, self.n_bytes)
                os.fsync(handle)
            finally:
                os.close(handle)
        except OSError:
            self._delete()
            return False
        self.held = True
        return True

    def give_up(self) -> None:
        """Free the space."""
        self._delete()
        self.held = False

    def _delete(self) -> None:
        try:
            self._path.unlink(missing_ok=True)
        except OSError as error:
            log.error("%s stays: %s", self._path, error)

    def free_bytes(self) -> int:
        """What the file system has left for us [bytes]."""
        disk = os.statvfs(self._path.parent)
        return disk.f_bavail * disk.f_frsize
