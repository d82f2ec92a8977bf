"""The bytes of an upload file, cut into its header and its records.

The profile says how a mine writes; where a file plainly differs from it, the file is
read as it is and the difference is told, because a wrong setting must not silence a
mine. Nothing is dropped: what is no header and no record becomes a refusal.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from gasmon.ingest.fields import show
from gasmon.ingest.upload.profile import END_MARKS, RECORD_SEPARATORS, Profile
from gasmon.ingest.upload.records import FIELDS

SHOWN_CHARS = 256
"""Characters of a refused record that are kept beside the reason."""

_CJK = re.compile("[\u2e80-\u9fff]")

Completeness = Literal["complete", "incomplete", "unmarked"]


@dataclass(frozen=True, slots=True)
class Refusal:
    """Something in a file that was refused, or taken otherwise than it stands.

    Attributes:
        file: name of the file, as the caller calls it.
        where: `file`, `header` or `record`.
        record: number of the record from 1; 0 for file and header.
        field: name of the field as in `FIELDS`, "" when all of it is meant.
        reason: stable snake_case code; each stands in `docs/upload-files.md`.
        detail: one line that names the thing and what it held.
        text: the beginning of the record.
        kept: whether the record (header, file) is used all the same.
    """

    file: str
    where: str
    record: int
    field: str
    reason: str
    detail: str
    text: str
    kept: bool


class Refusals:
    """Collects the refusals of one file."""

    def __init__(self, file: str) -> None:
        """Start with none."""
        self.all: list[Refusal] = []
        self._file = file

    def file(self, reason: str, detail: str, text: str, *, kept: bool) -> None:
        """Refuse the file, or say how it differs."""
        self._add("file", 0, "", reason, detail, text, kept)

    def header(self, field: str, reason: str, detail: str, text: str) -> None:
        """Refuse a part of the header; what can be read of it is used."""
        self._add("header", 0, field, reason, detail, text, True)

    def record(
        self, record: int, field: str, reason: str, detail: str, text: str, kept: bool
    ) -> None:
        """Refuse a record, or one field of a record that is kept."""
        self._add("record", record, field, reason, detail, text, kept)

    def _add(
        self,
        where: str,
        record: int,
        field: str,
        reason: str,
        detail: str,
        text: str,
        kept: bool,
    ) -> None:
        shown = text[:SHOWN_CHARS]
        self.all.append(
            Refusal(self._file, where, record, field, reason, detail, shown, kept)
        )


@dataclass(frozen=True, slots=True)
class CutFile:
    """A file in pieces.

    Attributes:
        header: its text; None when there is none.
        records: texts of the records, without what surrounds them; none is blank.
        cut_off: the piece after which a file without its end mark breaks off.
        completeness: `incomplete` when the end mark is missing, `unmarked` when
            this mine writes none, so that nothing can be told.
    """

    header: str | None
    records: Sequence[str]
    cut_off: str | None
    completeness: Completeness


def cut_file(
    data: bytes, profile: Profile, file_type: str, refusals: Refusals
) -> CutFile:
    """Cut a file into header and records.

    Args:
        data: All bytes of it.
        profile: How its mine writes.
        file_type: One of `FILE_TYPES`; tells a header from a record.
        refusals: Told about everything odd.
    """
    if not data.strip():
        refusals.file(
            "empty_file", f"{len(data)} bytes, nothing in them", "", kept=False
        )
        return CutFile(None, (), None, "incomplete")
    text = _decode(data, profile, refusals).lstrip("\ufeff").rstrip()
    body, completeness = _body(text, profile, refusals)
    pieces = body.split(_separator(body, profile, refusals))
    cut_off = None
    if completeness == "incomplete":
        # Even a piece with all its fields may have lost the end of the last one.
        cut_off = pieces.pop().strip() or None
    header = pieces[0].strip() if pieces else ""
    records = [record for piece in pieces[1:] if (record := piece.strip())]
    if header and _is_record(header, profile, file_type):
        refusals.header("", "header_missing", "the first record is no header", header)
        return CutFile(None, [header, *records], cut_off, completeness)
    if not header:
        detail = "the file begins with no header"
        refusals.header("", "header_missing", detail, text[:SHOWN_CHARS])
    return CutFile(header or None, records, cut_off, completeness)


def _decode(data: bytes, profile: Profile, refusals: Refusals) -> str:
    """Return the text; what cannot be read is U+FFFD, which no field accepts."""
    beginning = show(data[:40].decode("latin-1"))
    try:
        text = data.decode(profile.codec)
    except UnicodeDecodeError as error:
        damage = error
    else:
        if profile.encoding == "gbk" and not text.isascii():
            other = _strictly(data, "utf-8")
            # Some GBK is valid UTF-8 by chance, but never as Chinese characters.
            if other is not None and _CJK.search(other):
                detail = "the bytes are utf-8, the profile says gbk"
                refusals.file("encoding_differs", detail, beginning, kept=True)
                return other
        return text
    text = data.decode(profile.codec, "replace")
    n_bad = text.count("\ufffd")
    other = None
    if profile.encoding == "gbk":
        other = _strictly(data, "utf-8")
    elif len(_CJK.findall(text)) <= n_bad:
        other = _strictly(data, "gb18030")
    if other is not None:
        names = ("utf-8", "gbk") if profile.encoding == "gbk" else ("gbk", "utf-8")
        detail = f"the bytes are {names[0]}, the profile says {names[1]}"
        refusals.file("encoding_differs", detail, beginning, kept=True)
        return other
    detail = (
        f"{n_bad} places are no {profile.encoding}, the first is byte "
        f"{data[damage.start]:#04x} at offset {damage.start}"
    )
    refusals.file("bad_encoding", detail, beginning, kept=True)
    return text


def _strictly(data: bytes, codec: str) -> str | None:
    try:
        return data.decode(codec)
    except UnicodeDecodeError:
        return None


def _body(text: str, profile: Profile, refusals: Refusals) -> tuple[str, Completeness]:
    """Return what stands before the end mark, and whether there is one."""
    if profile.end_mark:
        end = _end(text, profile.end_mark, profile.field_separator)
        if end is not None:
            rest = text[end + len(profile.end_mark) :].strip()
            if rest:
                detail = f"{len(rest)} characters after the end mark"
                refusals.file("after_end", detail, rest, kept=False)
            return text[:end], "complete"
    for mark in END_MARKS:
        if mark != profile.end_mark and text.endswith(mark):
            told = profile.end_mark or "none"
            detail = f"the file ends with {mark}, the profile says {told}"
            refusals.file("end_mark_differs", detail, text[-40:], kept=True)
            return text[: -len(mark)], "complete"
    if not profile.end_mark:
        return text, "unmarked"
    detail = f"no end mark {profile.end_mark} after {len(text)} characters"
    refusals.file("incomplete_file", detail, text[-40:], kept=True)
    return text, "incomplete"


def _end(text: str, mark: str, field_separator: str) -> int | None:
    """Return where the file ends: a mark at the end, or before another header.

    The two characters may also stand in a location, so not each of them counts.
    """
    if text.endswith(mark) and text.index(mark) == len(text) - len(mark):
        return len(text) - len(mark)
    header = rf"\s*(?:\Z|[0-9]{{12}}{re.escape(field_separator)})"
    found = re.search(re.escape(mark) + f"(?={header})", text)
    return None if found is None else found.start()


def _separator(body: str, profile: Profile, refusals: Refusals) -> str:
    if profile.record_separator in body:
        return profile.record_separator
    for other in RECORD_SEPARATORS:
        if other != profile.field_separator and other in body:
            detail = (
                f"records are separated by {other}, the profile says "
                f"{profile.record_separator}"
            )
            refusals.file("record_separator_differs", detail, body[:80], kept=True)
            return other
    return profile.record_separator


def _is_record(header: str, profile: Profile, file_type: str) -> bool:
    """Tell whether the first piece has the shape of a record instead."""
    parts = header.split(profile.field_separator)
    return len(parts) == len(FIELDS[file_type]) and len(parts[0].strip()) > 12
