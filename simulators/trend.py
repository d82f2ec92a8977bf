"""Earlier drills beside this one, all by the same criteria."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

from simulators.criteria import SheetFile
from simulators.drill_record import DrillRecord, read
from simulators.score import Sheet, score

_WIDTH, _HEIGHT, _LEFT, _EDGE = 960, 180, 50, 20


@dataclass(frozen=True, slots=True)
class Past:
    """One drill of a series and its sheet."""

    record: DrillRecord
    sheet: Sheet


def earlier(folder: Path, but: DrillRecord) -> list[DrillRecord]:
    """Records that lie in a folder and began before a drill, the oldest first.

    Raises:
        ConfigError: a file that is called like a record is none.
    """
    found = [read(path) for path in sorted(folder.glob("drill-*.json"))]
    before = [record for record in found if record.begin_us < but.begin_us]
    return sorted(before, key=lambda record: (record.begin_us, record.run))


def series(records: Sequence[DrillRecord], sheet_file: SheetFile) -> list[Past]:
    """Every drill by the same criteria, so that they can be compared."""
    return [Past(record, score(record, sheet_file)) for record in records]


def picture(past: Sequence[Past], pass_share: float) -> str:
    """The share of the points over the drills, as SVG; dashed is what passes."""
    step = (_WIDTH - _LEFT - _EDGE) / max(1, len(past) - 1)

    def at_y(share: float) -> float:
        return _HEIGHT - _EDGE - share * (_HEIGHT - 2 * _EDGE)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" '
        'role="img" font-size="12" fill="#22262A">'
    ]
    for share in (0.0, 0.5, 1.0):
        y = at_y(share)
        parts.append(
            f'<line x1="{_LEFT}" y1="{y:.1f}" x2="{_WIDTH - _EDGE}" y2="{y:.1f}" '
            f'stroke="#DDD"/><text x="{_LEFT - 6}" y="{y + 4:.1f}" '
            f'text-anchor="end">{share:.0%}</text>'
        )
    y = at_y(pass_share)
    parts.append(
        f'<line x1="{_LEFT}" y1="{y:.1f}" x2="{_WIDTH - _EDGE}" y2="{y:.1f}" '
        'stroke="#5B636B" stroke-dasharray="5 4"/>'
    )
    dots = [
        (_LEFT + k * step, at_y(one.sheet.share), one) for k, one in enumerate(past)
    ]
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y, _ in dots)
    parts.append(f'<polyline points="{line}" fill="none" stroke="#1456B8"/>')
    for x, y, one in dots:
        colour = "#1456B8" if one.sheet.is_passed else "#C4161C"
        said = f"{one.record.run} {one.record.scenario} {one.sheet.share:.0%}"
        parts.append(
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="5" fill="{colour}">'
            f"<title>{escape(said)}</title></circle>"
        )
    return "".join([*parts, "</svg>"])
