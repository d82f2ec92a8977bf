"""Small files of which the old or the new content is there, whatever happens."""

import logging
import os
from contextlib import suppress
from pathlib import Path

from gasmon.pipeline.segment import sync_folder

log = logging.getLogger(__name__)


def write_whole(path: Path, content: bytes) -> bool:
    """Replace a file durably; a failure is told, and the old one stays.

    Returns:
        Whether it is written.
    """
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
        with suppress(OSError):
            fresh.unlink(missing_ok=True)
        return False
    return True
