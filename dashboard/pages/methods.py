"""Methods, words, columns, sources and how to cite."""

from __future__ import annotations

from dashboard import report_sources as sources
from dashboard.blocks import Block, Code, Details, Section, Table, columns
from dashboard.citation import release_bibtex, release_citation, sources_bibtex
from dashboard.context import Page
from ibgap.releases.view import plural


def sections(page: Page) -> list[Section]:
    view = page.view
    cite: list[Block] = [
        Code("To cite these results", release_citation(page.base)),
        Code("BibTeX of the release", release_bibtex(page.base)),
        Details("BibTeX of the sources", (Code("Sources", sources_bibtex(page.base)),)),
    ]
    return [
        sources.methods_section(view), Section("cite", "How to cite", tuple(cite)),
        sources.glossary_section(), _codebook(page), sources.citations_section(page.base),
    ]  # fmt: skip


def _codebook(page: Page) -> Section:
    rows = page.base.rows("codebook")
    names = list(dict.fromkeys(str(r["table_name"]) for r in rows))
    head = columns("Column | Kind | Unit | Meaning", wide=("Meaning",), texts=("Kind", "Unit"))
    blocks: list[Block] = []
    for name in names:
        own = [r for r in rows if r["table_name"] == name]
        cells = ("column_name", "column_kind", "unit", "meaning")
        table = Table(name, head, tuple(tuple(str(r[c]) for c in cells) for r in own))
        blocks.append(Details(f"{name}: {plural(len(own), 'column')}", (table,)))
    return Section("codebook", "Codebook of the published tables", tuple(blocks))
