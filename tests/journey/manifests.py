"""Manifests as values, without a folder."""

from __future__ import annotations

from typing import Any

from validations.manifest.model import TrialManifest


def outcome(name: str, construct: str, *, scale: str = "continuous", **more: Any) -> dict[str, Any]:
    return {
        "id": name, "construct": construct, "scale": {"type": scale}, "higher_is_better": True
    } | more  # fmt: skip


def manifest(arms: dict[str, str] | None = None, name: str = "t", **more: Any) -> TrialManifest:
    """A valid manifest. arms: id -> role."""
    return TrialManifest.model_validate(
        {
            "ibgap": 1,
            "id": name,
            "label": f"{name.title()} 2020",
            "design": {"type": "parallel"},
            "arms": [{"id": a, "role": r} for a, r in (arms or {}).items()],
            "sources": [
                {"id": "s", "kind": "reported_effects", "file": "a.csv",
                 "blocks": [{"outcome": "outcome", "value": "value"}]}
            ],
            "outcomes": [outcome("i", "intention"), outcome("b", "behavior")],
            "provenance": {"citation": "c", "source": "s", "license": "CC0"},
        }
        | more
    )  # fmt: skip
