"""From an effect to the file rows, formula and rules behind it, and the pools it is in."""

from __future__ import annotations

import difflib
from typing import Any

import pandas as pd

from dashboard.file_accounts import account_lines
from ibgap.cli.answer import ci_of
from ibgap.cli.text_tables import MISSING, interval, number, whole
from ibgap.releases.reader import ReleaseFiles


class UnknownEffectError(Exception):
    """No effect has this id."""


def _known(value: Any) -> bool:
    return value is not None and value == value and value != ""


def explain(release: ReleaseFiles, effect_id: str) -> str:
    """A page of text about one effect. Raises `UnknownEffectError` with near matches."""
    effects = release.table("effects").set_index("effect_id", drop=False)
    if effect_id not in effects.index:
        near = difflib.get_close_matches(effect_id, list(effects.index), n=3, cutoff=0.3)
        hint = f"; near: {', '.join(near)}" if near else ""
        raise UnknownEffectError(
            f"there is no effect {effect_id!r}{hint}; `ibgap effects` lists all"
        )
    effect = effects.loc[effect_id].to_dict()
    outcome = _outcome(release, str(effect["outcome_row_id"]))
    trials = release.table("trials").set_index("trial_id")
    trial = trials.loc[effect["trial_id"]].to_dict()
    sections = [
        _effect_section(effect),
        "\n".join([_data_section(effect, outcome), *_file_lines(release, effect)]),
        _trial_section(trial),
        _findings_section(release, effect),
        _pool_section(release, effect),
    ]
    return "\n\n".join(section for section in sections if section)


def _outcome(release: ReleaseFiles, row_id: str) -> dict[str, Any]:
    for name in ("intention_outcomes", "behavior_outcomes", "upstream_outcomes"):
        table = release.table(name)
        found = table[table["outcome_row_id"] == row_id]
        if len(found):
            row: dict[str, Any] = found.iloc[0].to_dict()
            return row
    return {}


def _effect_section(effect: dict[str, Any]) -> str:
    lines = [
        f"{effect['effect_id']}",
        f"  effect      {number(effect['yi'], 4)} "
        f"{interval(effect['ci_lb'], effect['ci_ub'], digits=4)}"
        f"  variance {number(effect['vi'], 6)}  ({effect['measure']})",
        f"  formula     {effect['formula'] or MISSING}",
        "  direction   "
        + (
            "turned: lower is better on this outcome"
            if effect["turned"]
            else "as found: higher is better on this outcome"
        ),
        "  pooled      " + ("yes" if effect["in_pool"] else f"no{_why(effect)}"),
    ]
    if effect["withheld"]:
        lines.append(f"  disclosure  {effect['withheld']}")
    return "\n".join(lines)


def _why(effect: dict[str, Any]) -> str:
    if effect["reason"]:
        return f": {effect['reason']}"
    if effect["measure"] != "SMD":
        return ": pools use the common scale (SMD); this one is shown on its natural scale"
    return "" if effect["primary"] else ": the manifest marks the outcome as not primary"


def _data_section(effect: dict[str, Any], outcome: dict[str, Any]) -> str:
    lines = [
        f"From {effect['file']}, rows {effect['rows']} ({effect['basis'].replace('_', ' ')})",
        f"  outcome     {effect['outcome_label']} ({effect['construct']}), "
        f"week {whole(effect['weeks'])}, "
        f"{effect['measured_by'].replace('_', ' ')}, {effect['analysis_set'].replace('_', ' ')}",
        f"  comparison  {effect['intervention_arm']} against {effect['comparator_arm']}",
    ]
    for arm, suffix in (("intervention", "1"), ("comparator", "2")):
        parts = [
            f"{name} {number(outcome.get(key), digits)}"
            for name, key, digits in (
                ("n", f"n{suffix}", 0),
                ("mean", f"m{suffix}", 3),
                ("SD", f"sd{suffix}", 3),
                ("events", f"events{suffix}", 0),
            )
            if _known(outcome.get(key))
        ]
        if parts:
            lines.append(f"  {arm:<14}{', '.join(parts)}")
    printed = [
        f"{key.removeprefix('reported_')} {number(value, 4)}"
        for key, value in outcome.items()
        if key.startswith("reported_") and key != "reported_statistic" and _known(value)
    ]
    if printed:
        lines.append(
            f"  reported    {outcome['reported_statistic']}: {', '.join(printed)}"
            + (f" ({outcome['favors']})" if outcome["favors"] else "")
        )
    if outcome and outcome["design_effect"] != 1.0:
        lines.append(f"  clustering  design effect {number(outcome['design_effect'], 3)}")
    return "\n".join(lines)


def _file_lines(release: ReleaseFiles, effect: dict[str, Any]) -> list[str]:
    """How the files that the effect is made from were read; none in a release that does not say."""
    if "files_read" not in (release.record.get("counts") or {}):
        return []
    table = release.table("files_read")
    files = table[table["collection_id"] == effect["collection_id"]].to_dict("records")
    own = [file for file in files if file["file"] in str(effect["file"]).split(", ")]
    lines = [line for file in own for line in account_lines(file, files)]
    return [f"  {'file' if i == 0 else '':<12}{line}" for i, line in enumerate(lines)]


def _trial_section(trial: dict[str, Any]) -> str:
    lines = [f"Trial {trial['label']}: {trial['citation']}"]
    lines += [f"  {name:<12}{trial[name]}" for name in ("doi", "source", "license") if trial[name]]
    return "\n".join(lines)


def _findings_section(release: ReleaseFiles, effect: dict[str, Any]) -> str:
    table = release.table("findings")
    own = table[
        (table["subject"] == effect["outcome_row_id"])
        | (
            (table["subject"] == "")
            & table["trial_id"].isin([effect["trial_id"], effect["collection_id"]])
        )
    ]
    rows = [f"  {r['severity']}: {r['message']}" for r in own.to_dict("records")]
    return "\n".join(["Findings about it", *rows]) if rows else "No finding concerns it."


def _pool_section(release: ReleaseFiles, effect: dict[str, Any]) -> str:
    if not effect["in_pool"]:
        return ""
    pairs = release.table("paired_effects")
    own = pairs[
        (pairs["upstream_effect_id"] == effect["effect_id"])
        | (pairs["behavior_effect_id"] == effect["effect_id"])
    ]
    lines = [f"In the pools of synthesis {effect['synthesis']}"]
    pooled = release.table("pooled_effects")
    lines += [_pool_line(row) for row in _pools_of(pooled, effect).to_dict("records")]
    for row in own.to_dict("records"):
        other = "behavior" if row["upstream_effect_id"] == effect["effect_id"] else "upstream"
        lines.append(
            f"  paired with {row[f'{other}_effect_id']}: within-arm correlation "
            f"{number(row['rho_within_arm'])} ({row['rho_origin'].replace('_', ' ')})"
        )
    return "\n".join(lines)


def _pools_of(pooled: pd.DataFrame, effect: dict[str, Any]) -> pd.DataFrame:
    keep = (
        (pooled["synthesis"] == effect["synthesis"])
        & (pooled["construct"] == effect["construct"])
        & (pooled["measure"] == effect["measure"])
        & pooled["is_primary"].fillna(False).astype(bool)
        & pooled["subset"].isin(
            ["all", f"topic: {effect['topic']}", f"collection: {effect['collection_id']}"]
        )
    )
    return pooled[keep]


def _pool_line(row: dict[str, Any]) -> str:
    return (
        f"  {row['construct']}, {row['subset']}: {number(row['mu'])} "
        f"{ci_of(row)} over {row['k_trials']} trials"
    )
