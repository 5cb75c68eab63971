"""Draws time against rows, both logarithmic, a panel for each shape: SVG by hand, no dependency."""

import math
import os
import sys

import contenders

sys.path.insert(1, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from svg import mark  # noqa: E402 (shared by the benchmarks)

# Okabe and Ito's colours, which colour-blind readers can distinguish; marks differ too, for prints without colour.
STYLE = {
    "retinue": ("#000000", "circle"),
    "duckdb": ("#D55E00", "square"),
    "rustworkx": ("#0072B2", "diamond"),
    "scipy": ("#009E73", "triangle"),
    "sqlite": ("#CC79A7", "square"),
    "networkx": ("#E69F00", "circle"),
}
LABEL = {"retinue": "Retinue", "duckdb": "DuckDB", "rustworkx": "rustworkx", "scipy": "SciPy",
         "sqlite": "SQLite", "networkx": "networkx"}
TITLE = {"chain": "chain: everything is one group", "groups": "groups of 1 to 20 sets, rows shuffled"}

WIDTH, HEIGHT = 400, 360  # of a panel's axes
LEFT, TOP, BOTTOM, BETWEEN, RIGHT = 64, 64, 60, 34, 100
LABEL_SPACE = 15


def power(exponent):
    names = {0: "1", 3: "1,000", 6: "1 million"}
    return names.get(exponent) or (f"{10 ** exponent:,}" if exponent < 6 else f"{10 ** (exponent - 6)} million")


def duration(exponent):
    return f"{10 ** exponent:,} s" if exponent >= 0 else f"{10 ** (exponent + 3)} ms"


def spread(wanted, low, high):
    """Moves label heights apart, keeping their order, as little as one pass down and one up can."""
    order = sorted(range(len(wanted)), key=lambda i: wanted[i])
    heights = list(wanted)
    floor = low
    for i in order:
        heights[i] = max(heights[i], floor)
        floor = heights[i] + LABEL_SPACE
    ceiling = high
    for i in reversed(order):
        heights[i] = min(heights[i], ceiling)
        ceiling = heights[i] - LABEL_SPACE
    return heights


class Panel:
    def __init__(self, left, shape, series, decades, times):
        self.left, self.shape, self.series, self.decades, self.times = left, shape, series, decades, times

    def x(self, rows):
        low, high = self.decades
        return self.left + WIDTH * (math.log10(rows) - low) / (high - low)

    def y(self, seconds):
        low, high = self.times
        return TOP + HEIGHT * (1 - (math.log10(seconds) - low) / (high - low))

    def axes(self, with_times):
        yield f'<text x="{self.left}" y="{TOP - 12}" class="title">{TITLE[self.shape]}</text>'
        for exponent in range(self.decades[0], self.decades[1] + 1):
            x = self.x(10 ** exponent)
            yield f'<line x1="{x:.1f}" y1="{TOP}" x2="{x:.1f}" y2="{TOP + HEIGHT}" class="grid"/>'
            if (self.decades[1] - exponent) % 2 == 0:
                yield f'<text x="{x:.1f}" y="{TOP + HEIGHT + 18}" text-anchor="middle">{power(exponent)}</text>'
        for exponent in range(self.times[0], self.times[1] + 1):
            y = self.y(10 ** exponent)
            yield f'<line x1="{self.left}" y1="{y:.1f}" x2="{self.left + WIDTH}" y2="{y:.1f}" class="grid"/>'
            if with_times:
                yield f'<text x="{self.left - 8}" y="{y + 4:.1f}" text-anchor="end">{duration(exponent)}</text>'
        yield f'<rect x="{self.left}" y="{TOP}" width="{WIDTH}" height="{HEIGHT}" class="frame"/>'
        yield (f'<text x="{self.left + WIDTH / 2}" y="{TOP + HEIGHT + 40}" text-anchor="middle">'
               f'rows of the dependency list</text>')

    def linear(self):
        """What linear growth looks like: through Retinue's (or else the first) longest list, clipped to the frame."""
        points = [point for point in next(iter(self.series.values()), []) if point[2] is not None]
        if not points:
            return
        rows, seconds = points[-1][0], points[-1][2]
        rate = math.log10(seconds) - math.log10(rows)
        low = max(self.decades[0], self.times[0] - rate)
        high = min(self.decades[1], self.times[1] - rate)
        ends = [(self.x(10 ** at), self.y(10 ** (at + rate))) for at in (low, high)]
        (x1, y1), (x2, y2) = ends
        yield f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" class="linear"/>'
        angle = math.degrees(math.atan2(y2 - y1, x2 - x1))
        x, y = x1 + (x2 - x1) * 0.12, y1 + (y2 - y1) * 0.12
        yield (f'<text x="{x:.1f}" y="{y:.1f}" transform="rotate({angle:.1f} {x:.1f} {y:.1f}) translate(0 13)" '
               f'class="note">linear growth</text>')

    def lines(self):
        ends = []
        for name, points in self.series.items():
            colour, kind = STYLE[name]
            finished = [(self.x(rows), low, middle, high) for rows, low, middle, high in points if middle is not None]
            if not finished:
                continue
            path = " ".join(f"{x:.1f},{self.y(middle):.1f}" for x, _, middle, _ in finished)
            yield f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.8"/>'
            for x, low, middle, high in finished:
                yield (f'<line x1="{x:.1f}" y1="{self.y(low):.1f}" x2="{x:.1f}" y2="{self.y(high):.1f}" '
                       f'stroke="{colour}" stroke-width="1"/>')
                yield mark(kind, x, self.y(middle), colour)
            late = any(middle is None for _, _, middle, _ in points)
            ends.append((name, finished[-1][0], self.y(finished[-1][2]), late))
        heights = spread([y + 4 for _, _, y, _ in ends], TOP + 10, TOP + HEIGHT - 4)
        for (name, x, y, late), height in zip(ends, heights):
            colour = STYLE[name][0]
            beside = self.left + WIDTH + 10
            yield f'<line x1="{x + 6:.1f}" y1="{y:.1f}" x2="{beside - 3}" y2="{height - 4:.1f}" class="lead"/>'
            yield (f'<text x="{beside}" y="{height:.1f}" fill="{colour}" class="name">{LABEL[name]}'
                   f'{" *" if late else ""}</text>')


def drawn(found, shape):
    """contender -> [(rows, least, median, most)], the median None where it did not finish."""
    series = {}
    for (rows, of, form), outcomes in found.items():
        if of != shape or form != "four":
            continue
        for name, outcome in outcomes.items():
            walls = outcome.walls
            series.setdefault(name, []).append(
                (rows, walls[0], outcome.wall, walls[-1]) if walls else (rows, None, None, None))
    return {name: series[name] for name in contenders.NAMES if name in series and name in STYLE}


def svg(found):
    panels = {shape: drawn(found, shape) for shape in TITLE}
    panels = {shape: series for shape, series in panels.items() if series}
    points = [point for series in panels.values() for line in series.values() for point in line]
    finished = [point for point in points if point[2] is not None]
    if not finished:
        return '<svg xmlns="http://www.w3.org/2000/svg" width="10" height="10"/>\n'
    decades = (math.floor(math.log10(min(p[0] for p in points))), math.ceil(math.log10(max(p[0] for p in points)) - 0.05))
    decades = (decades[0], max(decades[1], decades[0] + 1))
    times = (math.floor(math.log10(min(p[1] for p in finished))), math.ceil(math.log10(max(p[3] for p in finished))))
    times = (times[0], max(times[1], times[0] + 1))
    step = WIDTH + RIGHT + BETWEEN
    width, height = LEFT + step * len(panels) - BETWEEN, TOP + HEIGHT + BOTTOM + 14
    late = any(point[2] is None for point in points)
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" '
        'font-family="DejaVu Sans, Helvetica, Arial, sans-serif" font-size="12">',
        "<style>.grid{stroke:#ddd}.frame{fill:none;stroke:#444}.title{font-weight:bold}.head{font-size:15px;"
        "font-weight:bold}.linear{stroke:#777;stroke-dasharray:5 4}.note{fill:#666;font-size:11px}"
        ".lead{stroke:#bbb;stroke-width:.8}.name{font-weight:bold}</style>",
        f'<rect width="{width}" height="{height}" fill="white"/>',
        f'<text x="{LEFT}" y="24" class="head">From the dependency list to the finished move group: wall time, '
        "start of the process included</text>",
    ]
    for index, (shape, series) in enumerate(panels.items()):
        panel = Panel(LEFT + index * step, shape, series, decades, times)
        out += [*panel.axes(with_times=index == 0), *panel.linear(), *panel.lines()]
    note = "Marks: median of the rounds; upright lines: least to most."
    if late:
        note += " * did not finish longer lists in the time allowed."
    out += [f'<text x="{LEFT}" y="{height - 8}" class="note">{note}</text>', "</svg>"]
    return "\n".join(out) + "\n"
