"""The one way to a person's terminal: what files and folders are called never steers it."""

from __future__ import annotations

import click

from ibgap.base.printable import printable


def echo(text: str, *, err: bool = False, nl: bool = True) -> None:
    """Print a text with every control and bidirectional character made visible."""
    click.echo(printable(text), err=err, nl=nl)


def echo_json(text: str) -> None:
    """Print JSON with such characters as JSON writes them, so that a program reads them back."""
    click.echo("".join(c if printable(c) == c else _escape(c) for c in text))


def _escape(character: str) -> str:
    units = character.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[i]:02x}{units[i + 1]:02x}" for i in range(0, len(units), 2))
