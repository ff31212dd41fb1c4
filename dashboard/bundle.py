"""Everything behind a page in one archive: data, figures, settings, citation, a script."""

from __future__ import annotations

import io
import zipfile
from dataclasses import replace

import pandas as pd

from dashboard.api import meta
from dashboard.citation import release_bibtex, release_citation
from dashboard.context import Page
from dashboard.files import to_csv, to_json
from dashboard.pages import FIGURES
from dashboard.query import to_query
from dashboard.wording import primary_name
from ibgap.releases.view import Row

_STAMP = (1980, 1, 1, 0, 0, 0)
_FIGURES = ("forest", "gap", "grid", "specifications")
_READ_ME = """{citation}

Selection: {selection}
Address:   {permalink}

effects.csv, covariances.csv, pairs.csv   what was pooled (published numbers)
pooled.csv, gap.csv                       the results, unrounded
settings.json                             release, settings and selection
codebook.csv                              what every column means
figures/                                  figures as SVG
pool_again.py                             pools again and compares: python pool_again.py
citation.bib                              for reference managers
"""

_SCRIPT = '''"""Pools the effects of this folder again with the ibgap library and compares results.

Needs the package ibgap (its library `analysis`). Run: python pool_again.py
"""

import csv
import json
from pathlib import Path

from analysis.synthesis import AnalysisSettings, Stack
from analysis.synthesis.gap_estimates import (
    gap_subset, share_assumed, try_joint_model, within_arm_slope,
)
from analysis.synthesis.pooled_effects import pool_subset

HERE = Path(__file__).parent


def number(text):
    try:
        return float(text)
    except ValueError:
        return text


def read(name):
    with (HERE / name).open(newline="", encoding="utf-8") as file:
        return [{k: number(v) if k in NUMBERS else v for k, v in row.items()}
                for row in csv.DictReader(file)]


NUMBERS = {"yi", "vi", "covariance", "rho_within_arm", "rho_latent", "rho_n", "rho_variance",
           "mu", "estimate", "ci_lb", "ci_ub"}
given = json.loads((HERE / "settings.json").read_text(encoding="utf-8"))
names = AnalysisSettings.__dataclass_fields__
settings = AnalysisSettings(**{
    k: tuple(v) if isinstance(v, list) else v for k, v in given["settings"].items() if k in names
})
stack = Stack.from_records(read("effects.csv"), read("covariances.csv"))
if not stack.trials:
    print("The selection holds no effect: there is nothing to pool.")
    raise SystemExit
synthesis, upstream = given["synthesis"], given["upstream"]
pairs = read("pairs.csv")
slope = within_arm_slope(pairs, synthesis, settings)
found = pool_subset(stack, synthesis, "all", settings, upstream, hierarchical=False)
identity = {"synthesis": synthesis, "upstream_construct": upstream, "subset": "all"}
model = try_joint_model(stack, upstream, settings)
found += gap_subset(model, identity, slope, share_assumed(pairs, synthesis), settings)

published = read("pooled.csv") + read("gap.csv")
worst = 0.0
for row in found:
    key = "construct" if "construct" in row else "estimand"
    value = row["mu"] if key == "construct" else row.get("estimate", float("nan"))
    same = [p for p in published if p.get(key) == row[key] and p.get("measure", "SMD") == "SMD"
            and p.get("method", row.get("method")) == row.get("method")
            and p.get("model", row.get("model")) == row.get("model")]
    print(f"{row[key]:<48}{value:>10.4f}   [{row.get('ci_lb', float('nan')):.4f}, "
          f"{row.get('ci_ub', float('nan')):.4f}]")
    for one in same:
        theirs = one["mu"] if key == "construct" else one["estimate"]
        if isinstance(theirs, float):
            worst = max(worst, abs(theirs - value))
print(f"largest difference from the results in this folder: {worst:.1e}")
'''


def make_bundle(page: Page) -> bytes:
    """The archive for a state; the same state and release give the same bytes."""
    stack = page.view.stack(page.state.synthesis)
    name = page.state.synthesis
    pinned = replace(page.state, release=page.release_id)
    permalink = f"?{to_query(pinned)}"
    pairs = page.view.pairs(name)
    pooled = page.view.rows("pooled_effects", synthesis=name, subset="all")
    gaps = page.view.rows("gap_estimates", synthesis=name, subset="all")
    about = meta(page, "filtered", len(stack.trials))
    about |= {"synthesis": name, "upstream": page.upstream}
    files: dict[str, bytes] = {
        "README.txt": _READ_ME.format(
            citation=release_citation(page.base), permalink=permalink,
            selection=primary_name(page.base.protocol) if page.is_primary
            else "exploratory selection",
        ).encode(),
        "effects.csv": _csv([r for t in stack.trials for r in t.records]),
        "covariances.csv": to_csv(pd.DataFrame(_covariances(page), columns=_COVARIANCE_COLUMNS)),
        "pairs.csv": _csv(pairs),
        "pooled.csv": _csv(pooled),
        "gap.csv": _csv(gaps),
        "settings.json": to_json(about),
        "codebook.csv": _csv(page.base.rows("codebook")),
        "citation.bib": release_bibtex(page.base).encode(),
        "pool_again.py": _SCRIPT.encode(),
    }  # fmt: skip
    for figure in _FIGURES:
        made = FIGURES[figure](page)
        if made is not None:
            files[f"figures/{figure}.svg"] = made.standalone().encode()
    return _zip(files, f"ibgap-{page.release_id}")


def _csv(rows: list[Row]) -> bytes:
    return to_csv(pd.DataFrame(rows))


_COVARIANCE_COLUMNS = ["trial_id", "effect_id_1", "effect_id_2", "covariance", "origin"]


def _covariances(page: Page) -> list[Row]:
    """Covariances as they were used, in the long form of the published table."""
    out: list[Row] = []
    for trial in page.view.stack(page.state.synthesis).trials:
        ids = trial.values("effect_id")
        out += [
            {"trial_id": trial["trial_id"], "effect_id_1": ids[j], "effect_id_2": ids[i],
             "covariance": float(trial.covariance[i, j]), "origin": str(trial.origins[i, j])}
            for i in range(len(ids)) for j in range(i)
        ]  # fmt: skip
    return out


def _zip(files: dict[str, bytes], folder: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(zipfile.ZipInfo(f"{folder}/{name}", _STAMP), data,
                             zipfile.ZIP_DEFLATED)  # fmt: skip
    return buffer.getvalue()
