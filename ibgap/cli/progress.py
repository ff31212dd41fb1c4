"""Where progress goes, for a person at a terminal."""

from __future__ import annotations

import sys

from ibgap.base.printable import printable


class ProgressLine:
    """One line on stderr that is rewritten; plain lines where stderr is not a terminal."""

    def __init__(self) -> None:
        self.is_terminal = sys.stderr.isatty()

    def __call__(self, step: str) -> None:
        if self.is_terminal:
            print(f"\r\x1b[2K  {printable(step)} ...", end="", file=sys.stderr, flush=True)

    def close(self) -> None:
        if self.is_terminal:
            print("\r\x1b[2K", end="", file=sys.stderr, flush=True)
