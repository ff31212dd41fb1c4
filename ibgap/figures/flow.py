"""Flow of trials and effects: boxes from top to bottom, with what left each stage beside it."""

from __future__ import annotations

from ibgap.figures.marks import arrow
from ibgap.figures.model import Flow
from ibgap.figures.svg import box, document, group, label, line
from ibgap.figures.text import text_width, truncate, whole

_WIDE, _SIDE, _GAP, _LINE = 330.0, 400.0, 34.0, 18.0


def draw_flow(flow: Flow, figure_id: str = "flow", *, standalone: bool = False) -> str:
    """SVG of the stages in the manner of a PRISMA 2020 flow diagram."""
    body, y = [], 8.0
    for i, stage in enumerate(flow.boxes):
        high = max(44.0, 16.0 + _LINE * (len(stage.left) + (1 if stage.left else 0)))
        body.append(_stage(f"{whole(stage.count)} {stage.text}", y, high))
        if stage.left:
            body.append(_left(stage.left, y, high))
        y += high
        if i + 1 < len(flow.boxes):
            body.append(_down(_WIDE / 2.0, y, y + _GAP))
            y += _GAP
    if flow.ends:
        body.append(_down(_WIDE / 2.0, y, y + _GAP))
        body.append(_ends(flow.ends, y + _GAP))
        y += _GAP + 16.0 + _LINE * len(flow.ends)
    width = _WIDE + 44.0 + _SIDE + 4.0
    return document(figure_id, flow.title, flow.description, width, y + 8.0, *body,
                    standalone=standalone)  # fmt: skip


def _stage(text: str, y: float, high: float) -> str:
    middle = y + high / 2.0 + 4.5
    return box(1.0, y, _WIDE, high, cls="frame") + label(
        _WIDE / 2.0, middle, text, anchor="middle", cls="bold"
    )


def _left(left: tuple[tuple[int, str], ...], y: float, high: float) -> str:
    x = _WIDE + 44.0
    out = [
        line(_WIDE + 1.0, y + high / 2.0, x - 2.0, y + high / 2.0, cls="axis"),
        group(arrow(x - 1.0, y + high / 2.0, (1, 0)), cls="tone-ink"),
        box(x, y, _SIDE, high, cls="frame light"),
        label(x + 12.0, y + 20.0, "Not carried on:", cls="muted"),
    ]
    for i, (count, reason) in enumerate(left):
        text = f"{whole(count)} {reason}"
        shown = truncate(text, _SIDE - 24.0)
        out.append(label(x + 12.0, y + 20.0 + (i + 1) * _LINE, shown, name=text))
    return "".join(out)


def _ends(ends: tuple[tuple[int, str], ...], y: float) -> str:
    high = 14.0 + _LINE * len(ends)
    out = [box(1.0, y, _WIDE, high, cls="frame")]
    numbers = max(text_width(whole(count)) for count, _ in ends)
    for i, (count, text) in enumerate(ends):
        baseline = y + 20.0 + i * _LINE
        out.append(label(16.0 + numbers, baseline, whole(count), anchor="end", cls="bold"))
        out.append(label(26.0 + numbers, baseline, text))
    return "".join(out)


def _down(x: float, y1: float, y2: float) -> str:
    return line(x, y1, x, y2 - 2.0, cls="axis") + group(arrow(x, y2 - 1.0, (0, 1)), cls="tone-ink")
