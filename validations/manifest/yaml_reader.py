"""Reads YAML as plain data with line numbers: no tags, no aliases, no surprises.

Words such as `no` or `on` stay text (YAML 1.2), duplicated keys are refused, and every key and
value remembers its line so that a fault can point at it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

import yaml

Path = tuple[str | int, ...]


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
    """One reason why the text is not usable YAML, with its line and what to do."""

    def __init__(self, message: str, line: int | None, fix: str = "") -> None:
        super().__init__(message)
        self.line = line
        self.fix = fix or "correct the indentation, quotes and colons around this line"


class _Loader(yaml.SafeLoader):
    """Resolves only null, true/false and numbers, as in YAML 1.2."""


_Loader.yaml_implicit_resolvers = {}
for _tag, _pattern, _first in (
    ("tag:yaml.org,2002:bool", r"^(?:true|True|TRUE|false|False|FALSE)$", "tTfF"),
    ("tag:yaml.org,2002:null", r"^(?:~|null|Null|NULL|)$", ["~", "n", "N", ""]),
    ("tag:yaml.org,2002:int", r"^[-+]?(?:0|[1-9][0-9]*)$", "-+0123456789"),
    (
        "tag:yaml.org,2002:float",
        r"^[-+]?(?:[0-9]+\.[0-9]*|\.[0-9]+|[0-9]+)(?:[eE][-+]?[0-9]+)?$",
        "-+.0123456789",
    ),
):
    _Loader.add_implicit_resolver(_tag, re.compile(_pattern), list(_first))

_STANDARD = "tag:yaml.org,2002:"


def read_yaml(text: str) -> YamlDocument:
    """Parse one YAML document; raises `YamlFaultError` with a line."""
    _refuse_tags_and_aliases(text)
    try:
        loader = _Loader(text)
        try:
            node = loader.get_single_node()
            document = YamlDocument(None)
            if node is not None:
                document.data = _build(loader, node, (), document.lines)
            return document
        finally:
            loader.dispose()
    except yaml.YAMLError as error:
        raise _fault(error) from None


def _refuse_tags_and_aliases(text: str) -> None:
    try:
        for event in yaml.parse(text, Loader=_Loader):
            line = event.start_mark.line + 1 if event.start_mark else None
            if isinstance(event, yaml.AliasEvent):
                raise YamlFaultError(
                    f"it uses an alias (*{event.anchor})", line, "write the value out"
                )
            tag = getattr(event, "tag", None)
            if tag:
                raise YamlFaultError(
                    f"it uses a tag ({tag})", line, "a manifest is plain YAML; remove the tag"
                )
    except yaml.YAMLError as error:
        raise _fault(error) from None


def _fault(error: yaml.YAMLError) -> YamlFaultError:
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or "it is not readable as YAML"
    return YamlFaultError(str(problem), mark.line + 1 if mark else None)


def _build(loader: yaml.SafeLoader, node: yaml.Node, path: Path, lines: dict[Path, int]) -> Any:
    lines[path] = node.start_mark.line + 1
    if isinstance(node, yaml.SequenceNode):
        return [_build(loader, item, (*path, i), lines) for i, item in enumerate(node.value)]
    if isinstance(node, yaml.MappingNode):
        out: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = key_node.value if isinstance(key_node, yaml.ScalarNode) else None
            if key is None:
                raise YamlFaultError("a key must be plain text", key_node.start_mark.line + 1)
            if key in out:
                raise YamlFaultError(
                    f"the key {key!r} stands twice",
                    key_node.start_mark.line + 1,
                    "remove one of the two",
                )
            out[key] = _build(loader, value_node, (*path, key), lines)
            lines[(*path, key)] = key_node.start_mark.line + 1
        return out
    return loader.construct_object(node)
