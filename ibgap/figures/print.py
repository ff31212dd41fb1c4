"""Print versions of the figures: the same SVG, drawn by Matplotlib as PDF or PNG.

The drawing functions of this package write a small part of SVG (lines, rectangles, circles,
polygons, paths of line segments, texts, groups); this module reads exactly that part, so that
screen and print cannot show different numbers.
"""

from __future__ import annotations

import io
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from typing import Any
from xml.etree import ElementTree

from ibgap.figures.style import FIGURE_CSS, PRINT_COLORS

SINGLE_COLUMN, DOUBLE_COLUMN = 89.0, 183.0
"""Widths in mm of figures in most journals."""
_MM_PER_PX = 0.21
_FONT_SHARE = 0.9
"""The print font runs wider than the screen fonts the layout allows for."""
_RULE = re.compile(r"\.figure\s+((?:text|a)?(?:\.[a-z-]+)+(?:\s+\.[a-z-]+)?)\{([^}]*)\}")
_MOVE = re.compile(r"(translate|rotate)\(([^)]*)\)")
_SVG = "{http://www.w3.org/2000/svg}"


@dataclass(frozen=True)
class _Place:
    """Translation (px) and rotation (degrees, about the translated origin) of a group."""

    dx: float = 0.0
    dy: float = 0.0


@dataclass(frozen=True)
class _Inherited:
    """What children take over: classes of all parents, place, clip rectangle."""

    classes: tuple[frozenset[str], ...] = ()
    place: _Place = _Place()
    clip: tuple[float, float, float, float] | None = None


def print_figure(svg: str, form: str, *, width_mm: float | None = None, dpi: int = 300) -> bytes:
    """A figure of this package as `pdf` (vector, text kept as text) or `png`.

    svg: text that a `draw_...` function returned. width_mm: printed width, by default as wide as
    its text needs at 7 points, at most two columns. The same input gives
    the same bytes. Raises `ValueError` for another form.
    """
    if form not in ("pdf", "png"):
        raise ValueError(f"a figure is printed as pdf or png, not {form!r}")
    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    root = ElementTree.fromstring(svg)
    width, height = float(root.get("width", "0")), float(root.get("height", "0"))
    inches = (width_mm or min(DOUBLE_COLUMN, width * _MM_PER_PX)) / 25.4
    options: Any = {"pdf.fonttype": 42, "pdf.compression": 6, "font.family": "DejaVu Sans"}
    with mpl.rc_context(options):
        figure = Figure(figsize=(inches, inches * height / width))
        FigureCanvasAgg(figure)
        axes = figure.add_axes((0.0, 0.0, 1.0, 1.0))
        axes.set_xlim(0.0, width)
        axes.set_ylim(height, 0.0)
        axes.axis("off")
        _Drawer(axes, root, points_per_px=inches * 72.0 / width).draw()
        buffer = io.BytesIO()
        metadata: dict[str, Any] = {"Title": _title(root)}
        if form == "pdf":
            metadata |= {"CreationDate": None, "ModDate": None, "Producer": None}
        else:
            metadata |= {"Software": None}
        figure.savefig(buffer, format=form, dpi=dpi, metadata=metadata, facecolor="white")
    return buffer.getvalue()


def _title(root: ElementTree.Element) -> str:
    found = root.find(f"{_SVG}title")
    return found.text or "" if found is not None else ""


class _Drawer:
    """Walks through the elements and adds Matplotlib's artists."""

    def __init__(self, axes: Any, root: ElementTree.Element, points_per_px: float) -> None:
        self.axes, self.root, self.scale = axes, root, points_per_px
        self.order = 0
        self.clips = {
            f"url(#{e.get('id')})": _box(e[0]) for e in root.iter(f"{_SVG}clipPath") if len(e)
        }

    def draw(self) -> None:
        self._children(self.root, _Inherited())

    def _children(self, parent: ElementTree.Element, above: _Inherited) -> None:
        for child in parent:
            tag = child.tag.removeprefix(_SVG)
            if tag in ("title", "desc", "style", "defs"):
                continue
            own = self._inherit(child, above)
            if tag in ("g", "a", "svg"):
                self._children(child, own)
            else:
                self._element(tag, child, own)

    def _inherit(self, element: ElementTree.Element, above: _Inherited) -> _Inherited:
        place = above.place
        if element.tag != f"{_SVG}text":
            for kind, values in _MOVE.findall(element.get("transform", "")):
                if kind == "translate":
                    dx, dy = (float(v) for v in values.replace(",", " ").split())
                    place = _Place(place.dx + dx, place.dy + dy)
        clip = self.clips.get(element.get("clip-path", ""), above.clip)
        classes = frozenset((element.get("class") or "").split())
        return replace(above, classes=(*above.classes, classes), place=place, clip=clip)

    def _element(self, tag: str, element: ElementTree.Element, own: _Inherited) -> None:
        style = _style_of(tag, own.classes)
        if element.get("fill", "").startswith("url("):
            style |= {"hatch": "yes", "stroke": _tone(own.classes), "stroke-width": "0.8"}
        self.order += 1
        if tag == "text":
            self._text(element, own, style)
            return
        for points, closed in _outlines(tag, element):
            moved = [(x + own.place.dx, y + own.place.dy) for x, y in points]
            self._shape(moved, closed, own, style)

    def _shape(
        self, points: list[tuple[float, float]], closed: bool, own: _Inherited,
        style: dict[str, str],
    ) -> None:  # fmt: skip
        from matplotlib.patches import PathPatch, Rectangle
        from matplotlib.path import Path

        path = Path(points, closed=False)
        if closed:
            path = Path([*points, points[0]], closed=True)
        fill = style.get("fill", "none") if closed else "none"
        stroke = style.get("stroke", "none")
        width = float(style.get("stroke-width", "1")) * self.scale
        dash = style.get("stroke-dasharray", "none")
        patch = PathPatch(
            path,
            facecolor=_color(fill, style, "fill-opacity"),
            edgecolor=_color(stroke, style, "stroke-opacity"),
            linewidth=width if stroke != "none" else 0.0,
            linestyle=(0, [float(d) * self.scale / max(width, 1e-9) for d in dash.split()])
            if dash != "none"
            else "solid",
            capstyle="butt",
            hatch="//////" if "hatch" in style else None,
            zorder=self.order,
        )
        self.axes.add_patch(patch)
        if own.clip is not None:
            x, y, wide, high = own.clip
            patch.set_clip_path(Rectangle((x, y), wide, high, transform=self.axes.transData))

    def _text(self, element: ElementTree.Element, own: _Inherited, style: dict[str, str]) -> None:
        from matplotlib.patheffects import withStroke

        tail = "".join(child.tail or "" for child in element)
        shown = (element.text or "") + tail
        if not shown:
            return
        x, y = float(element.get("x", "0")), float(element.get("y", "0"))
        turned = dict(_MOVE.findall(element.get("transform", ""))).get("rotate", "0")
        anchor = {"middle": "center", "end": "right"}.get(element.get("text-anchor", ""), "left")
        size = float(style.get("font-size", "13px").removesuffix("px")) * self.scale * _FONT_SHARE
        halo = [withStroke(linewidth=3.0 * self.scale, foreground="white")]
        self.axes.text(
            x + own.place.dx, y + own.place.dy, shown.replace("$", r"\$"), fontsize=size,
            ha=anchor, va="baseline", rotation=-float(turned.split()[0]),
            rotation_mode="anchor", color=_color(style.get("fill", PRINT_COLORS["--ink"]), style),
            fontweight="bold" if style.get("font-weight") == "600" else "normal",
            zorder=self.order, path_effects=halo if style.get("paint-order") else None,
        )  # fmt: skip


def _box(element: ElementTree.Element) -> tuple[float, float, float, float]:
    x, y, wide, high = (float(element.get(n, "0")) for n in ("x", "y", "width", "height"))
    return x, y, wide, high


def _outlines(
    tag: str, element: ElementTree.Element
) -> Iterator[tuple[list[tuple[float, float]], bool]]:
    """Points of the outline in px, and whether it is closed."""
    if tag == "line":
        x1, y1, x2, y2 = (float(element.get(n, "0")) for n in ("x1", "y1", "x2", "y2"))
        yield [(x1, y1), (x2, y2)], False
    elif tag == "rect":
        x, y, wide, high = _box(element)
        yield [(x, y), (x + wide, y), (x + wide, y + high), (x, y + high)], True
    elif tag in ("circle", "ellipse"):
        x, y = float(element.get("cx", "0")), float(element.get("cy", "0"))
        rx = float(element.get("rx", element.get("r", "0")))
        ry = float(element.get("ry", element.get("r", "0")))
        turns = [2.0 * math.pi * i / 48 for i in range(48)]
        yield [(x + rx * math.cos(a), y + ry * math.sin(a)) for a in turns], True
    elif tag in ("polygon", "polyline"):
        values = [float(v) for v in element.get("points", "").replace(",", " ").split()]
        points = list(zip(values[::2], values[1::2], strict=True))
        if points:
            yield points, tag == "polygon"
    elif tag == "path":
        yield from _path(element.get("d", ""))
    else:
        raise ValueError(f"cannot print the element {tag!r}")


def _path(text: str) -> Iterator[tuple[list[tuple[float, float]], bool]]:
    """Sub-paths of M, L and Z with absolute coordinates."""
    for part in re.findall(r"M[^M]*", text):
        values = [float(v) for v in re.findall(r"-?[\d.]+(?:e-?\d+)?", part)]
        yield list(zip(values[::2], values[1::2], strict=True)), "Z" in part


@cache
def _rules() -> tuple[tuple[tuple[str, ...], str, dict[str, str]], ...]:
    """Rules of the figure's style sheet as (classes of parents, of the element, declarations)."""
    out = []
    for selector, body in _RULE.findall(FIGURE_CSS):
        *above, last = selector.split()
        found = [d.split(":", 1) for d in body.split(";") if ":" in d]
        said = {name.strip(): _resolved(value.strip()) for name, value in found}
        out.append((tuple(c for a in above for c in a.split(".") if c), last, said))
    return tuple(out)


def _resolved(value: str) -> str:
    if value == "transparent":
        return "none"
    return re.sub(r"var\((--[a-z]+)\)", lambda m: PRINT_COLORS.get(m[1], m[0]), value)


def _style_of(tag: str, classes: tuple[frozenset[str], ...]) -> dict[str, str]:
    """Declarations that hold for an element with these classes of itself and its parents."""
    style: dict[str, str] = {"fill": PRINT_COLORS["--ink"]} if tag == "text" else {}
    tone = _tone(classes)
    own, everywhere = classes[-1], frozenset().union(*classes)
    for above, last, said in _rules():
        kind, *names = last.split(".")
        if kind and kind != tag:
            continue
        if set(names) <= own and set(above) <= everywhere:
            style |= {k: v for k, v in said.items() if not k.startswith("--")}
    return {k: v.replace("var(--tone)", tone) for k, v in style.items()}


def _tone(classes: tuple[frozenset[str], ...]) -> str:
    """Accent color of an element: the one of its innermost parent that has one."""
    tone = PRINT_COLORS["--ink"]
    for level in classes:
        for _, last, said in _rules():
            if "--tone" in said and set(last.split(".")[1:]) <= level:
                tone = said["--tone"]
    return tone


def _color(value: str, style: dict[str, str], opacity: str = "fill-opacity") -> Any:
    from matplotlib.colors import to_rgba

    if value == "none":
        return (0.0, 0.0, 0.0, 0.0)
    alpha = float(style.get(opacity, "1")) * float(style.get("opacity", "1"))
    return to_rgba(value, alpha)
