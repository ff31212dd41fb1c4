"""Tiny helpers for SVG text: every attribute and text is escaped, coordinates are rounded."""

from __future__ import annotations

import re
from functools import lru_cache
from html import escape as _escape

from ibgap.figures.style import FIGURE_CSS
from ibgap.figures.text import clean

_NAMESPACE = "http://www.w3.org/2000/svg"


def coordinate(value: float) -> str:
    """A coordinate in px with at most two decimals."""
    text = f"{value:.2f}".rstrip("0").rstrip(".")
    return "0" if text in ("-0", "") else text


def escape(text: object) -> str:
    """Text that is safe in element content and in quoted attributes."""
    return _escaped(str(text))


@lru_cache(maxsize=8192)
def _escaped(text: str) -> str:
    return _escape(clean(text), quote=True)


@lru_cache(maxsize=256)
def _attribute(name: str) -> str:
    return name.rstrip("_").replace("_", "-")


def element(tag: str, *children: str, cls: str = "", **attributes: object) -> str:
    """One element. Children are finished markup; attributes are escaped, `stroke_width` becomes
    `stroke-width`, None leaves an attribute out."""
    parts = [tag]
    if cls:
        parts.append(f'class="{escape(cls)}"')
    for name, value in attributes.items():
        if value is None:
            continue
        text = coordinate(value) if isinstance(value, float) else escape(value)
        parts.append(f'{_attribute(name)}="{text}"')
    opening = " ".join(parts)
    return f"<{opening}>{''.join(children)}</{tag}>" if children else f"<{opening}/>"


def group(*children: str, cls: str = "", name: str = "", **attributes: object) -> str:
    """A `<g>`; `name` becomes its `<title>` (shown on hover)."""
    title = element("title", escape(name)) if name else ""
    return element("g", title, *children, cls=cls, **attributes)


def label(
    x: float, y: float, text: str, *, anchor: str = "start", cls: str = "", name: str = "",
    transform: str | None = None,
) -> str:  # fmt: skip
    """Text with its baseline at y. anchor: start, middle or end. name: full text for hover."""
    title = element("title", escape(name)) if name and name != text else ""
    shown = None if anchor == "start" else anchor
    return element(
        "text", title + escape(text), cls=cls, x=float(x), y=float(y), text_anchor=shown,
        transform=transform,
    )  # fmt: skip


def marked(href: str, *children: str, name: str, cls: str = "") -> str:
    """Marks of one trial: a link where there is a page, else a group; both with a name."""
    if href:
        return link(href, element("title", escape(name)), *children, cls=cls, name=name)
    return group(*children, cls=cls, name=name)


def line(x1: float, y1: float, x2: float, y2: float, *, cls: str = "line") -> str:
    return element("line", cls=cls, x1=float(x1), y1=float(y1), x2=float(x2), y2=float(y2))


def box(x: float, y: float, width: float, height: float, *, cls: str = "", **more: object) -> str:
    return element(
        "rect", cls=cls, x=float(x), y=float(y), width=float(width), height=float(height), **more
    )


def polygon(points: list[tuple[float, float]], *, cls: str = "", **more: object) -> str:
    """A closed shape through points in px."""
    text = " ".join(f"{coordinate(x)},{coordinate(y)}" for x, y in points)
    return element("polygon", cls=cls, points=text, **more)


def link(href: str, *children: str, cls: str = "", name: str = "") -> str:
    """A link with an accessible name. href: relative, so that no text of data can become the
    scheme of an address; anything else raises `ValueError`."""
    if not href.startswith(("?", "./", "../", "#")):
        raise ValueError("a link of a figure is relative")
    return element("a", *children, cls=cls, href=href, aria_label=name or None)


def safe_id(text: str) -> str:
    """An id that starts with a letter and has only letters, digits, `-` and `_`."""
    kept = re.sub(r"[^A-Za-z0-9_-]+", "-", text).strip("-")
    return kept if kept[:1].isalpha() else f"f-{kept}"


def document(
    figure_id: str, title: str, description: str, width: float, height: float, *body: str,
    standalone: bool = False, interactive: bool = False,
) -> str:  # fmt: skip
    """The figure with its title and description, named by them for assistive technology.

    figure_id: prefix of every id inside; unique in the page. standalone: carries its own style,
    for a file of its own. interactive: it has links inside, so it is a group and not one image.
    """
    name = safe_id(figure_id)
    size = {"width": float(width), "height": float(height)}
    style = element("style", FIGURE_CSS) if standalone else ""
    return element(
        "svg",
        element("title", escape(title), id=f"{name}-title"),
        element("desc", escape(description), id=f"{name}-desc"),
        style,
        *body,
        cls="figure", xmlns=_NAMESPACE, id=name, role="group" if interactive else "img",
        aria_labelledby=f"{name}-title {name}-desc",
        viewBox=f"0 0 {coordinate(width)} {coordinate(height)}", font_size=13, **size,
    )  # fmt: skip
