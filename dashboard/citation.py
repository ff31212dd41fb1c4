"""How to cite a release and its sources: as text and as BibTeX."""

from __future__ import annotations

import re
import unicodedata

from dashboard.report_sources import safe_doi
from ibgap.releases.view import ReleaseView, counted

_SPECIAL = {"&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
            "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
            "\\": r"\textbackslash{}"}  # fmt: skip


def release_citation(view: ReleaseView) -> str:
    """One line that names the release and its content."""
    record = view.record
    day = str(record.get("created_at") or "")[:10]
    version = (record.get("packages") or {}).get("ibgap", "")
    return (
        f"ibgap (version {version}). The intention-behavior gap across intervention trials, "
        f"release {record['release_id']} of {day}, content hash "
        f"{str(record.get('content_hash', ''))[:16]}."
    )


def release_bibtex(view: ReleaseView) -> str:
    record = view.record
    fields = {
        "title": "The intention-behavior gap across intervention trials",
        "author": "{ibgap}",
        "year": str(record.get("created_at") or "")[:4],
        "version": str(record["release_id"]),
        "note": f"Content hash {str(record.get('content_hash', ''))[:16]}",
    }
    return _entry("misc", _key(f"ibgap_{record['release_id']}"), fields)


def sources_bibtex(view: ReleaseView) -> str:
    """One entry per trial folder that gives a citation."""
    out: dict[str, str] = {}
    for row in view.rows("trials"):
        folder = str(row["collection_id"])
        if folder in out or not row["citation"]:
            continue
        fields = {"title": _escape(str(row["citation"]))}
        if counted(row["year"]):
            fields["year"] = f"{row['year']:.0f}"
        if safe_doi(str(row["doi"])):
            fields["doi"] = _escape(str(row["doi"]))
        out[folder] = _entry("misc", _key(folder), fields)
    return "\n\n".join(out.values())


def _entry(kind: str, key: str, fields: dict[str, str]) -> str:
    lines = [f"  {name} = {{{value}}}" for name, value in fields.items() if value]
    return f"@{kind}{{{key},\n" + ",\n".join(lines) + "\n}"


def _key(text: str) -> str:
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    return re.sub(r"[^A-Za-z0-9_]+", "_", plain) or "source"


def _escape(text: str) -> str:
    """Text that BibTeX takes literally."""
    return "".join(_SPECIAL.get(c, c) for c in " ".join(text.split()))
