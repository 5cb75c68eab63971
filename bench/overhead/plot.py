"""Draws what watching costs: SVG by hand, no dependency."""

import math
import sys
from pathlib import Path

sys.path.insert(1, str(Path(__file__).resolve().parents[1]))

import svg  # noqa: E402

BASELINE, NULL = "baseline", "baseline-again"

LEFT, TOP, BOTTOM, WIDTH, KEY = 170, 70, 56, 560, 170
STEP = 11  # between two watchers of one workload
GAP = 12  # between two workloads

_COLOURS = (svg.VERMILION, svg.BLUE, svg.GREEN, svg.PURPLE, svg.ORANGE, svg.SKY)
_MARKS = ("square", "diamond", "triangle", "circle")


def styles(names):
    """Watcher -> colour and mark. Retinue is black, the null comparison grey; the others get pairs of their own."""
    found, others = {}, 0
    for name in names:
        if name == "retinue":
            found[name] = (svg.BLACK, "circle")
        elif name == NULL:
            found[name] = (svg.GREY, "circle")
        else:
            found[name] = (_COLOURS[others % len(_COLOURS)],
                           _MARKS[(others + others // len(_COLOURS)) % len(_MARKS)])
            others += 1
    return found


def names_of(workloads):
    names = []
    for watchers in workloads.values():
        names += [name for name in watchers if name not in names and name != BASELINE]
    return sorted(names, key=lambda name: (name != NULL, not name.startswith("retinue"), name))


def duration(seconds):
    for unit, scale in (("s", 1), ("ms", 1e-3), ("µs", 1e-6), ("ns", 1e-9)):
        if seconds >= scale * 0.9999 or unit == "ns":
            return f"{seconds / scale:,.3g} {unit}"


class Logarithmic:
    """From a power of ten to one. What lies below, or is not above zero, gets a mark of its own at the left edge."""

    def __init__(self, values, left=LEFT, width=WIDTH, least=None):
        positive = [value for value in values if value > 0] or [1e-9]
        self.left, self.width = left, width
        self.low = math.floor(math.log10(least or min(positive)))
        self.high = max(math.ceil(math.log10(max(positive)) - 0.05), self.low + 1)

    def ticks(self):
        return [(10.0 ** exponent, duration(10.0 ** exponent)) for exponent in range(self.low, self.high + 1)]

    def holds(self, value):
        return value > 0 and math.log10(value) >= self.low

    def x(self, value):
        at = math.log10(value) if self.holds(value) else self.low
        return self.left + self.width * min((at - self.low) / (self.high - self.low), 1)


class Ratios:
    """Around 1, logarithmic too: half as fast again and three times as slow have to be read off the same picture."""

    TICKS = (0.1, 0.2, 0.5, 0.8, 0.9, 1, 1.1, 1.2, 1.5, 2, 3, 5, 10, 20, 50, 100, 200, 500, 1000)

    def __init__(self, values, left=LEFT, width=WIDTH):
        self.left, self.width = left, width
        self.low = max([tick for tick in self.TICKS if tick <= min(values)], default=min(values))
        self.high = min([tick for tick in self.TICKS if tick > max(values)], default=max(values))

    def ticks(self):
        shown = [tick for tick in self.TICKS if self.low <= tick <= self.high]
        wide = self.high / self.low > 20
        return [(tick, f"{tick:g}") for tick in shown if not wide or tick not in (0.8, 0.9, 1.1, 1.2, 1.5)]

    def holds(self, value):
        return True

    def x(self, value):
        return self.left + self.width * math.log(value / self.low) / math.log(self.high / self.low)


def dots(title, axis_title, workloads, value, make_axis, one=None):
    """A line of dots with intervals for each workload and watcher. `value` gives the Interval of a Measured."""
    names = names_of(workloads)
    style = styles(names)
    shown = {workload: {name: value(watchers[name]) for name in names if name in watchers and value(watchers[name])}
             for workload, watchers in workloads.items()}
    intervals = [interval for watchers in shown.values() for interval in watchers.values()]
    if not intervals:
        return None
    axis = make_axis([number for interval in intervals for number in interval])
    parts, y = [], TOP + GAP
    for workload, watchers in shown.items():
        top = y
        for name, interval in watchers.items():
            colour, kind = style[name]
            if axis.holds(interval.high):
                parts.append(svg.line(axis.x(interval.low), y, axis.x(interval.high), y, stroke=colour))
            shown_as = kind if axis.holds(interval.median) else "left"
            parts.append(svg.mark(shown_as, axis.x(interval.median), y, colour))
            y += STEP
        parts.append(svg.text(LEFT - 10, (top + y - STEP) / 2 + 4, workload, anchor="end"))
        y += GAP
        parts.append(svg.line(LEFT, y - STEP / 2 - GAP / 2, LEFT + WIDTH, y - STEP / 2 - GAP / 2, of="lead"))
    bottom = max(y, TOP + GAP + 18 * len(style))
    frame = [svg.text(LEFT, 24, title, of="head"),
             svg.text(LEFT, 44, "Marks: median of the rounds, each paired with the unwatched run of the same round; "
                                "lines: 95 % confidence.", of="note")]
    for at, label in axis.ticks():
        x = axis.x(at)
        frame.append(svg.line(x, TOP, x, bottom, of="grid"))
        frame.append(svg.text(x, bottom + 18, label, anchor="middle"))
    if one is not None:
        frame.append(svg.line(axis.x(one), TOP, axis.x(one), bottom, of="one"))
    frame.append(f'<rect x="{LEFT}" y="{TOP}" width="{WIDTH}" height="{bottom - TOP:.1f}" class="frame"/>')
    frame.append(svg.text(LEFT + WIDTH / 2, bottom + 40, axis_title, anchor="middle"))
    return svg.document(LEFT + WIDTH + KEY, bottom + BOTTOM, frame + parts + list(legend(style)))


def legend(style):
    x, y = LEFT + WIDTH + 18, TOP + GAP
    for name, (colour, kind) in style.items():
        yield svg.mark(kind, x, y, colour)
        yield svg.text(x + 12, y + 4, name)
        y += 18


def completeness(workloads):
    """What a watcher costs against what it reports, of opens: added time to the right, share named rightly upwards."""
    opens = {name: watchers for name, watchers in workloads.items() if name.startswith("open")}
    names = [name for name in names_of(opens) if name != NULL]
    style = styles(names)
    points = {}
    for name in names:
        found = [watchers[name] for watchers in opens.values() if name in watchers and watchers[name].added]
        caused = sum(one.total("caused") for one in found)
        if caused:
            added = sorted(one.added.median for one in found)[len(found) // 2]
            points[name] = (added, sum(one.total("named") for one in found) / caused)
    if not points:
        return None
    axis, height = Logarithmic([added for added, _ in points.values()]), 320
    parts = [svg.text(LEFT, 24, "Cost against completeness, of opens", of="head"),
             svg.text(LEFT, 44, "Upwards: facts named with the right program, of all caused. To the right: what each "
                                "open takes longer.", of="note")]
    for at, label in axis.ticks():
        parts += [svg.line(axis.x(at), TOP, axis.x(at), TOP + height, of="grid"),
                  svg.text(axis.x(at), TOP + height + 18, label, anchor="middle")]

    def y(part):
        return TOP + 12 + (height - 24) * (1 - part)

    for part in (0, 0.25, 0.5, 0.75, 1):
        parts += [svg.line(LEFT, y(part), LEFT + WIDTH, y(part), of="grid"),
                  svg.text(LEFT - 10, y(part) + 4, f"{part:.0%}", anchor="end")]
    parts.append(f'<rect x="{LEFT}" y="{TOP}" width="{WIDTH}" height="{height}" class="frame"/>')
    parts.append(svg.text(LEFT + WIDTH / 2, TOP + height + 40, "time added per open (median of the open workloads)",
                          anchor="middle"))
    for name, (added, part) in points.items():
        colour, kind = style[name]
        parts.append(svg.mark(kind if axis.holds(added) else "left", axis.x(added), y(part), colour))
    return svg.document(LEFT + WIDTH + KEY, TOP + height + BOTTOM, parts + list(legend(style)))


def pictures(measured):
    """measured: family -> workload -> watcher -> report.Measured. Name of a file -> SVG."""
    found = {}
    for family, workloads in measured.items():
        added = [one.added.median for watchers in workloads.values() for one in watchers.values() if one.added]
        positive = sorted(value for value in added if value > 0) or [1e-9]
        found[f"added-{family}"] = dots(
            f"What watching adds: {family}", "time added per operation (at the left edge: less, or nothing)",
            workloads, lambda one: one.added, lambda values: Logarithmic(values, least=positive[len(positive) // 20]))
    if "software" in measured:
        found["ratio-software"] = dots(
            "Real software under watch", "time, by that of the unwatched run (logarithmic)", measured["software"],
            lambda one: one.ratio, Ratios, one=1.0)
    if "files" in measured:
        found["completeness"] = completeness(measured["files"])
    return {name: picture for name, picture in found.items() if picture}
