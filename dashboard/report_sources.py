"""The head of the report, and sections on methods, sources and terms."""

from __future__ import annotations

import math
import re
from collections import Counter

from dashboard.blocks import (
    Block,
    Citation,
    Citations,
    Paragraph,
    Section,
    Terms,
)
from dashboard.wording import ESTIMANDS
from ibgap.figures.text import number, percent, whole
from ibgap.releases.view import ReleaseView, capital, counted, plural, words

_KINDS = {
    "participant_rows": "participant rows",
    "arm_summaries": "arm summaries",
    "reported_effects": "reported effects",
    "correlations": "correlations",
    "intention_by_action": "tables of intention by action",
    "barrier_codings": "barrier codings",
}
_DOI = re.compile(r"10\.\d{4,9}/[^\s<>\"'{}|\\^`]+")


def made_from(view: ReleaseView) -> str:
    """What the release was made from, in counts."""
    trials = view.rows("trials")
    used = [t for t in trials if counted(t["k_in_pool"]) > 0]
    effects = view.rows("effects")
    pooled = sum(e["in_pool"] is True for e in effects)
    checks = view.record.get("checks") or {}
    accepted = [
        f"{whole(c['accepted'])} {_KINDS.get(kind, words(kind))}"
        for kind, c in checks.items()
        if c.get("accepted")
    ]
    rejected = sum(c.get("rejected", 0) for c in checks.values())
    text = (
        f"Made from {plural(len(view.record.get('inputs') or []), 'trial folder')} with "
        f"{plural(len(trials), 'trial')}; {whole(len(used))} of them give {whole(pooled)} effects "
        f"in the pools."
    )
    if accepted:
        text += f" Rows read: {', '.join(accepted)}; {plural(rejected, 'row')} rejected."
    return text


def methods_section(view: ReleaseView) -> Section:
    """A methods paragraph from the settings of the release, and the software."""
    from dashboard.methods import methods_paragraphs

    blocks: list[Block] = [Paragraph(text) for text in methods_paragraphs(view.settings)]
    packages = view.record.get("packages") or {}
    if packages:
        listed = ", ".join(f"{name} {number_}" for name, number_ in packages.items())
        blocks.append(
            Paragraph(
                f"Software: {listed}. Seed {view.record.get('seed', 'none')}; content hash "
                f"{str(view.record.get('content_hash', ''))[:16]}. The release can be recomputed "
                "from the inputs listed in its record."
            )
        )
    return Section("methods", "Methods", tuple(blocks))


def citations_section(view: ReleaseView) -> Section:
    """Sources of the data with DOI and license, one per trial folder."""
    seen: dict[str, Citation] = {}
    sizes = Counter(r["collection_id"] for r in view.rows("trials"))
    for row in view.rows("trials"):
        collection = row["collection_id"]
        if collection in seen or not (row["citation"] or row["doi"] or row["source"]):
            continue
        label = (
            row["label"]
            if sizes[collection] == 1
            else (f"{collection} ({plural(sizes[collection], 'trial')})")
        )
        seen[collection] = Citation(
            label, row["citation"], safe_doi(row["doi"]), row["license"], row["source"]
        )
    if not seen:
        return Section("sources", "Sources", (Paragraph("No trial names its source."),))
    ordered = sorted(seen.values(), key=lambda c: (c.text or c.label).casefold())
    return Section("sources", "Sources", (Citations(tuple(ordered)),))


def safe_doi(doi: str) -> str:
    """The DOI when it is well formed, else an empty text (it becomes part of a link)."""
    return doi if _DOI.fullmatch(doi) else ""


def glossary_section() -> Section:
    items = [
        (name, f"{capital(meaning.format(up='intention'))}. No gap: {none}.")
        for name, meaning, none in ESTIMANDS.values()
    ]
    items += [
        (
            "Action-control gap",
            "Share of those who intend to act and do not: 1 minus P(act, of "
            f"those who intend). No gap: {percent(0)}.",
        ),
        (
            "Trial-level slope",
            "Change of the true behavior effect of a trial per unit of its true "
            "effect on intention.",
        ),
        (
            "Surrogate threshold effect",
            "Smallest effect on intention whose prediction interval for "
            "the behavior effect lies above the target.",
        ),
        (
            "g",
            "Standardized mean difference with small-sample correction; positive means as the "
            "intervention intends.",
        ),
        (
            "CI, prediction interval",
            "Where the average effect may lie; where the true effect of a "
            "new trial of this kind may lie.",
        ),
        (
            "\u03c4\u00b2, I\u00b2",
            "Variance of true effects between trials; share of the observed "
            "variation that sampling error does not explain.",
        ),
        (
            "Fieller set",
            "Confidence set of a ratio. Without a clear denominator it is unbounded: "
            "two rays, or every value.",
        ),
        (
            "CR2",
            "Variance that stays valid when effects of one trial depend on each other in "
            "unknown ways, with small-sample degrees of freedom.",
        ),
        ("Composite", "Precision-weighted mean of the effects of one trial on one outcome."),
    ]
    return Section("glossary", "Glossary", (Terms(tuple(items)),))


def release_line(view: ReleaseView) -> tuple[tuple[str, str], ...]:
    """Release, date and schema version for the head of the report."""
    record = view.record
    created = str(record.get("created_at") or "")
    day, _, clock = created.partition("T")
    shown = f"{day} {clock[:5]} UTC".strip() if created else "not recorded"
    return (
        ("Release", str(record.get("release_id") or "not recorded")),
        ("Made", shown),
        ("Tables", f"version {record.get('schema_version', number(math.nan))}"),
    )
