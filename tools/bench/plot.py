"""Draws line charts as SVG, with axes in powers of ten."""

import math
from collections.abc import Mapping, Sequence
from xml.sax.saxutils import escape

_WIDTH, _HEIGHT, _LEFT, _TOP, _RIGHT, _BOTTOM = 720, 360, 70, 40, 250, 50
_COLOURS = ("#0b6bcb", "#c2410c", "#15803d", "#7e22ce", "#475569")

_FONT = 'font-family="sans-serif" font-size="12" fill="#1f2937"'

type Line = Sequence[tuple[float, float]]


def chart(title: str, across: str, up: str, lines: Mapping[str, Line]) -> str:
    """Return a chart of lines by name; every value is above zero."""
    points = [point for line in lines.values() for point in line]
    horizontal, vertical = _decades([x for x, _ in points]), _decades([y for _, y in points])

    def x_of(value: float) -> float:
        return _LEFT + _part(value, horizontal) * (_WIDTH - _LEFT - _RIGHT)

    def y_of(value: float) -> float:
        return _HEIGHT - _BOTTOM - _part(value, vertical) * (_HEIGHT - _TOP - _BOTTOM)

    middle, centre = (_LEFT + _WIDTH - _RIGHT) / 2, (_TOP + _HEIGHT - _BOTTOM) / 2
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" {_FONT}>',
        f"<title>{escape(title)}</title>",
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="#ffffff"/>',
        f'<text x="{_LEFT}" y="22" font-size="14" font-weight="bold">{escape(title)}</text>',
        f'<text x="{middle}" y="{_HEIGHT - 10}" text-anchor="middle">{escape(across)}</text>',
        f'<text transform="translate(16 {centre}) rotate(-90)" text-anchor="middle">{escape(up)}</text>',
    ]
    for value in _marks(vertical):
        y = y_of(value)
        parts.append(
            f'<line x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}" stroke="#e5e7eb"/>'
        )
        parts.append(f'<text x="{_LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{_shown(value)}</text>')
    base = _HEIGHT - _BOTTOM + 18
    parts += [
        f'<text x="{x_of(value):.1f}" y="{base}" text-anchor="middle">{_shown(value)}</text>'
        for value in sorted({x for x, _ in points})
    ]
    for number, (name, line) in enumerate(lines.items()):
        colour = _COLOURS[number % len(_COLOURS)]
        path = " ".join(f"{x_of(x):.1f},{y_of(y):.1f}" for x, y in line)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts += [f'<circle cx="{x_of(x):.1f}" cy="{y_of(y):.1f}" r="3" fill="{colour}"/>' for x, y in line]
        top = _TOP + 16 * number + 8
        parts.append(
            f'<rect x="{_WIDTH - _RIGHT + 14}" y="{top - 9}" width="10" height="10" fill="{colour}"/>'
        )
        parts.append(f'<text x="{_WIDTH - _RIGHT + 30}" y="{top}">{escape(name)}</text>')
    return "\n".join([*parts, "</svg>"]) + "\n"


def _decades(values: Sequence[float]) -> tuple[float, float]:
    low, high = math.log10(min(values)), math.log10(max(values))
    return math.floor(low * 2) / 2, max(math.ceil(high * 2) / 2, math.floor(low * 2) / 2 + 0.5)


def _part(value: float, bounds: tuple[float, float]) -> float:
    return (math.log10(value) - bounds[0]) / (bounds[1] - bounds[0])


def _marks(bounds: tuple[float, float]) -> list[float]:
    steps = [
        base * 10.0**power
        for power in range(math.floor(bounds[0]), math.ceil(bounds[1]) + 1)
        for base in (1, 3)
    ]
    return [step for step in steps if 10 ** bounds[0] * 0.99 <= step <= 10 ** bounds[1] * 1.01]


def _shown(value: float) -> str:
    return f"{value / 1e6:g}M" if value >= 1e6 else f"{value / 1e3:g}k" if value >= 1e3 else f"{value:g}"
