"""Faults of data files and manifests. Each function gives the files of a draft with the fault in
them, or None where the draft has nothing that could have it."""

from __future__ import annotations

from dataclasses import replace

from ibgap.simulation.draft import Draft
from ibgap.simulation.manifests import UPSTREAM

Files = dict[str, bytes]
MANIFEST = "trial.yaml"
_FOREIGN = "Zürich"


def file_missing(draft: Draft) -> Files:
    return {MANIFEST: draft.files()[MANIFEST]}


def header_missing(draft: Draft) -> Files | None:
    if not draft.is_text or draft.kind != "participant_rows":
        return None
    files = draft.files()
    return files | {draft.file: files[draft.file].split(b"\n", 1)[1]}


def encoding_wrong(draft: Draft) -> Files | None:
    """A column that nobody asks for holds a name that is not ASCII, in latin-1."""
    if not draft.is_text:
        return None
    columns = {**draft.table.columns, "place": [_FOREIGN] * len(draft.table.rows)}
    return draft.with_table(replace(draft.table, columns=columns, encoding="latin-1")).files()


def delimiter_wrong(draft: Draft) -> Files | None:
    if not draft.file.endswith(".csv"):
        return None
    return draft.with_table(replace(draft.table, delimiter=";")).files()


def row_ragged(draft: Draft) -> Files | None:
    if not draft.is_text:
        return None
    files = draft.files()
    lines = files[draft.file].split(b"\n")
    lines[1] += draft.table.delimiter.encode() + b"1"
    return files | {draft.file: b"\n".join(lines)}


def column_renamed(draft: Draft) -> Files | None:
    """One of several that the manifest names, so that the header is still seen to be one."""
    named = {"participant_rows": UPSTREAM, "correlations": "r", "barrier_codings": "passages"}
    old = named.get(draft.kind)
    if old not in draft.table.columns:
        return None
    columns = {("col_" + n if n == old else n): c for n, c in draft.table.columns.items()}
    return draft.with_table(draft.table.having(columns)).files()


def bracket_open(draft: Draft) -> Files:
    files = draft.files()
    text = files[MANIFEST].decode()
    return files | {MANIFEST: text.replace("design: {", "design: {{[", 1).encode()}


def manifest_missing(draft: Draft) -> Files:
    return {name: content for name, content in draft.files().items() if name != MANIFEST}


def unknown_key(draft: Draft) -> Files:
    manifest = {("lable" if k == "label" else k): v for k, v in draft.manifest.items()}
    return replace(draft, manifest=manifest).files()


def origin_missing(draft: Draft) -> Files:
    manifest = {k: v for k, v in draft.manifest.items() if k != "provenance"}
    return replace(draft, manifest=manifest).files()


def design_misspelled(draft: Draft) -> Files:
    return draft.with_manifest(design={**draft.manifest["design"], "type": "paralel"}).files()


def other_id(draft: Draft) -> Files:
    return draft.with_manifest(id=f"{draft.manifest['id']}b").files()
