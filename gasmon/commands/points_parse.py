"""Parsing the definitions of a file: as strictly as a file can be corrected.

A mine's own message is taken as far as it makes sense. A file is in the hands of the
person who can correct it, so anything wrong with it refuses the whole of it, by line.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from gasmon import domain
from gasmon.errors import ConfigError
from gasmon.ingest.definitions import Definition, parse_points
from gasmon.ingest.fields import PayloadError
from gasmon.ingest.topics import parse_topic, points_topic

Lines = Callable[[str], tuple[int, str]]
"""From the text of a refusal to the line it speaks of, and the text to show."""

MAX_SHOWN = 20
"""Faults named in one refusal; the rest is counted."""


class Faults:
    """Everything that is wrong with a file, by line."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._found: list[tuple[int, str]] = []

    def add(self, line: int, text: str) -> None:
        """Remember one."""
        self._found.append((line, text))

    def require_none(self) -> None:
        """Refuse the file when something is wrong with it.

        Raises:
            ConfigError: names each fault with its line.
        """
        if not self._found:
            return
        shown = [f"line {n}: {text}" for n, text in sorted(self._found)[:MAX_SHOWN]]
        left = len(self._found) - len(shown)
        more = [f"and {left} more"] if left else []
        head = f"{self._path}: {len(self._found)} faults, nothing was imported"
        raise ConfigError("\n  ".join([head, *shown, *more]))


def parse_mine(
    code: str,
    payload: bytes,
    now_us: int,
    lines: Lines,
    faults: Faults,
) -> Iterator[Definition]:
    """Parse one mine as if it had sent this; anything refused is a fault."""

    def refuse(error: PayloadError) -> None:
        faults.add(*lines(error.detail))

    try:
        if len(code) != 12:
            raise ValueError(f"mine {code[:64]!r} is not twelve digits")
        topic = parse_topic(points_topic(code[:6], code))
        if code[:6] not in {area.code for area in domain.areas()}:
            raise ValueError(f"mine {code}: area {code[:6]} is not one of ours")
        parsed = parse_points(topic, payload, now_us, refuse)
    except PayloadError as error:
        refuse(error)
    except ValueError as error:
        faults.add(*lines(str(error)))
    else:
        units = {unit.slug for unit in parsed.mine.units}
        for i, point in enumerate(parsed.points):
            if point.unit_slug is not None and point.unit_slug not in units:
                text = f"({point.key}): unit {point.unit_slug} is not defined"
                faults.add(*lines(f"points[{i}] {text}"))
        # The operator's word counts now, whatever revision the file was made from.
        points = tuple(
            replace(p, rev=None, effective_from_us=0, source="import")
            for p in parsed.points
        )
        mine = replace(parsed.mine, rev=None)
        yield replace(parsed, mine=mine, points=points)
