"""What the drop folder does on the disk: looking, moving, removing what is old."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from gasmon.ingest.upload.fast import ReadingFile
from gasmon.ingest.upload.parse import UploadFile
from gasmon.units import BEIJING, to_datetime

KEPT = ("backup", "error", "unknown")
"""Folders that we make in the drop folder; files in them are never read."""

REASONS_MOST = 20
"""Lines of a file's reason; a file can hold thousands of bad records."""

_PARTIAL = (".tmp", ".part", ".filepart", ".partial", ".reason")
"""Names that uploaders give to what they have not written to its end, and ours."""

_DATE = re.compile("[0-9]{8}")


@dataclass(frozen=True, slots=True)
class Found:
    """A file in the folder, as it was looked at last."""

    path: Path
    size: int
    changed_ns: int


def look(folder: Path) -> Iterator[Found]:
    """Files of the folder and of the folders in it; not what is being written."""
    with os.scandir(folder) as entries:
        for entry in list(entries):
            if entry.name.startswith("."):
                continue
            if entry.is_dir():
                if entry.name not in KEPT:
                    with os.scandir(entry.path) as below:
                        yield from _files(below)
            else:
                yield from _files([entry])


def _files(entries: Iterable[os.DirEntry[str]]) -> Iterator[Found]:
    for entry in entries:
        if entry.name.startswith(".") or entry.name.lower().endswith(_PARTIAL):
            continue
        try:
            if entry.is_file(follow_symlinks=False):
                stat = entry.stat(follow_symlinks=False)
                yield Found(Path(entry.path), stat.st_size, stat.st_mtime_ns)
        except FileNotFoundError:
            continue  # moved away just now


def free_name(place: Path) -> Path:
    """A name that nothing has yet: a file may come again with other content."""
    free, number = place, 1
    while free.exists():
        number += 1
        free = place.with_name(f"{place.stem}.{number}{place.suffix}")
    return free


def reasons_of(content: ReadingFile | UploadFile) -> Iterator[str]:
    for refusal in content.refusals[:REASONS_MOST]:
        record = f" {refusal.record}" if refusal.record else ""
        where = f"{refusal.where}{record}"
        name = f", {refusal.field}" if refusal.field else ""
        yield f"{where}{name}: {refusal.reason}: {refusal.detail}"
    more = len(content.refusals) - REASONS_MOST
    if more > 0:
        yield f"{more} more"


def move(path: Path, target: Path, reasons: Iterable[str]) -> None:
    """Move a file into a folder that is made, with its reasons beside it.

    Raises:
        FileNotFoundError: it is not there any more.
        OSError: it cannot be moved.
    """
    target.mkdir(parents=True, exist_ok=True)
    place = free_name(target / path.name)
    os.rename(path, place)
    text = "\n".join(reasons)
    if text:
        place.with_name(f"{place.name}.reason").write_text(text + "\n", "utf-8")


def day_name(time_us: int) -> str:
    """A day in Beijing time, as the folders are called."""
    return f"{to_datetime(time_us).astimezone(BEIJING):%Y%m%d}"


def remove_before(folder: Path, day: str) -> None:
    """Remove what was moved before a day, as far as the disk allows."""
    for name in KEPT:
        for each in sorted((folder / name).glob("*")):
            if _DATE.fullmatch(each.name) and each.name < day:
                shutil.rmtree(each, ignore_errors=True)
