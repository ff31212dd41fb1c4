"""Faults that reporting makes, planted one at a time, each with the finding it must lead to."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from math import log
from typing import Any

from ibgap.simulation.design import Random, one_of
from ibgap.simulation.draft import Draft, Table
from ibgap.simulation.manifests import UPSTREAM
from ibgap.simulation.one_trial import MISSING_CODE
from ibgap.simulation.plan import Plan
from ibgap.simulation.truth import PlantedDefect

Files = dict[str, bytes]


@dataclass(frozen=True)
class Defect:
    """what: in a person's words. rules: of the findings it leads to. plant: the files with the
    fault in them, or None where the folder has nothing that could have it."""

    what: str
    rules: tuple[str, ...]
    plant: Callable[[Random, Draft], Files | None]


def plant(
    random: Random, draft: Draft, plan: Plan, names: tuple[str, ...] = ()
) -> tuple[Files, PlantedDefect | None]:
    """The files of a draft with a fault that it can have (of those named, else of all)."""
    known = list(names or DEFECTS)
    while known:
        name = one_of(random, known)
        known.remove(name)
        files = DEFECTS[name].plant(random, draft)
        if files is not None and not (name == "direction_reversed" and _weak(plan)):
            return files, PlantedDefect(name, DEFECTS[name].what, DEFECTS[name].rules)
    return draft.files(), None


def _weak(plan: Plan) -> bool:
    """Whether intention and behavior go together too weakly for a reversed one to show."""
    return plan.within_arm_correlation < 0.35 or plan.persons[0] < 200


def _source(draft: Draft) -> dict[str, Any]:
    return dict(draft.manifest["sources"][0])


def _kind(draft: Draft) -> str:
    return str(_source(draft)["kind"])


def _only(draft: Draft) -> tuple[str, Table]:
    return next(iter(draft.tables.items()))


def _is_text(name: str) -> bool:
    return name.endswith((".csv", ".tsv"))


def _with_table(draft: Draft, table: Table) -> Draft:
    return replace(draft, tables={_only(draft)[0]: table})


def _with_manifest(draft: Draft, **changed: Any) -> Draft:
    return replace(draft, manifest={**draft.manifest, **changed})


def _outcome(draft: Draft, name: str) -> dict[str, Any]:
    return next(dict(o) for o in draft.manifest["outcomes"] if o["id"] == name)


def _first_filled(table: Table, column: str) -> int | None:
    cells = table.columns.get(column, [])
    return next((i for i, cell in enumerate(cells) if cell not in (None, MISSING_CODE)), None)


# --- files ---------------------------------------------------------------------------------------


def _file_missing(random: Random, draft: Draft) -> Files:
    return {n: c for n, c in draft.files().items() if n == "trial.yaml"}


def _header_missing(random: Random, draft: Draft) -> Files | None:
    name, _ = _only(draft)
    if not _is_text(name) or _kind(draft) != "participant_rows":
        return None
    files = draft.files()
    return files | {name: files[name].split(b"\n", 1)[1]}


def _encoding_wrong(random: Random, draft: Draft) -> Files | None:
    name, table = _only(draft)
    if not _is_text(name):
        return None
    n = len(next(iter(table.columns.values())))
    columns = {**table.columns, "place": ["Zürich"] * n}
    return _with_table(draft, replace(table, columns=columns, encoding="latin-1")).files()


def _delimiter_wrong(random: Random, draft: Draft) -> Files | None:
    name, table = _only(draft)
    if not name.endswith(".csv"):
        return None
    return _with_table(draft, replace(table, delimiter=";")).files()


def _row_ragged(random: Random, draft: Draft) -> Files | None:
    name, table = _only(draft)
    if not _is_text(name):
        return None
    files = draft.files()
    lines = files[name].split(b"\n")
    lines[1] += table.delimiter.encode() + b"1"
    return files | {name: b"\n".join(lines)}


def _column_renamed(random: Random, draft: Draft) -> Files | None:
    """One of several that the manifest names, so that the header is still seen to be one."""
    _, table = _only(draft)
    column = {"participant_rows": UPSTREAM, "correlations": "r", "barrier_codings": "passages"}
    old = column.get(_kind(draft))
    if old not in table.columns:
        return None
    renamed = {("col_" + n if n == old else n): cells for n, cells in table.columns.items()}
    return _with_table(draft, table.having(renamed)).files()


# --- manifests -----------------------------------------------------------------------------------


def _bracket_open(random: Random, draft: Draft) -> Files:
    files = draft.files()
    text = files["trial.yaml"].decode()
    return files | {"trial.yaml": text.replace("design: {", "design: {{[", 1).encode()}


def _manifest_missing(random: Random, draft: Draft) -> Files:
    return {name: c for name, c in draft.files().items() if name != "trial.yaml"}


def _unknown_key(random: Random, draft: Draft) -> Files:
    manifest = {("lable" if k == "label" else k): v for k, v in draft.manifest.items()}
    return replace(draft, manifest=manifest).files()


def _origin_missing(random: Random, draft: Draft) -> Files:
    manifest = {k: v for k, v in draft.manifest.items() if k != "provenance"}
    return replace(draft, manifest=manifest).files()


def _design_misspelled(random: Random, draft: Draft) -> Files:
    return _with_manifest(draft, design={**draft.manifest["design"], "type": "paralel"}).files()


def _other_id(random: Random, draft: Draft) -> Files:
    return _with_manifest(draft, id=draft.manifest["id"] + "b").files()


# --- rows ----------------------------------------------------------------------------------------


def _arm_unknown(random: Random, draft: Draft) -> Files | None:
    name, table = _only(draft)
    if _kind(draft) not in ("participant_rows", "arm_summaries") or not _is_text(name):
        return None
    return _with_table(draft, table.with_cell("arm", 0, "group Z")).files()


def _value_out_of_scale(random: Random, draft: Draft) -> Files | None:
    _, table = _only(draft)
    place = _first_filled(table, UPSTREAM)
    if _kind(draft) != "participant_rows" or place is None:
        return None
    top = _outcome(draft, UPSTREAM)["scale"]["max"]
    return _with_table(draft, table.with_cell(UPSTREAM, place, 10 * top + 5)).files()


def _person_twice(random: Random, draft: Draft) -> Files | None:
    _, table = _only(draft)
    if _kind(draft) != "participant_rows":
        return None
    place = _first_filled(table, UPSTREAM) or 0
    doubled = {n: [*cells, cells[place]] for n, cells in table.columns.items()}
    return _with_table(draft, table.having(doubled)).files()


def _number_unreadable(random: Random, draft: Draft) -> Files | None:
    name, table = _only(draft)
    place = _first_filled(table, UPSTREAM)
    if _kind(draft) != "participant_rows" or place is None or not _is_text(name):
        return None
    return _with_table(draft, table.with_cell(UPSTREAM, place, "4l")).files()


def _neither_yes_nor_no(random: Random, draft: Draft) -> Files | None:
    name, table = _only(draft)
    if _kind(draft) != "participant_rows" or not _is_text(name):
        return None
    for outcome in draft.manifest["outcomes"]:
        place = _first_filled(table, outcome["id"])
        if outcome["scale"]["type"] == "binary" and place is not None:
            return _with_table(draft, table.with_cell(outcome["id"], place, "perhaps")).files()
    return None


def _events_above_n(random: Random, draft: Draft) -> Files | None:
    _, table = _only(draft)
    for column in table.columns:
        if column.endswith("events") and (place := _first_filled(table, column)) is not None:
            n = table.columns[column.removesuffix("events") + "n"][place]
            return _with_table(draft, table.with_cell(column, place, int(n or 0) + 3)).files()
    return None


def _upstream_place(draft: Draft, field: str) -> tuple[str, int] | None:
    """Column and row of a number of the upstream outcome's first arm."""
    _, table = _only(draft)
    if f"{UPSTREAM}_{field}" in table.columns:
        return f"{UPSTREAM}_{field}", 0
    found = _first_filled(table, field)
    named = table.columns.get("outcome", [])
    return (field, found) if found is not None and named[found] == UPSTREAM else None


def _sd_impossible(random: Random, draft: Draft) -> Files | None:
    at = _upstream_place(draft, "sd") if _kind(draft) == "arm_summaries" else None
    if at is None:
        return None
    _, table = _only(draft)
    return _with_table(draft, table.with_cell(*at, float(table.columns[at[0]][at[1]] or 0) * 10)
                       ).files()  # fmt: skip


def _mean_outside(random: Random, draft: Draft) -> Files | None:
    at = _upstream_place(draft, "mean") if _kind(draft) == "arm_summaries" else None
    if at is None:
        return None
    top = _outcome(draft, UPSTREAM)["scale"]["max"]
    return _with_table(draft, _only(draft)[1].with_cell(*at, top * 2.0)).files()


def _error_as_sd(random: Random, draft: Draft) -> Files | None:
    """Where the difference of means is large enough for the effect to be held."""
    at = _upstream_place(draft, "sd") if _kind(draft) == "arm_summaries" else None
    if at is None:
        return None
    _, table = _only(draft)
    column, first = at
    wide = column != "sd"
    names = {f: column.removesuffix("sd") + f for f in ("n", "mean")}
    arms = len(draft.manifest["arms"])
    rows = range(first, first + arms)
    errors = {r: float(table.columns[column][r] or 0) / float(table.columns[names["n"]][r] or 1)
              ** 0.5 for r in rows}  # fmt: skip
    means = [float(table.columns[names["mean"]][r] or 0) for r in rows]
    treated = [a["role"] == "experimental" for a in draft.manifest["arms"]]
    control = means[0]
    sizes = [abs(m - control) / max(errors.values())
             for m, t in zip(means, treated, strict=True) if t]  # fmt: skip
    if max(sizes) < 2.5 or (not wide and len(table.columns["arm"]) < arms):
        return None
    for row, error in errors.items():
        table = table.with_cell(column, row, round(error, 4))
    return _with_table(draft, table).files()


def _printed_row(draft: Draft, *names: str) -> int | None:
    """The first row of printed effects with one of these statistics and an interval."""
    _, table = _only(draft)
    if _kind(draft) != "reported_effects" or "ci_lb" not in table.columns:
        return None
    pairs = zip(table.columns.get("statistic", []), table.columns["ci_lb"], strict=False)
    return next((i for i, (s, low) in enumerate(pairs) if s in names and low is not None), None)


def _limits_swapped(random: Random, draft: Draft) -> Files | None:
    row = _printed_row(draft, "g", "OR", "RR", "RD")
    if row is None:
        return None
    _, table = _only(draft)
    low, high = table.columns["ci_lb"][row], table.columns["ci_ub"][row]
    return _with_table(draft, table.with_cell("ci_lb", row, high).with_cell("ci_ub", row, low)
                       ).files()  # fmt: skip


def _value_outside_limits(random: Random, draft: Draft) -> Files | None:
    row = _printed_row(draft, "g", "OR", "RR", "RD")
    if row is None:
        return None
    _, table = _only(draft)
    above = round(float(table.columns["ci_ub"][row] or 0) + 0.2, 3)
    return _with_table(draft, table.with_cell("value", row, above)).files()


def _ratio_as_logarithm(random: Random, draft: Draft) -> Files | None:
    row = _printed_row(draft, "OR", "RR")
    if row is None:
        return None
    _, table = _only(draft)
    fields = ("value", "ci_lb", "ci_ub")
    logs = {f: round(log(float(table.columns[f][row] or 1)), 3) for f in fields}
    if min(logs.values()) >= 0:
        return None
    for field, value in logs.items():
        table = table.with_cell(field, row, value)
    return _with_table(draft, table).files()


# --- across numbers ------------------------------------------------------------------------------


def _turned(draft: Draft, name: str) -> Files:
    outcomes = [
        {**o, "higher_is_better": not o["higher_is_better"]} if o["id"] == name else o
        for o in draft.manifest["outcomes"]
    ]
    return _with_manifest(draft, outcomes=outcomes).files()


def _direction_reversed(random: Random, draft: Draft) -> Files | None:
    return _turned(draft, UPSTREAM) if _kind(draft) == "participant_rows" else None


def _direction_contradicted(random: Random, draft: Draft) -> Files | None:
    _, table = _only(draft)
    if _kind(draft) != "reported_effects" or "favors" not in table.columns:
        return None
    columns: Mapping[str, list[Any]] = table.columns
    told = zip(columns["statistic"], columns["favors"], columns["outcome"], columns["value"],
               strict=True)  # fmt: skip
    for statistic, favors, outcome, value in told:
        if favors and statistic not in ("F", "p") and value:
            return _turned(draft, outcome)
    return None


def _clusters_untold(random: Random, draft: Draft) -> Files | None:
    design = draft.manifest.get("design", {})
    if "icc" not in design:
        return None
    kept = {k: v for k, v in design.items() if k not in ("icc", "mean_cluster_size")}
    return _with_manifest(draft, design=kept).files()


def _more_analyzed(random: Random, draft: Draft) -> Files | None:
    arms = draft.manifest.get("arms", [])
    if _kind(draft) not in ("participant_rows", "arm_summaries"):
        return None
    if not all("n_randomized" in arm for arm in arms):
        return None
    halved = [{**arm, "n_randomized": arm["n_randomized"] // 2} for arm in arms]
    return _with_manifest(draft, arms=halved).files()


DEFECTS: dict[str, Defect] = {
    "file_missing": Defect("the data file is not there", ("file_missing",), _file_missing),
    "header_missing": Defect("the first line is no header", ("header_missing",), _header_missing),
    "encoding_wrong": Defect("the file is latin-1", ("encoding_wrong",), _encoding_wrong),
    "delimiter_wrong": Defect("cells end at semicolons", ("delimiter_wrong",), _delimiter_wrong),
    "row_ragged": Defect("a row has a cell too many", ("file_ragged",), _row_ragged),
    "column_renamed": Defect("a column has another name", ("column_missing",), _column_renamed),
    "bracket_open": Defect("a bracket stays open", ("manifest_not_yaml",), _bracket_open),
    "manifest_missing": Defect("no trial.yaml", ("manifest_missing",), _manifest_missing),
    "unknown_key": Defect("lable for label", ("manifest_unknown_key",), _unknown_key),
    "origin_missing": Defect("no provenance", ("manifest_missing_key",), _origin_missing),
    "design_misspelled": Defect("paralel", ("manifest_wrong_value",), _design_misspelled),
    "other_id": Defect("the id is not the folder's", ("manifest_id_is_folder",), _other_id),
    "arm_unknown": Defect("a text that is no arm", ("arm_declared",), _arm_unknown),
    "value_out_of_scale": Defect("a score above the scale", ("value_within_scale",),
                                 _value_out_of_scale),
    "person_twice": Defect("a person stands twice", ("row_unique",), _person_twice),
    "number_unreadable": Defect("a letter in a number", ("number_readable",), _number_unreadable),
    "neither_yes_nor_no": Defect("perhaps", ("value_yes_or_no",), _neither_yes_nor_no),
    "events_above_n": Defect("more events than persons", ("events_within_n",), _events_above_n),
    "sd_impossible": Defect("an SD ten times as large", ("sd_possible_on_scale",), _sd_impossible),
    "mean_outside": Defect("a mean above the scale", ("mean_within_scale",), _mean_outside),
    "error_as_sd": Defect("standard errors given as SDs", ("effect_implausibly_large",),
                          _error_as_sd),
    "limits_swapped": Defect("lower and upper limit swapped", ("limits_in_order",),
                             _limits_swapped),
    "value_outside_limits": Defect("a misprinted value", ("value_within_limits",),
                                   _value_outside_limits),
    "ratio_as_logarithm": Defect("a log odds ratio given as the ratio", ("ratio_above_zero",),
                                 _ratio_as_logarithm),
    "direction_reversed": Defect("higher_is_better is wrong", ("direction_doubtful",),
                                 _direction_reversed),
    "direction_contradicted": Defect("higher_is_better against the report",
                                     ("direction_contradicted",), _direction_contradicted),
    "clusters_untold": Defect("a cluster trial without ICC", ("clustering_unaccounted",),
                              _clusters_untold),
    "more_analyzed": Defect("more analyzed than randomized", ("analyzed_more_than_randomized",),
                            _more_analyzed),
}  # fmt: skip
