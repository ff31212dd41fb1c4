"""Who intends and who acts: four shares per group of persons as one bar."""

from __future__ import annotations

from ibgap.figures.model import ActionBar, ActionBars, ActionShares
from ibgap.figures.svg import box, document, element, group, label, line, safe_id
from ibgap.figures.text import percent, text_width, truncate

_ROW = 20.0
_BAR = 430.0
_LABEL_LIMIT = 260.0
_TOP = 58.0
_SEGMENTS = (
    ("intention", False, "intended and acted"),
    ("intention", True, "intended, did not act"),
    ("upstream", False, "did not intend, acted"),
    ("upstream", True, "did neither"),
)
"""Tone and hatching of the four shares: blue intended, gray did not; solid acted, hatched not."""


def draw_action_bars(
    bars: ActionBars, figure_id: str = "action", *, standalone: bool = False
) -> str:
    """SVG of one bar per group of persons, its four parts adding to 100%.

    Blue parts intended, gray ones did not; solid parts acted, hatched ones did not. Withheld
    rows keep their place and say why.
    """
    name = safe_id(figure_id)
    labels = [b.label for g in bars.groups for b in g.bars]
    left = min(_LABEL_LIMIT, max([text_width(t) for t in labels], default=60.0)) + 16.0
    width = left + _BAR + 74.0
    body = [element("defs", _hatch(name, "intention"), _hatch(name, "upstream"))]
    body.append(_legend(name, left))
    y = _TOP
    for one in bars.groups:
        y += 6.0
        body.append(label(0, y + 14.5, truncate(one.name, width - 90.0), cls="bold", name=one.name))
        y += _ROW + 2.0
        for bar in one.bars:
            body.append(_bar(name, bar, left, y))
            y += _ROW
    if not bars.groups:
        body.append(label(0, y + 14.5, bars.empty, cls="muted"))
        y += _ROW
    body.append(_scale(left, _TOP + 20.5, y + 4.0, bool(bars.groups)))
    return document(
        figure_id, bars.title, bars.description, width, y + 30.0, *body, standalone=standalone
    )


def _hatch(name: str, tone: str) -> str:
    stripe = line(0, 0, 0, 7, cls="hatch")
    return element(
        "pattern", group(stripe, cls=f"tone-{tone}"), id=f"{name}-{tone}", width=5, height=7,
        patternUnits="userSpaceOnUse", patternTransform="rotate(45)",
    )  # fmt: skip


def _segment(name: str, part: int, x: float, y: float, width: float, height: float) -> str:
    tone, hatched, _ = _SEGMENTS[part]
    fill = {"fill": f"url(#{name}-{tone})"} if hatched else {}
    shape = box(x, y, width, height, cls="segment" if hatched else "segment fill", **fill)
    return group(shape, cls=f"tone-{tone}")


def _legend(name: str, left: float) -> str:
    out = ""
    for part, (_, _, words) in enumerate(_SEGMENTS):
        x, y = left + (part % 2) * 215.0, 4.0 + (part // 2) * 22.0
        out += _segment(name, part, x, y, 26.0, 13.0) + label(x + 34.0, y + 11.0, words)
    return out


def _bar(name: str, bar: ActionBar, left: float, y: float) -> str:
    out = [label(12, y + 14.5, truncate(bar.label, left - 26.0), name=bar.label)]
    if isinstance(bar.shares, str):
        out.append(label(left + 6.0, y + 14.5, f"withheld: {bar.shares}", cls="muted"))
    else:
        out.append(_shares(name, bar.shares, left, y))
    if bar.persons:
        out.append(label(left + _BAR + 70.0, y + 14.5, bar.persons, anchor="end", cls="muted"))
    return group(*out, cls="row", name=_spoken(bar))


def _shares(name: str, shares: ActionShares, left: float, y: float) -> str:
    out, x = "", left
    for part, share in enumerate(shares.parts):
        width = max(0.0, share) * _BAR
        if width > 0.3:
            out += _segment(name, part, x, y + 2.0, width, 16.0)
        text = percent(share)
        if width > text_width(text, 12.0) + 6.0:
            style = "small halo" if _SEGMENTS[part][1] else "small on-fill"
            out += label(x + width / 2.0, y + 14.0, text, anchor="middle", cls=style)
        x += width
    return out


def _spoken(bar: ActionBar) -> str:
    if isinstance(bar.shares, str):
        return f"{bar.label}: withheld, {bar.shares}"
    parts = zip(_SEGMENTS, bar.shares.parts, strict=True)
    return f"{bar.label}: " + ", ".join(f"{words} {percent(s)}" for (_, _, words), s in parts)


def _scale(left: float, top: float, bottom: float, named: bool) -> str:
    out = line(left, bottom, left + _BAR, bottom, cls="axis")
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        x = left + share * _BAR
        out += line(x, bottom, x, bottom + 5.0, cls="axis")
        out += label(x, bottom + 18.0, percent(share), anchor="middle")
    if named:
        out += label(left + _BAR + 70.0, top, "persons", anchor="end", cls="muted")
    return out
