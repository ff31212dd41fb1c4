"""What a fault of the machine may not do: publish a release without a trial that the last one held.

A trial that could not be read because memory or a disk gave out is no other trial. Where the last
release held it with the same bytes, a new one without it would look like a change of the data.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any


def lost_to_the_machine(
    inputs: Iterable[dict[str, Any]], last: Iterable[dict[str, Any]]
) -> list[str]:
    """Trials that the machine could not read now and that the last release held with the same
    bytes (or bytes that cannot be told).

    inputs, last: entries of `inputs` in release.json, of the release to be made and of the last.
    """
    held = {one["trial"]: one["fingerprint"] for one in last if not one.get("by_machine")}
    return [
        one["trial"]
        for one in inputs
        if one.get("by_machine")
        and one["trial"] in held
        and one["fingerprint"] in ("", held[one["trial"]])
    ]


def why_nothing_is_published(trials: list[str], reason: str) -> str:
    """One sentence for a person. reason: what the machine could not do."""
    names = ", ".join(trials[:3]) + (f" and {len(trials) - 3} more" if len(trials) > 3 else "")
    return (
        f"nothing was published: the last release holds {names} with the same bytes, and now "
        f"{reason}; make room and run `ibgap refresh` again"
    )
