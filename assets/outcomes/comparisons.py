"""Which arms a manifest sets against each other, and which two a printed effect is about."""

from __future__ import annotations

from validations.manifest.crosscheck import COMPARATORS
from validations.manifest.model import TrialManifest


def comparisons_of(manifest: TrialManifest) -> list[tuple[str, str]]:
    """Declared comparisons, else every intervention arm against every comparator arm; in a
    review without declared arms `intervention` against `comparator`."""
    if not manifest.arms:
        return [("intervention", "comparator")]
    if manifest.comparisons:
        return list(dict.fromkeys((c.intervention, c.comparator) for c in manifest.comparisons))
    tested = [arm.id for arm in manifest.arms if arm.role not in COMPARATORS]
    controls = [arm.id for arm in manifest.arms if arm.role in COMPARATORS]
    return [(t, c) for c in controls for t in tested]


def arms_of_row(
    manifest: TrialManifest, intervention: str, comparator: str
) -> tuple[str, str] | None:
    """The two arms of a printed effect that may name one of them or none, None where several
    comparisons are possible. Without declared arms the names stand as they are."""
    if not manifest.arms:
        return intervention, comparator
    if intervention and comparator:
        return intervention, comparator
    possible = [
        pair
        for pair in comparisons_of(manifest)
        if intervention in ("", pair[0]) and comparator in ("", pair[1])
    ]
    return possible[0] if len(possible) == 1 else None
