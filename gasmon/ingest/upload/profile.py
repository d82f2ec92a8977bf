"""How one mine writes its upload files.

The national format leaves less open than mines make of it: separators, end marks,
prefixes, encodings, header widths and the meaning of two numbers differ from maker to
maker. What differs is a setting of the mine; `detect.propose` finds it in samples.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from gasmon.domain import states
from gasmon.ingest.upload.records import POWER_WORDS

CODECS = {"utf-8": "utf-8", "gbk": "gb18030"}
"""Codec by the name in a profile. GB18030 reads everything that is GBK."""

RECORD_SEPARATORS = ("~", "^")
END_MARKS = ("||", "]]]")
LINE_BREAKS = ("", "\r\n", "\n")
STATE_READINGS = ("bits", "enumeration")

SINGLE_STATES = ((0, 0), *((1 << i, 1 << i) for i in range(8)))
"""Enumeration: the bits' own numbers, one state at a time."""

ORDINAL_STATES = ((0, 0), *((i + 1, 1 << i) for i in range(8)))
"""Enumeration: the states counted through, 0 normal to 8 sensor fault."""

POWER_STANDARD = (("0", "dc"), ("1", "ac"), ("2", "fault"), ("9", "unknown"))
POWER_FROM_ONE = (("1", "dc"), ("2", "ac"), ("9", "fault"))
"""The other numbering of a substation's power, seen in one program."""

POWER_UNTOLD = (("0", "dc"), ("1", "ac"), ("2", "fault"), ("9", "untold"))
"""Of a mine whose program writes 9 for every substation, always: it tells nothing."""


@dataclass(frozen=True, slots=True)
class Profile:
    """Settings of one mine; the defaults are the national ones.

    Attributes:
        encoding: `utf-8` or `gbk`.
        field_separator: one character.
        record_separator: one character, usual are `~` and `^`.
        line_break: written after each record separator; always tolerated.
        end_mark: `||`, `]]]` or "" when the mine writes none.
        type_prefix: before the type in file names, usual are "" and `N`.
        extension: of file names, `.txt` or `.TXT`.
        header_width: fields of the header of all types but CDDY.
        definition_header_width: fields of the header of CDDY.
        state_reading: `bits` (5 = alarm + calibration), or `enumeration` by
            `state_codes`.
        state_codes: pairs (number in the file, state bits), used for an enumeration.
        power_codes: pairs (code in the file, word of `POWER_WORDS`).
    """

    encoding: str = "utf-8"
    field_separator: str = ";"
    record_separator: str = "~"
    line_break: str = ""
    end_mark: str = "||"
    type_prefix: str = ""
    extension: str = ".txt"
    header_width: int = 3
    definition_header_width: int = 7
    state_reading: str = "bits"
    state_codes: tuple[tuple[int, int], ...] = SINGLE_STATES
    power_codes: tuple[tuple[str, str], ...] = POWER_STANDARD

    def __post_init__(self) -> None:
        """Check the settings.

        Raises:
            ValueError: One is impossible; names it and its value.
        """
        for name, known in (
            ("encoding", tuple(CODECS)),
            ("line_break", LINE_BREAKS),
            ("end_mark", (*END_MARKS, "")),
            ("state_reading", STATE_READINGS),
        ):
            if getattr(self, name) not in known:
                told = ", ".join(map(repr, known))
                raise ValueError(f"{name} is {getattr(self, name)!r}, known: {told}")
        separators = self.field_separator, self.record_separator
        for name, text in zip(
            ("field_separator", "record_separator"), separators, strict=True
        ):
            if not _separates(text) or text in self.end_mark:
                raise ValueError(f"{name} is {text!r}, no single separating character")
        if separators[0] == separators[1]:
            raise ValueError(f"fields and records are both separated by {text!r}")
        for name in ("header_width", "definition_header_width"):
            if not 2 <= getattr(self, name) <= 50:
                raise ValueError(f"{name} is {getattr(self, name)}, outside 2 to 50")
        _check_codes(self)

    @property
    def codec(self) -> str:
        """Python's name of the encoding."""
        return CODECS[self.encoding]

    def header_width_of(self, file_type: str) -> int:
        """Return the number of fields in the header of a type."""
        if file_type == "CDDY":
            return self.definition_header_width
        return self.header_width

    def state_code(self, bits: int) -> int:
        """Return how this mine writes state bits.

        Raises:
            ValueError: An enumeration has no number for them.
        """
        if self.state_reading == "bits":
            return bits
        for code, known in self.state_codes:
            if known == bits:
                return code
        raise ValueError(f"state {bits} has no number in this mine's enumeration")

    def power_code(self, word: str) -> str:
        """Return how this mine writes a power state; `unknown` may have no code.

        Raises:
            ValueError: There is no code for it.
        """
        for code, known in self.power_codes:
            if known == word:
                return code
        if word == "unknown":
            return ""
        raise ValueError(f"power state {word!r} has no code at this mine")

    def as_dict(self) -> dict[str, Any]:
        """Return the settings as plain values, for a file or a database."""
        plain = asdict(self)
        for name in ("state_codes", "power_codes"):
            plain[name] = [list(pair) for pair in plain[name]]
        return plain


def profile_from(settings: Mapping[str, Any]) -> Profile:
    """Read settings as `Profile.as_dict` writes them; absent ones are national.

    Raises:
        ValueError: An unknown name, a wrong type or an impossible value.
    """
    known = {field.name: field.default for field in fields(Profile)}
    values: dict[str, Any] = {}
    for name, value in settings.items():
        if name not in known:
            raise ValueError(f"{name} is no setting of a profile: {', '.join(known)}")
        if type(known[name]) is tuple:
            values[name] = _pairs(name, value)
        elif type(value) is not type(known[name]):
            raise ValueError(f"{name} is {value!r}, no {type(known[name]).__name__}")
        else:
            values[name] = value
    return Profile(**values)


def _pairs(name: str, value: Any) -> tuple[tuple[Any, Any], ...]:
    first = int if name == "state_codes" else str
    good = isinstance(value, list | tuple) and all(
        isinstance(pair, list | tuple)
        and len(pair) == 2
        and type(pair[0]) is first
        and type(pair[1]) is first
        for pair in value
    )
    if not good:
        raise ValueError(f"{name} is {value!r}, not pairs of {first.__name__}")
    return tuple((pair[0], pair[1]) for pair in value)


def _separates(text: str) -> bool:
    return (
        len(text) == 1
        and text.isascii()
        and text.isprintable()
        and not text.isalnum()
        and text not in " .-+:/_"
    )


def _check_codes(profile: Profile) -> None:
    for name in ("state_codes", "power_codes"):
        codes = [code for code, _ in getattr(profile, name)]
        if len(set(codes)) < len(codes):
            raise ValueError(f"{name} has the same code twice: {codes}")
    for code, bits in profile.state_codes:
        if code < 0 or not 0 <= bits <= states.KNOWN:
            raise ValueError(f"state_codes has {code} = {bits}, no known state bits")
    for text, word in profile.power_codes:
        if word not in POWER_WORDS:
            raise ValueError(f"power_codes has {text} = {word!r}, not {POWER_WORDS}")
