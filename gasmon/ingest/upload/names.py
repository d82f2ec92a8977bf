"""Names of upload files: `530627004499_CDSS_20260716110000.txt`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime

from gasmon.ingest.fields import PayloadError, show
from gasmon.ingest.upload.profile import Profile
from gasmon.ingest.upload.records import FILE_TYPES
from gasmon.units import BEIJING, from_datetime, to_datetime

_NAME = re.compile(
    r"([0-9]{12})_([A-Za-z0-9]{1,12})_([0-9]{14})(\.txt)", re.ASCII | re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class FileName:
    """What a file's name tells.

    Attributes:
        mine: 12 digits.
        file_type: one of `FILE_TYPES`.
        at_us: when it was made [µs UTC].
        prefix: before the type, usual are "" and `N`.
        extension: as written.
    """

    mine: str
    file_type: str
    at_us: int
    prefix: str = ""
    extension: str = ".txt"


def parse_file_name(name: str) -> FileName:
    """Read a name without its folder.

    Raises:
        PayloadError: `bad_file_name`, or `unknown_file_type` when only its type is.
    """
    match = _NAME.fullmatch(name)
    if match is None:
        raise PayloadError("bad_file_name", f"file {show(name)}")
    mine, word, stamp, extension = match.groups()
    prefix, file_type = split_type(word)
    try:
        moment = datetime.strptime(stamp, "%Y%m%d%H%M%S").replace(tzinfo=BEIJING)
    except ValueError:
        raise PayloadError(
            "bad_file_name", f"file {show(name)}: {stamp} is no time"
        ) from None
    return FileName(mine, file_type, from_datetime(moment), prefix, extension)


def split_type(word: str) -> tuple[str, str]:
    """Split `NCDSS`, as it stands in names and topics, into prefix and type.

    Raises:
        PayloadError: `unknown_file_type`.
    """
    prefix, file_type = word[:-4], word[-4:].upper()
    if file_type not in FILE_TYPES or not (prefix == "" or prefix.isalpha()):
        raise PayloadError(
            "unknown_file_type", f"type {show(word)}, known: {', '.join(FILE_TYPES)}"
        )
    return prefix, file_type


def format_file_name(mine: str, file_type: str, at_us: int, profile: Profile) -> str:
    """Write a name as a mine does.

    Args:
        mine: 12 digits.
        file_type: One of `FILE_TYPES`.
        at_us: When it is made [µs UTC]; fractions of a second are cut.
        profile: The mine's settings.
    """
    assert file_type in FILE_TYPES, file_type
    stamp = to_datetime(at_us).astimezone(BEIJING).strftime("%Y%m%d%H%M%S")
    return f"{mine}_{profile.type_prefix}{file_type}_{stamp}{profile.extension}"
