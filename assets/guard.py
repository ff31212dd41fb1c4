"""Keeps the texts of exceptions out of Dagster's event log: they may hold participants' values."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

from ibgap.base.machine import machine_fault_in_words

Body = TypeVar("Body", bound=Callable[..., Any])


class StepFailedError(Exception):
    """A step failed; only the class of the cause is told."""


SPEAKS_FOR_ITSELF = ("ReleaseAuditError", "ReleasesFolderError", "MachineFaultError")
"""Errors whose text is made for people and holds counts only."""


def guarded(body: Body) -> Body:
    """Run an asset's body; a failure leaves it as `StepFailedError` with the cause's class.

    The new error is raised outside the handler, so that no chain carries the old text along.
    """

    @wraps(body)
    def wrapped(*arguments: Any, **options: Any) -> Any:
        failed = ""
        try:
            return body(*arguments, **options)
        except Exception as error:
            name = type(error).__name__
            if name in SPEAKS_FOR_ITSELF:
                failed = f"{name}: {error}"
            else:
                failed = machine_fault_in_words(error) or name
        raise StepFailedError(failed)

    return wrapped  # type: ignore[return-value]
