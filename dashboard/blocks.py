"""What a report is made of: sections of blocks, which the template turns into HTML.

All texts are plain text and are escaped by the template; only `Figure.svg` is markup, made by
`ibgap.figures`, which escapes everything itself.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields, is_dataclass, replace
from typing import Any, ClassVar, Literal

from markupsafe import Markup

Accent = Literal["intention", "behavior", "gap"]


@dataclass(frozen=True)
class Paragraph:
    """Running text. tone: plain, note (secondary) or warning."""

    text: str
    tone: Literal["plain", "note", "warning"] = "plain"
    kind: ClassVar[str] = "paragraph"


@dataclass(frozen=True)
class Heading:
    """A heading inside a section."""

    text: str
    kind: ClassVar[str] = "heading"


@dataclass(frozen=True)
class Cell:
    """A table cell with a second, smaller line. href: relative address the text leads to."""

    text: str
    note: str = ""
    href: str = ""


@dataclass(frozen=True)
class Column:
    """A column; numbers are right-aligned with tabular digits, `wide` ones hold sentences."""

    name: str
    style: Literal["text", "number", "wide"] = "number"


@dataclass(frozen=True)
class Table:
    """A table. The first column heads its row. empty: said instead of a table without rows."""

    caption: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[str | Cell, ...], ...]
    empty: str = "Nothing to show."
    kind: ClassVar[str] = "table"


@dataclass(frozen=True)
class Figure:
    """A figure, one sentence that says what it shows, and its values.

    draw, model: a drawing function of `ibgap.figures` and what it draws. figure_id: unique in
    the page. guide: sentences on how to read it; with them the text stands beside the figure on
    wide pages. downloads: (name, address) of the figure in other forms.
    narrow: what stands in its place on a narrow screen;
    narrow_src: its address, where it is fetched only when it is needed.
    """

    draw: Callable[..., str] = field(repr=False)
    model: Any = field(repr=False)
    figure_id: str
    summary: str
    values: tuple[Table, ...] = ()
    guide: tuple[str, ...] = ()
    downloads: tuple[tuple[str, str], ...] = ()
    narrow: tuple[Figure, ...] = ()
    narrow_src: str = ""
    kind: ClassVar[str] = "figure"

    @property
    def label(self) -> str:
        return str(self.model.title)

    @property
    def svg(self) -> Markup:
        """The figure inside a page."""
        return Markup(self.draw(self.model, self.figure_id))

    def standalone(self) -> str:
        """The figure as a file of its own, without links."""
        return self.draw(without_links(self.model), self.figure_id, standalone=True)


def without_links(model: Any) -> Any:
    """The model of a figure with every address left out."""
    if isinstance(model, tuple):
        return tuple(without_links(one) for one in model)
    if not is_dataclass(model) or isinstance(model, type):
        return model
    changes: dict[str, Any] = {}
    for one in fields(model):
        value = getattr(model, one.name)
        if one.name in ("href", "toggle"):
            changes[one.name] = ""
        elif isinstance(value, tuple) or is_dataclass(value):
            changes[one.name] = without_links(value)
    return replace(model, **changes) if changes else model


@dataclass(frozen=True)
class Card:
    """One headline result. facts: short lines of numbers; sentence: the same in words."""

    title: str
    tone: Accent
    value: str
    unit: str
    facts: tuple[tuple[str, str], ...]
    sentence: str
    href: str = ""


@dataclass(frozen=True)
class Cards:
    """Headline results side by side."""

    cards: tuple[Card, ...]
    kind: ClassVar[str] = "cards"


@dataclass(frozen=True)
class Terms:
    """Words with their meanings."""

    items: tuple[tuple[str, str], ...]
    kind: ClassVar[str] = "terms"


@dataclass(frozen=True)
class Citation:
    """Where data come from. doi: empty unless it is well formed."""

    label: str
    text: str
    doi: str
    license: str
    source: str


@dataclass(frozen=True)
class Citations:
    """List of sources."""

    items: tuple[Citation, ...]
    kind: ClassVar[str] = "citations"


@dataclass(frozen=True)
class Details:
    """Blocks that are closed until somebody opens them."""

    summary: str
    blocks: tuple[Block, ...]
    kind: ClassVar[str] = "details"


@dataclass(frozen=True)
class Links:
    """Choices side by side: (text, address, whether it is the current one)."""

    title: str
    items: tuple[tuple[str, str, bool], ...]
    narrow_only: bool = False
    kind: ClassVar[str] = "links"


@dataclass(frozen=True)
class Code:
    """Text to copy, such as BibTeX or a command."""

    title: str
    text: str
    kind: ClassVar[str] = "code"


Block = Paragraph | Heading | Table | Figure | Cards | Terms | Citations | Details | Links | Code


@dataclass(frozen=True)
class Section:
    """A part of the report with its own anchor."""

    id: str
    title: str
    blocks: tuple[Block, ...]


def columns(
    text: str, *, wide: Sequence[str] = (), texts: Sequence[str] = ()
) -> tuple[Column, ...]:
    """Columns from names separated by `|`; the first is text, the others numbers unless named."""
    names = [name.strip() for name in text.split("|")]
    out = []
    for i, name in enumerate(names):
        plain = i == 0 or name in texts
        out.append(Column(name, "wide" if name in wide else "text" if plain else "number"))
    return tuple(out)
