"""Reads an HTML page the strict way: balanced tags, unique ids, what it loads, its tables."""

from __future__ import annotations

from collections import Counter
from html.parser import HTMLParser
from xml.etree import ElementTree

VOID = {"meta", "br", "hr", "img", "link", "input"}
LOADING = ("src", "href", "xlink:href", "srcset", "data", "action", "poster", "background")
SVG = "{http://www.w3.org/2000/svg}"


class Page(HTMLParser):
    """A parsed page. problems: unbalanced tags. loads: (tag, attribute, value) of addresses."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.ids: Counter[str] = Counter()
        self.tags: Counter[str] = Counter()
        self.problems: list[str] = []
        self.loads: list[tuple[str, str, str]] = []
        self.references: list[str] = []
        self.words: list[str] = []
        self._open: list[str] = []
        self.feed(text)
        self.close()
        self.problems += [f"<{tag}> is not closed" for tag in self._open]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        for name, value in attrs:
            if name == "id":
                self.ids[value or ""] += 1
            if name in LOADING:
                self.loads.append((tag, name, value or ""))
            if name in ("aria-labelledby", "aria-describedby"):
                self.references += (value or "").split()
            if name.startswith("on"):
                self.problems.append(f"<{tag} {name}>")
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self._open.pop()

    def handle_endtag(self, tag: str) -> None:
        if not self._open or self._open[-1] != tag:
            self.problems.append(f"</{tag}> closes {self._open[-1:]}")
        else:
            self._open.pop()

    def handle_data(self, data: str) -> None:
        if data.strip() and not (self._open and self._open[-1] == "style"):
            self.words.append(" ".join(data.split()))

    @property
    def text(self) -> str:
        return " ".join(self.words)


def check_figure(svg: str) -> ElementTree.Element:
    """The root of a figure that is XML and has a name and a description."""
    root = ElementTree.fromstring(svg)
    assert root.tag == f"{SVG}svg"
    assert root.get("role") == "img"
    title, description = root.find(f"{SVG}title"), root.find(f"{SVG}desc")
    assert title is not None and title.text and description is not None and description.text
    assert root.get("aria-labelledby") == f"{title.get('id')} {description.get('id')}"
    ids = [e.get("id") for e in root.iter() if e.get("id")]
    assert len(ids) == len(set(ids))
    return root


def texts(root: ElementTree.Element) -> list[str]:
    """What the texts of a figure show, without hover names."""
    found = []
    for element in root.iter(f"{SVG}text"):
        tail = "".join(child.tail or "" for child in element)
        found.append((element.text or "") + tail)
    return found
