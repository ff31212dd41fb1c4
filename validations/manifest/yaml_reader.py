"""Reads YAML as plain data with line numbers: no tags, no aliases, no surprises.

Words such as `no` or `on` stay text (YAML 1.2), duplicated keys are refused, and every key and
value remembers its line so that a fault can point at it. The text is parsed once, event by event,
and given up where it nests too deep or holds too much, so that no text takes long.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml

from ibgap.base.printable import printable

Path = tuple[str | int, ...]

MOST_LEVELS = 32
MOST_VALUES = 20_000
_LONGEST_NUMBER = 40
_LONGEST_SHOWN = 80


@dataclass
class YamlDocument:
    """Plain data and the line (from 1) of every path in it."""

    data: Any
    lines: dict[Path, int] = field(default_factory=dict)

    def line(self, path: Path) -> int | None:
        """Line of the path, or of its nearest known parent."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path)


class YamlFaultError(Exception):
    """One reason why the text is not usable YAML, with its rule, its line and what to do."""

    def __init__(
        self, message: str, line: int | None, fix: str = "", rule: str = "manifest_not_yaml"
    ) -> None:
        super().__init__(message)
        self.line = line
        self.fix = fix or "correct the indentation, quotes and colons around this line"
        self.rule = rule


# The parser in C is about twenty times as fast; where it is not built, the other one serves.
_Parser: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_UNPRINTABLE = re.compile(
    "[^\x09\x0a\x0d\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]"
)
_NULL = re.compile(r"(?:~|null|Null|NULL|)\Z")
_BOOL = re.compile(r"(?:true|True|TRUE|false|False|FALSE)\Z")
_INT = re.compile(r"[-+]?(?:0|[1-9][0-9]*)\Z")
_FLOAT = re.compile(r"[-+]?(?:[0-9]+\.[0-9]*|\.[0-9]+|[0-9]+)(?:[eE][-+]?[0-9]+)?\Z")


def read_yaml(text: str) -> YamlDocument:
    """Parse one YAML document; raises `YamlFaultError` with a line.

    Refused are tags, aliases, repeated keys, more than `MOST_LEVELS` levels, more than
    `MOST_VALUES` keys and values, and numbers that no computer holds.
    """
    _refuse_characters(text)
    document = YamlDocument(None)
    try:
        _Builder(_events(text), document.lines).fill(document)
    except yaml.YAMLError as error:
        raise _fault(error, text) from None
    return document


def _refuse_characters(text: str) -> None:
    found = _UNPRINTABLE.search(text)
    if found:
        raise YamlFaultError(
            f"it holds a character that YAML does not know ({_code(found.group())})",
            text.count("\n", 0, found.start()) + 1,
            "remove the character, or save the file again as UTF-8 text",
        )
    directive = re.search(r"^%(?!YAML )", text, re.MULTILINE)
    if directive:
        raise YamlFaultError(
            "it has a line that begins with %",
            text.count("\n", 0, directive.start()) + 1,
            "a manifest is plain YAML; indent the line, or remove it",
        )


def _code(character: str) -> str:
    return f"U+{ord(character):04X}"


def _events(text: str) -> Iterator[Any]:
    loader = _Parser(text)
    try:
        while loader.check_event():
            yield loader.get_event()
    finally:
        loader.dispose()


class _Builder:
    """Plain data from events, with what has been counted so far."""

    def __init__(self, events: Iterator[Any], lines: dict[Path, int]) -> None:
        self.events, self.lines = events, lines
        self.values = 0

    def fill(self, document: YamlDocument) -> None:
        """Read the one document there may be."""
        for event in self.events:
            if isinstance(event, yaml.DocumentStartEvent):
                if self.values:
                    raise YamlFaultError(
                        "it holds a second document", _line(event), "remove the line `---`"
                    )
                document.data = self.node(next(self.events), ())

    def node(self, event: Any, path: Path) -> Any:
        """The value that begins with this event."""
        self.check(event, path)
        self.lines[path] = _line(event)
        if isinstance(event, yaml.SequenceStartEvent):
            return self.sequence(path)
        if isinstance(event, yaml.MappingStartEvent):
            return self.mapping(path)
        return _scalar(event)

    def check(self, event: Any, path: Path) -> None:
        """Refuse what a manifest may not hold, before anything is made of it."""
        line = _line(event)
        if isinstance(event, yaml.AliasEvent):
            raise YamlFaultError(
                f"it uses an alias (*{_shown(str(event.anchor))})", line, "write the value out"
            )
        if event.tag:
            raise YamlFaultError(
                f"it uses a tag ({_shown(str(event.tag))})",
                line,
                "a manifest is plain YAML; remove the tag",
            )
        if len(path) >= MOST_LEVELS and isinstance(event, yaml.CollectionStartEvent):
            raise YamlFaultError(
                f"it nests deeper than {MOST_LEVELS} levels",
                line,
                "a manifest needs fewer than ten; close the brackets, or correct the indentation",
                "manifest_too_deep",
            )
        self.values += 1
        if self.values > MOST_VALUES:
            raise YamlFaultError(
                f"it holds more than {MOST_VALUES:,} keys and values",
                line,
                "split the trial, or move its tables into data files",
                "manifest_unreadable",
            )

    def sequence(self, path: Path) -> list[Any]:
        items: list[Any] = []
        for event in self.events:
            if isinstance(event, yaml.SequenceEndEvent):
                break
            items.append(self.node(event, (*path, len(items))))
        return items

    def mapping(self, path: Path) -> dict[str, Any]:
        out: dict[str, Any] = {}
        for event in self.events:
            if isinstance(event, yaml.MappingEndEvent):
                break
            self.check(event, path)
            if not isinstance(event, yaml.ScalarEvent):
                raise YamlFaultError("a key must be plain text", _line(event))
            key = _text(event)
            if key in out:
                raise YamlFaultError(
                    f"the key {_shown(key)!r} stands twice", _line(event), "remove one of the two"
                )
            out[key] = self.node(next(self.events), (*path, key))
            self.lines[(*path, key)] = _line(event)
        return out


def _line(event: Any) -> int:
    return int(event.start_mark.line) + 1


def _shown(text: str) -> str:
    """A text of the manifest as a message may quote it."""
    cut = printable(text[:_LONGEST_SHOWN])
    return cut if len(text) <= _LONGEST_SHOWN else f"{cut}..."


def _text(event: Any) -> str:
    value = str(event.value)
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        raise YamlFaultError(
            "it holds half a character (an escape between \\uD800 and \\uDFFF)",
            _line(event),
            "write the character itself",
        ) from None
    return value


def _scalar(event: Any) -> Any:
    """Text, or what a plain word means: null, true, false or a number."""
    value = _text(event)
    if not event.implicit[0] or event.style:
        return value
    if _NULL.match(value):
        return None
    if _BOOL.match(value):
        return value.lower() == "true"
    is_int = _INT.match(value) is not None
    if not is_int and not _FLOAT.match(value):
        return value
    if len(value) > _LONGEST_NUMBER or math.isinf(float(value)):
        raise YamlFaultError(
            f"it holds a number that is too large or too long ({len(value):,} characters)",
            _line(event),
            "write fewer digits, or put it into quotes if it is text",
        )
    return int(value) if is_int else float(value)


def _fault(error: yaml.YAMLError, text: str) -> YamlFaultError:
    mark = getattr(error, "problem_mark", None)
    problem = str(getattr(error, "problem", None) or "it is not readable as YAML")
    if mark is None:
        return YamlFaultError(problem[:_LONGEST_SHOWN], None)
    line = int(mark.line) + 1
    if "cannot start any token" in problem and text[mark.index : mark.index + 1] == "\t":
        return YamlFaultError(
            "it is indented with a tab (\\t)", line, "use spaces in front of keys and values"
        )
    return YamlFaultError(_shown(problem), line)
