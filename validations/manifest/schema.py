"""The JSON Schema of the manifest, for editors that complete and check YAML."""

from __future__ import annotations

import json
from typing import Any

from validations.manifest.model import TrialManifest


def manifest_json_schema() -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of `trial.yaml` with a description for every field."""
    schema = TrialManifest.model_json_schema()
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["title"] = "ibgap trial manifest"
    return schema


def manifest_json_schema_text() -> str:
    return json.dumps(manifest_json_schema(), indent=2, sort_keys=True) + "\n"
