"""The Dagster entrance named in workspace.yaml; nothing but the definitions."""

from pipelines.build import build_definitions

defs = build_definitions()
