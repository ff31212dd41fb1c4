"""The trial manifest `trial.yaml`: its types, how it is read, and its JSON Schema."""

from validations.manifest.load import MANIFEST_NAME, load_manifest
from validations.manifest.model import TrialManifest
from validations.manifest.schema import manifest_json_schema

__all__ = ["MANIFEST_NAME", "TrialManifest", "load_manifest", "manifest_json_schema"]
