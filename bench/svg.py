"""Marks and the frame of a picture, shared by the benchmarks: SVG by hand, no dependency."""

from xml.sax.saxutils import escape

# Okabe and Ito's colours, which colour-blind readers tell apart; marks differ too, for prints without colour.
BLACK, VERMILION, BLUE, GREEN, PURPLE, ORANGE, SKY, GREY = (
    "#000000", "#D55E00", "#0072B2", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#888888")


def mark(kind, x, y, colour):
    """A filled mark with a white rim, so that one on top of another is still seen."""
    r = 4.2
    if kind == "circle":
        return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{r}" fill="{colour}" stroke="white"/>'
    corners = {"square": [(-r, -r), (r, -r), (r, r), (-r, r)],
               "diamond": [(0, -r - 1.5), (r + 1.5, 0), (0, r + 1.5), (-r - 1.5, 0)],
               "triangle": [(0, -r - 1), (r + 1, r), (-r - 1, r)],
               "left": [(-r - 2, 0), (r, -r), (r, r)]}[kind]
    points = " ".join(f"{x + dx:.1f},{y + dy:.1f}" for dx, dy in corners)
    return f'<polygon points="{points}" fill="{colour}" stroke="white"/>'


def text(x, y, words, **attributes):
    """Attributes by their names, with `of` for `class` and `anchor` for `text-anchor`."""
    names = {"of": "class", "anchor": "text-anchor"}
    more = "".join(f' {names.get(name, name)}="{value}"' for name, value in attributes.items())
    return f'<text x="{x:.1f}" y="{y:.1f}"{more}>{escape(words)}</text>'


def line(x1, y1, x2, y2, **attributes):
    more = "".join(f' {"class" if name == "of" else name}="{value}"' for name, value in attributes.items())
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"{more}/>'


def document(width, height, parts):
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}" '
        f'viewBox="0 0 {width:.0f} {height:.0f}" '
        'font-family="DejaVu Sans, Helvetica, Arial, sans-serif" font-size="12">',
        "<style>.grid{stroke:#ddd}.frame{fill:none;stroke:#444}.title{font-weight:bold}.head{font-size:15px;"
        "font-weight:bold}.note{fill:#666;font-size:11px}.lead{stroke:#bbb;stroke-width:.8}.one{stroke:#444;"
        "stroke-dasharray:5 4}</style>",
        f'<rect width="{width:.0f}" height="{height:.0f}" fill="white"/>', *parts, "</svg>"]) + "\n"
