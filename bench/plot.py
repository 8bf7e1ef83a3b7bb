"""The figures as one SVG: a panel of bars for each workload, and lines for the sweeps. No library.

Bars are medians, with a whisker from the least to the greatest sample. Scales start at zero and belong to their panel.
"""

from collections.abc import Sequence
from html import escape
from typing import Any

from bench.summary import OURS, Figure, Row

_COLOURS = {
    "akashi": "#c2410c",
    "akashi-accelerated": "#ea9a6b",
    "unbound": "#2563eb",
    "bind": "#0f766e",
    "knot": "#7c3aed",
    "powerdns": "#a16207",
}
_BARS = ("hot", "hot-do", "hot-tcp", "zipf", "cold", "cold-do", "cold-unsigned", "warm", "nxdomain", "bogus")
_SWEEPS = (
    ("size", "entries", "cached answer, CPU µs against cache entries"),
    ("depth", "depth", "new name, CPU µs against zone cuts"),
)

_PANEL_WIDTH = 420
_PANEL_GAP = 40
_MARGIN = 24
_LABEL_WIDTH = 110
_VALUE_WIDTH = 60
_BAR = 16
_BAR_STEP = 22
_LINES_HEIGHT = 170
_FONT = "font-family='system-ui, sans-serif' font-size='12'"


def svg(rows: Sequence[Row], meta: dict[str, Any]) -> str:
    """The picture."""
    panels = [_bars(rows, meta, workload) for workload in _BARS]
    panels += [_lines(rows, meta, *sweep) for sweep in _SWEEPS]
    drawn = [panel for panel in panels if panel is not None]
    parts: list[str] = []
    heights = [_MARGIN + 40.0, _MARGIN + 40.0]
    for height, body in drawn:
        column = 0 if heights[0] <= heights[1] else 1
        x = _MARGIN + column * (_PANEL_WIDTH + _PANEL_GAP)
        parts.append(f"<g transform='translate({x},{heights[column]:.0f})'>{body}</g>")
        heights[column] += height + 28
    width = 2 * _MARGIN + 2 * _PANEL_WIDTH + _PANEL_GAP
    height = max(heights) + _MARGIN
    caption = f"{meta['machine']}, {meta['date']}, scale {meta['scale']}, medians of {meta['repetitions']}"
    return (
        f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {width} {height:.0f}' width='{width}' {_FONT}>\n"
        f"<rect width='100%' height='100%' fill='white'/>\n"
        f"<text x='{_MARGIN}' y='{_MARGIN + 4}' font-size='15' font-weight='600'>CPU µs per query, user and system</text>\n"
        f"<text x='{_MARGIN}' y='{_MARGIN + 22}' fill='#555'>{escape(caption)}</text>\n" + "\n".join(parts) + "\n</svg>\n"
    )


def _bars(rows: Sequence[Row], meta: dict[str, Any], workload: str) -> tuple[float, str] | None:
    shown = [(row.resolver, row.figures["cpu_us"]) for row in rows if row.workload == workload and "cpu_us" in row.figures]
    if not shown:
        return None
    most = max(figure.greatest for _, figure in shown)
    scale = (_PANEL_WIDTH - _LABEL_WIDTH - _VALUE_WIDTH) / most
    title = f"{workload}: {meta['workloads'][workload]['title']}"
    parts = [f"<text y='12' font-weight='600'>{escape(title)}</text>"]
    for i, (resolver, figure) in enumerate(shown):
        parts.append(_bar(resolver, meta["titles"][resolver], figure, 22 + i * _BAR_STEP, scale))
    return 22 + len(shown) * _BAR_STEP, "".join(parts)


def _short(title: str) -> str:
    """A resolver's name in one or two words: what stands in brackets tells two of the same apart."""
    name, bracket, more = title.partition(" (")
    return f"{name.split()[0]} {more.split()[0]}" if bracket else name.split()[0]


def _bar(resolver: str, title: str, figure: Figure, y: float, scale: float) -> str:
    middle = y + _BAR / 2
    weight = " font-weight='600'" if resolver == OURS else ""
    least, greatest = (_LABEL_WIDTH + value * scale for value in (figure.least, figure.greatest))
    width, colour = figure.median * scale, _COLOURS[resolver]
    return (
        f"<text x='{_LABEL_WIDTH - 8}' y='{middle + 4}' text-anchor='end'{weight}>{escape(_short(title))}</text>"
        f"<rect x='{_LABEL_WIDTH}' y='{y}' width='{width:.1f}' height='{_BAR}' fill='{colour}'/>"
        f"<path d='M{least:.1f} {middle}H{greatest:.1f}' stroke='#111' stroke-width='1.5'/>"
        f"<text x='{greatest + 6:.1f}' y='{middle + 4}'{weight}>{_number(figure.median)}</text>"
    )


def _lines(rows: Sequence[Row], meta: dict[str, Any], family: str, fact: str, title: str) -> tuple[float, str] | None:
    """One line a resolver; the points stand at equal distances, each labelled with its value of `fact`."""
    lines: dict[str, dict[float, float]] = {}
    for row in rows:
        if row.workload.partition("-")[0] == family and "cpu_us" in row.figures:
            where = meta["workloads"][row.workload]["facts"][fact]
            lines.setdefault(row.resolver, {})[where] = row.figures["cpu_us"].median
    places = sorted({where for line in lines.values() for where in line})
    if len(places) < 2:
        return None
    most = max(value for line in lines.values() for value in line.values())
    right = _PANEL_WIDTH - _LABEL_WIDTH
    x_of = {where: 40 + i * (right - 40) / (len(places) - 1) for i, where in enumerate(places)}

    def y_of(value: float) -> float:
        return 26 + (_LINES_HEIGHT - 26) * (1 - value / most)

    parts = [f"<text y='12' font-weight='600'>{escape(title)}</text>"]
    for share in (0.0, 0.5, 1.0):
        y = y_of(most * share)
        parts.append(f"<path d='M40 {y:.1f}H{right}' stroke='#ddd'/>")
        parts.append(f"<text x='34' y='{y + 4:.1f}' text-anchor='end' fill='#555'>{_number(most * share)}</text>")
    for where in places:
        label = f"{where:,.0f}"
        parts.append(
            f"<text x='{x_of[where]:.1f}' y='{_LINES_HEIGHT + 16}' text-anchor='middle' fill='#555'>{label}</text>"
        )
    ends = _apart([(resolver, y_of(line[max(line)])) for resolver, line in lines.items()])
    for resolver, line in lines.items():
        points = " ".join(f"{x_of[where]:.1f},{y_of(line[where]):.1f}" for where in sorted(line))
        width = 2.5 if resolver == OURS else 1.5
        colour = _COLOURS[resolver]
        parts.append(f"<polyline points='{points}' fill='none' stroke='{colour}' stroke-width='{width}'/>")
        name = escape(_short(meta["titles"][resolver]))
        parts.append(f"<text x='{right + 8}' y='{ends[resolver] + 4:.1f}' fill='{colour}'>{name}</text>")
    return _LINES_HEIGHT + 22, "".join(parts)


def _apart(ends: list[tuple[str, float]]) -> dict[str, float]:
    """Heights of the labels at the lines' ends, moved so that none covers another."""
    placed: dict[str, float] = {}
    previous = -100.0
    for resolver, y in sorted(ends, key=lambda end: end[1]):
        previous = placed[resolver] = max(y, previous + 14)
    return placed


def _number(value: float) -> str:
    return f"{value:.1f}" if value < 100 else f"{value:,.0f}"
