"""Numbers and small tables as text that can be pasted; missing numbers say so."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

MISSING = "-"


def number(value: Any, digits: int = 2) -> str:
    """Fixed decimals with a plain minus; `-` for a missing number."""
    if value is None or (isinstance(value, float) and math.isnan(value)) or value != value:
        return MISSING
    if math.isinf(float(value)):
        return "inf" if value > 0 else "-inf"
    text = f"{float(value):.{digits}f}"
    return text.removeprefix("-") if float(text) == 0 else text


def whole(value: Any) -> str:
    return MISSING if value is None or value != value else f"{float(value):.0f}"


def interval(lower: Any, upper: Any, kind: str = "confidence", digits: int = 2) -> str:
    """`[0.10, 0.20]`, or what kind of unbounded set it is."""
    if kind == "two_rays":
        return f"below {number(lower, digits)} or above {number(upper, digits)}"
    if kind == "everything":
        return "no bounds"
    if number(lower) == MISSING:
        return MISSING
    return f"[{number(lower, digits)}, {number(upper, digits)}]"


def level_name(level: Any) -> str:
    """`95%` of a level of .95."""
    return f"{100 * float(level):.4g}%"


def p_value(value: Any) -> str:
    if value is None or value != value:
        return MISSING
    return "<.001" if value < 0.001 else f"{value:.3f}".removeprefix("0")


def align(header: Sequence[str], rows: Sequence[Sequence[str]], left: int = 1) -> str:
    """Columns aligned with two spaces; the first `left` columns to the left, others right."""
    table = [list(header), *[list(row) for row in rows]]
    widths = [max(len(row[i]) for row in table) for i in range(len(header))]
    lines = []
    for row in table:
        cells = [
            cell.ljust(width) if i < left else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip())
    lines.insert(1, "-" * max(len(line) for line in lines))
    return "\n".join(lines)
