"""A small plotter: line charts side by side as one SVG, without a library."""

from collections.abc import Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

import numpy as np

from simulators.forcing import Floats

COLOURS = ("#1f5fa8", "#d9722b")
_WIDTH, _HEIGHT = 440, 280
_LEFT, _RIGHT, _TOP, _BOTTOM = 56, 14, 40, 40
_HEAD = 36


@dataclass(frozen=True, slots=True)
class Chart:
    """One chart with a line per series.

    Attributes:
        lines: (x, y) of each, in the order of ``COLOURS``; all behind them in the last.
        x_ticks: marks of the x axis with their words.
    """

    title: str
    x_label: str
    lines: tuple[tuple[Floats, Floats], ...]
    x_ticks: tuple[tuple[float, str], ...]


def draw(charts: Sequence[Chart], names: Sequence[str], title: str) -> str:
    """The charts, two in a row, with a legend.

    Args:
        names: of the lines, for the legend.
    """
    rows = (len(charts) + 1) // 2
    width, height = 2 * _WIDTH, rows * _HEIGHT + _HEAD
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        'font-family="sans-serif" font-size="12" fill="#222">',
        f'<rect width="{width}" height="{height}" fill="#fff"/>',
        f'<text x="16" y="24" font-size="15">{escape(title)}</text>',
    ]
    for i, name in enumerate(names):
        x = width - 190 * (len(names) - i)
        parts.append(
            f'<line x1="{x}" y1="20" x2="{x + 26}" y2="20" '
            f'stroke="{COLOURS[i]}" stroke-width="2.5"/>'
            f'<text x="{x + 32}" y="24">{escape(name)}</text>'
        )
    for k, chart in enumerate(charts):
        x, y = k % 2 * _WIDTH, k // 2 * _HEIGHT + _HEAD
        parts.append(f'<g transform="translate({x},{y})">{_chart(chart)}</g>')
    return "\n".join([*parts, "</svg>\n"])


def _chart(chart: Chart) -> str:
    x_all = np.concatenate([x for x, _ in chart.lines])
    y_all = np.concatenate([y for _, y in chart.lines])
    low, high, step = _scale(float(y_all.min()), float(y_all.max()))
    x_low, x_high = float(x_all.min()), float(x_all.max())
    inner_w, inner_h = _WIDTH - _LEFT - _RIGHT, _HEIGHT - _TOP - _BOTTOM

    def at_x(x: Floats | float) -> Floats | float:
        return _LEFT + (x - x_low) / (x_high - x_low) * inner_w

    def at_y(y: Floats | float) -> Floats | float:
        return _TOP + (high - y) / (high - low) * inner_h

    parts = [f'<text x="{_LEFT}" y="{_TOP - 14}">{escape(chart.title)}</text>']
    for mark in np.arange(low, high + step / 2, step):
        y = float(at_y(float(mark)))
        parts.append(
            f'<line x1="{_LEFT}" y1="{y:.1f}" x2="{_WIDTH - _RIGHT}" y2="{y:.1f}" '
            f'stroke="#ddd"/><text x="{_LEFT - 6}" y="{y + 4:.1f}" '
            f'text-anchor="end">{mark:.4g}</text>'
        )
    for value, word in chart.x_ticks:
        x = float(at_x(value))
        parts.append(
            f'<text x="{x:.1f}" y="{_HEIGHT - _BOTTOM + 16}" '
            f'text-anchor="middle">{escape(word)}</text>'
        )
    parts.append(
        f'<text x="{_LEFT + inner_w / 2}" y="{_HEIGHT - 8}" text-anchor="middle" '
        f'fill="#666">{escape(chart.x_label)}</text>'
    )
    more = len(chart.lines) - len(COLOURS)
    colours = (*COLOURS, *COLOURS[-1:] * more)
    for k, (x_line, y_line) in reversed(list(enumerate(chart.lines))):
        points = " ".join(
            f"{x:.1f},{y:.1f}"
            for x, y in zip(
                np.asarray(at_x(x_line)), np.asarray(at_y(y_line)), strict=True
            )
        )
        parts.append(
            f'<polyline points="{points}" fill="none" stroke="{colours[k]}" '
            f'stroke-width="{1.0 if more > 0 and k else 1.8}"/>'
        )
    return "".join(parts)


def _scale(low: float, high: float) -> tuple[float, float, float]:
    """Round ends and step of an axis."""
    spread = max(high - low, 1e-9)
    step = 10.0 ** np.floor(np.log10(spread / 4))
    for factor in (1, 2, 5, 10):
        if spread / (step * factor) <= 6:
            step *= factor
            break
    return float(np.floor(low / step) * step), float(np.ceil(high / step) * step), step
