"""The curve and the timeline of a drill, as SVG that stands inside of a page. Pure."""

from collections.abc import Iterator, Sequence
from html import escape

from simulators.drill_record import Curve, DrillAlarm, DrillRecord
from simulators.score import words

COLOURS = ("#22262A", "#1456B8", "#B45309", "#7A6200", "#8A1F8A", "#5B636B")
RANKS = ("#5B636B", "#1456B8", "#7A6200", "#B45309", "#C4161C")
"""By rank, the colours of the platform's light pages."""

_WIDTH, _LEFT, _RIGHT = 960, 130, 16
_CURVE_HEIGHT, _TOP, _BOTTOM = 300, 24, 30
_LANE = 26
_LABELS = 8


def curves(record: DrillRecord) -> str:
    """What the points sent, their limits, and when each alarm could be told."""
    shown = record.curves[: len(COLOURS)]
    values = [v for curve in shown for v in curve.value if v is not None]
    limits = [curve.limit for curve in shown if curve.limit is not None]
    top = 1.1 * max([*values, *limits, 1e-9])
    floor = min([0.0, *values])
    low = _CURVE_HEIGHT - _BOTTOM

    def at_y(value: float) -> float:
        return low - (value - floor) / (top - floor) * (low - _TOP)

    end_s = _end_s(record)
    parts = [*_axis(end_s, _TOP, low)]
    for k in range(5):
        mark = floor + (top - floor) * k / 4
        y = at_y(mark)
        parts.append(_line(_LEFT, y, _WIDTH - _RIGHT, y, "#DDD"))
        parts.append(_text(_LEFT - 6, y + 4, f"{mark:.2f}", "end"))
    for limit in sorted(set(limits)):
        y = at_y(limit)
        parts.append(_line(_LEFT, y, _WIDTH - _RIGHT, y, "#C4161C", "5 4"))
    for curve, colour in zip(shown, COLOURS, strict=False):
        for piece in _pieces(curve):
            points = " ".join(f"{_at_x(t, end_s):.1f},{at_y(v):.1f}" for t, v in piece)
            parts.append(
                f'<polyline points="{points}" fill="none" stroke="{colour}" '
                'stroke-width="1.6"/>'
            )
    for alarm in record.alarms:
        x = _at_x(alarm.told_s, end_s)
        parts.append(_line(x, _TOP, x, low, RANKS[alarm.rank], "2 3", words(alarm)))
    legend = "".join(
        f'<li><span style="color:{colour}">━</span> {escape(_name(curve))}</li>'
        for curve, colour in zip(shown, COLOURS, strict=False)
    )
    return f"{_svg(_CURVE_HEIGHT, parts)}<ul class=legend>{legend}</ul>"


def timeline(record: DrillRecord) -> str:
    """Causes, injects, alarms, what each tier did and how far the words came."""
    end_s = _end_s(record)
    lanes: list[tuple[str, list[str]]] = [
        (
            "险情 danger",
            [
                _bar(t.at_s, t.until_s, end_s, "#8A929A", f"{t.name} {t.where}")
                for t in record.truths
            ],
        ),
        (
            "注入 injects",
            [
                _dot(c.at_s, end_s, "#8A1F8A", f"{c.name} → {c.to}: {c.zh}")
                for c in record.calls
            ],
        ),
    ]
    for alarm in sorted(record.alarms, key=lambda a: (a.told_s, a.alarm_id))[:_LABELS]:
        lanes.append((alarm.kind, [_alarm_bar(alarm, end_s)]))
    for tier, zh in (
        ("mine", "煤矿 mine"),
        ("county", "县级 county"),
        ("city", "市级 city"),
    ):
        lanes.append((zh, list(_acts(record.alarms, tier, end_s))))
    lanes.append(("送达 delivered", list(_deliveries(record.alarms, end_s))))
    height = _TOP + _LANE * len(lanes) + _BOTTOM
    parts = [*_axis(end_s, _TOP, height - _BOTTOM)]
    for k, (name, marks) in enumerate(lanes):
        y = _TOP + _LANE * k
        parts.append(_text(_LEFT - 6, y + 17, name, "end"))
        parts.append(f'<g transform="translate(0,{y})">{"".join(marks)}</g>')
    return _svg(height, parts)


def _acts(alarms: Sequence[DrillAlarm], tier: str, end_s: float) -> Iterator[str]:
    for alarm in alarms:
        for entry in alarm.entries:
            if entry.tier == tier:
                said = f"{entry.event} {entry.by} {entry.at_s:.0f} s: {entry.note}"
                colour = "#1456B8" if entry.stands else "#8A929A"
                yield _dot(entry.at_s, end_s, colour, said)


def _deliveries(alarms: Sequence[DrillAlarm], end_s: float) -> Iterator[str]:
    for alarm in alarms:
        for way in alarm.deliveries:
            for step, at_s in way.steps.items():
                said = f"{way.recipient} {step} {at_s:.1f} s: {words(alarm)}"
                yield _dot(at_s, end_s, "#22262A", said)


def _alarm_bar(alarm: DrillAlarm, end_s: float) -> str:
    until_s = end_s if alarm.cleared_s is None else alarm.cleared_s
    said = f"{words(alarm)}, {alarm.raised_s:.0f} s"
    return _bar(alarm.raised_s, until_s, end_s, RANKS[alarm.rank], said)


def _end_s(record: DrillRecord) -> float:
    return max([record.ended_s, 1.0])


def _at_x(at_s: float, end_s: float) -> float:
    share = min(max(at_s / end_s, 0.0), 1.0)
    return _LEFT + share * (_WIDTH - _LEFT - _RIGHT)


def _pieces(curve: Curve) -> Iterator[list[tuple[float, float]]]:
    """Stretches without a gap: a gap stays one."""
    piece: list[tuple[float, float]] = []
    for at_s, value in zip(curve.at_s, curve.value, strict=True):
        if value is not None:
            piece.append((at_s, value))
        elif piece:
            yield piece
            piece = []
    if piece:
        yield piece


def _axis(end_s: float, top: float, low: float) -> Iterator[str]:
    for k in range(7):
        at_s = end_s * k / 6
        x = _at_x(at_s, end_s)
        yield _line(x, top, x, low, "#EEE")
        minutes, seconds = divmod(round(at_s), 60)
        yield _text(x, low + 18, f"{minutes}:{seconds:02}", "middle")


def _bar(from_s: float, to_s: float, end_s: float, colour: str, said: str) -> str:
    x = _at_x(from_s, end_s)
    width = max(_at_x(to_s, end_s) - x, 3.0)
    return (
        f'<rect x="{x:.1f}" y="5" width="{width:.1f}" height="16" fill="{colour}">'
        f"<title>{escape(said)}</title></rect>"
    )


def _dot(at_s: float, end_s: float, colour: str, said: str) -> str:
    return (
        f'<circle cx="{_at_x(at_s, end_s):.1f}" cy="13" r="5" fill="{colour}" '
        f'fill-opacity="0.75"><title>{escape(said)}</title></circle>'
    )


def _line(
    x1: float,
    y1: float,
    x2: float,
    y2: float,
    colour: str,
    dash: str = "",
    said: str = "",
) -> str:
    dashed = f' stroke-dasharray="{dash}"' if dash else ""
    title = f"<title>{escape(said)}</title>" if said else ""
    return (
        f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" '
        f'stroke="{colour}"{dashed}>{title}</line>'
    )


def _text(x: float, y: float, text: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'


def _svg(height: float, parts: Sequence[str]) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height:g}" '
        f'role="img" font-size="12" fill="#22262A">{"".join(parts)}</svg>'
    )


def _name(curve: Curve) -> str:
    limit = "" if curve.limit is None else f", 报警 alarm {curve.limit:g} {curve.uom}"
    return f"{curve.mine} {curve.no} {curve.place} [{curve.uom}]{limit}"
