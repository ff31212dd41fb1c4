"""The one error of the readers, and the door around the libraries they call."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from ibgap.base.machine import is_machine_fault


class UnreadableError(Exception):
    """Why one file cannot be read: rule, message, fix and, where it has one, the row.

    No text of the file's cells may stand in any of them.
    """

    def __init__(self, rule: str, message: str, fix: str, row: int | None = None) -> None:
        super().__init__(message)
        self.rule, self.message, self.fix, self.row = rule, message, fix, row


@contextmanager
def opening(what: str, fix: str) -> Iterator[None]:
    """Turns whatever a library raises over a file into `file_truncated`, with its class alone.

    Faults of the machine leave as they are. Warnings of libraries are kept back, since they
    quote cells.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except UnreadableError:
        raise
    except Exception as error:
        if is_machine_fault(error):
            raise
        raise UnreadableError(
            "file_truncated",
            f"{what} cannot be opened; it is damaged, truncated or not what its extension says "
            f"({type(error).__name__})",
            fix,
        ) from None
