"""Draws the opens a second asked for and reached, how far behind, and memory: SVG by hand, no dependency."""

import math

from measurements.opens import highest

# Okabe and Ito's colours, which colour-blind readers tell apart; marks differ too, for prints without colour.
STYLE = {
    "unwatched": ("#777777", "diamond", "nobody watches"),
    "discard": ("#0072B2", "square", "events read and dropped"),
    "retinue": ("#000000", "circle", "Retinue, new names"),
    "known": ("#D55E00", "triangle", "Retinue, known names"),
    "resident": ("#000000", "circle", "resident"),
    "beyond": ("#D55E00", "triangle", "of it not the paths"),
}
WIDTH, HEIGHT = 300, 280  # of a panel's axes
LEFT, TOP, BOTTOM, BETWEEN = 64, 84, 58, 78
SIZES = ((1e9, "G"), (1e6, "M"), (1e3, "k"))


def short(value):
    for size, letter in SIZES:
        if value >= size:
            return f"{value / size:g}{letter}"
    return f"{value:g}"


def mark(kind, x, y, colour):
    """A filled mark with a white rim, so that one on top of another is still seen."""
    r = 4
    if kind == "circle":
        return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{r}" fill="{colour}" stroke="white"/>'
    corners = {"square": [(-r, -r), (r, -r), (r, r), (-r, r)],
               "diamond": [(0, -r - 1.5), (r + 1.5, 0), (0, r + 1.5), (-r - 1.5, 0)],
               "triangle": [(0, -r - 1), (r + 1, r), (-r - 1, r)]}[kind]
    points = " ".join(f"{x + dx:.1f},{y + dy:.1f}" for dx, dy in corners)
    return f'<polygon points="{points}" fill="{colour}" stroke="white"/>'


class Scale:
    """From values to a length: linear from 0, or logarithmic in whole decades."""

    def __init__(self, values, length, logarithmic):
        self.length, self.logarithmic = length, logarithmic
        if logarithmic:
            self.low, self.high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
            self.high = max(self.high, self.low + 1)
            self.ticks = [10.0 ** exponent for exponent in range(self.low, self.high + 1)]
        else:
            step = 10 ** math.floor(math.log10(max(values)))
            step = step if max(values) / step >= 4 else step / 5 if max(values) / step < 1.5 else step / 2
            self.low, self.high = 0, step * math.ceil(max(values) / step)
            self.ticks = [step * index for index in range(round(self.high / step) + 1)]

    def __call__(self, value):
        at = math.log10(value) if self.logarithmic else value
        return self.length * (at - self.low) / (self.high - self.low)


class Panel:
    """Series: name -> [(x, least, median, most)]."""

    def __init__(self, title, beneath, series, logarithmic):
        self.title, self.beneath = title, beneath
        self.series = {name: points for name, points in series.items() if points}
        points = [point for points in self.series.values() for point in points]
        if points:
            self.x = Scale([point[0] for point in points], WIDTH, logarithmic[0])
            self.y = Scale([value for point in points for value in point[1:]], HEIGHT, logarithmic[1])

    def draw(self, left):
        yield f'<text x="{left}" y="{TOP - 34}" class="title">{self.title}</text>'
        for tick in self.x.ticks:
            x = left + self.x(tick)
            yield f'<line x1="{x:.1f}" y1="{TOP}" x2="{x:.1f}" y2="{TOP + HEIGHT}" class="grid"/>'
            yield f'<text x="{x:.1f}" y="{TOP + HEIGHT + 18}" text-anchor="middle">{short(tick)}</text>'
        for tick in self.y.ticks:
            y = TOP + HEIGHT - self.y(tick)
            yield f'<line x1="{left}" y1="{y:.1f}" x2="{left + WIDTH}" y2="{y:.1f}" class="grid"/>'
            yield f'<text x="{left - 8}" y="{y + 4:.1f}" text-anchor="end">{short(tick)}</text>'
        yield f'<rect x="{left}" y="{TOP}" width="{WIDTH}" height="{HEIGHT}" class="frame"/>'
        yield (f'<text x="{left + WIDTH / 2}" y="{TOP + HEIGHT + 38}" text-anchor="middle">{self.beneath}</text>')
        for index, (name, points) in enumerate(self.series.items()):
            colour, kind, label = STYLE[name]
            places = [(left + self.x(x), *(TOP + HEIGHT - self.y(value) for value in values))
                      for x, *values in sorted(points)]
            path = " ".join(f"{x:.1f},{middle:.1f}" for x, _, middle, _ in places)
            yield f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.8"/>'
            for x, low, middle, high in places:
                yield f'<line x1="{x:.1f}" y1="{low:.1f}" x2="{x:.1f}" y2="{high:.1f}" stroke="{colour}"/>'
                yield mark(kind, x, middle, colour)
            # Two labels a line above the frame.
            x, y = left + index % 2 * (WIDTH / 2 + 8) + 6, TOP - 18 + index // 2 * 13
            yield mark(kind, x, y - 4, colour)
            yield f'<text x="{x + 10}" y="{y}" fill="{colour}" class="name">{label}</text>'


def spread(results, name, case, watcher, quantity, scale):
    """Least, median and most of the rounds, or nothing."""
    values = [value * scale for value in results.values(name, case, watcher, quantity)]
    if not values or min(values) <= 0:
        return None
    return min(values), results.median(name, case, watcher, quantity) * scale, max(values)


def series(results, name, cases, watcher, quantity, scale=1.0):
    """`cases`: (x, case)."""
    found = ((x, spread(results, name, case, watcher, quantity, scale)) for x, case in cases)
    return [(x, *values) for x, values in found if values]


def svg(results):
    paced = [case for case in results.cases("opens") if case.startswith("files ") and not case.endswith(" 0")]
    rates = sorted(int(case.rsplit(" ", 1)[1]) for case in paced)
    new = [(rate, f"files {rate}") for rate in rates]
    known = [(rate, f"files, known {rate}") for rate in rates]
    sizes = [(int(case), case) for case in results.cases("records")]
    panels = [
        Panel("Distinct opens a second: reached", "asked for", {
            **{name: series(results, "opens", new, name, "achieved") for name in ("unwatched", "discard", "retinue")},
            "known": series(results, "opens", known, "retinue", "achieved")}, (False, False)),
        Panel("Behind after the last open, ms", "asked for", {
            "discard": series(results, "opens", new, "discard", "behind", 1e3),
            "retinue": series(results, "opens", new, "retinue", "behind", 1e3),
            "known": series(results, "opens", known, "retinue", "behind", 1e3)}, (False, True)),
        Panel("Memory a record, bytes", "file records", {
            "resident": series(results, "records", sizes, "retinue", "per_record"),
            "beyond": series(results, "records", sizes, "retinue", "per_record_beyond_paths")}, (True, False)),
    ]
    panels = [panel for panel in panels if panel.series]
    width = LEFT + len(panels) * (WIDTH + BETWEEN) - BETWEEN + 30
    height = TOP + HEIGHT + BOTTOM + 10
    most = highest(results, "files")
    note = "Marks: median of the rounds; upright lines: least to most."
    if most:
        note += f" Retinue kept up (behind by less than 100 ms) with {most:,.0f} new names a second."
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" '
        'font-family="DejaVu Sans, Helvetica, Arial, sans-serif" font-size="12">',
        "<style>.grid{stroke:#ddd}.frame{fill:none;stroke:#444}.title{font-weight:bold}.head{font-size:15px;"
        "font-weight:bold}.note{fill:#666;font-size:11px}.name{font-size:11px}</style>",
        f'<rect width="{width}" height="{height}" fill="white"/>',
        f'<text x="{LEFT}" y="24" class="head">What the daemon sustains</text>',
    ]
    for index, panel in enumerate(panels):
        out += panel.draw(LEFT + index * (WIDTH + BETWEEN))
    out += [f'<text x="{LEFT}" y="{height - 8}" class="note">{note}</text>', "</svg>"]
    return "\n".join(out) + "\n"
