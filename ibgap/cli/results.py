"""`ibgap gap`, `pool` and `effects`: the results of a release as text or data."""

from __future__ import annotations

from typing import Any

import click

from ibgap.cli import exits
from ibgap.cli.common import fail, print_rows, reads_release
from ibgap.cli.terminal import echo


@click.command()
@click.option("--synthesis", default="main", show_default=True, help="Group of trials.")
@click.option("--subset", default="", help="Only this subset, such as 'paired trials'.")
@click.option("--json", "as_json", is_flag=True, help="Print all columns as JSON.")
@reads_release
def gap(release: Any, synthesis: str, subset: str, as_json: bool) -> None:
    """Show the gap: difference, ratio, shortfall, prediction.

    \b
    Example:  ibgap gap --subset "paired trials"
    """
    from dashboard.wording import verdict_of
    from ibgap.cli.answer import answer, release_level
    from ibgap.cli.text_tables import align, interval, number, p_value, whole

    table = release.table("gap_estimates")
    own = table[table["synthesis"] == synthesis]
    if table.empty:
        fail("the release holds no gap: no trial has usable effects", exits.NO_RELEASE)
    if own.empty:
        known = ", ".join(sorted(set(table["synthesis"]))) or "none"
        fail(f"there is no synthesis {synthesis!r} with a gap; known: {known}", exits.USAGE)
    if not subset and not as_json:
        echo(answer(release, synthesis))
        others = sorted(set(own["subset"]) - {"all"})
        if others:
            echo(f"Subsets: {'; '.join(others)} (choose one with --subset)")
        return
    shown = own[own["subset"] == subset] if subset else own
    if shown.empty:
        fail(f"no subset {subset!r}; known: {'; '.join(sorted(set(own['subset'])))}", exits.USAGE)
    rows = shown.to_dict("records")
    head = ["estimand", "estimate", f"{release_level(release)} interval", "p", "pairs", "method",
            "status", "verdict"]  # fmt: skip
    cells = [
        [
            r["estimand"],
            number(r["estimate"]),
            interval(r["ci_lb"], r["ci_ub"], r["interval_kind"]),
            p_value(r["pvalue"]),
            whole(r["k_paired"]),
            r["method"],
            r["status"] if r["status"] == "ok" else f"{r['status']}: {r['reason']}",
            verdict_of(r)[0],
        ]
        for r in rows
    ]
    print_rows(shown, as_json, lambda: "\n".join([align(head, cells), *_without_verdict(rows)]))


def _without_verdict(rows: list[Any]) -> list[str]:
    """Why rows with an estimate have no verdict, each reason once with what it is about."""
    from dashboard.wording import verdict_of

    reasons: dict[str, list[str]] = {}
    for row in rows:
        reason = verdict_of(row)[1]
        if reason and row["status"] == "ok":
            reasons.setdefault(reason, []).append(f"{row['estimand']} ({row['method']})")
    return [f"No verdict on {', '.join(about)}: {why}." for why, about in reasons.items()]


@click.command()
@click.option("--synthesis", default="", help="Group of trials (all by default).")
@click.option("--construct", default="", help="For example intention or behavior.")
@click.option("--subset", default="all", show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Print all columns as JSON.")
@reads_release
def pool(release: Any, synthesis: str, construct: str, subset: str, as_json: bool) -> None:
    """Show pooled effects with intervals and heterogeneity.

    \b
    Example:  ibgap pool --construct behavior
    """
    from ibgap.cli.answer import ci_of, release_level
    from ibgap.cli.text_tables import align, number, p_value, whole

    table, level = release.table("pooled_effects"), release_level(release)
    for column, value in (("synthesis", synthesis), ("construct", construct), ("subset", subset)):
        if value:
            known = sorted(set(table[column]))
            if value not in known:
                fail(f"no {column} {value!r}; known: {'; '.join(known)}", exits.USAGE)
            table = table[table[column] == value]
    print_rows(
        table,
        as_json,
        lambda: align(
            [
                "synthesis",
                "construct",
                "measure",
                "model",
                "k",
                "effects",
                "estimate",
                f"{level} CI",
                f"{level} prediction",
                "p",
                "tau2",
                "I2",
            ],
            [
                [
                    r["synthesis"],
                    r["construct"],
                    r["measure"],
                    r["model"].replace("_", " "),
                    whole(r["k_trials"]),
                    whole(r["k_effects"]),
                    number(r["mu"]),
                    ci_of(r),
                    ci_of(r, "pi_lb", "pi_ub"),
                    p_value(r["pvalue"]),
                    number(r["tau2"], 3),
                    number(r["i2"], 0),
                ]
                for r in table.to_dict("records")
            ],
            left=4,
        ),
    )


@click.command()
@click.option("--trial", default="", help="Trial id or the beginning of one.")
@click.option("--construct", default="", help="For example intention or behavior.")
@click.option("--all-scales", is_flag=True, help="Also log OR, log RR, RD and MD.")
@click.option("--json", "as_json", is_flag=True, help="Print all columns as JSON.")
@reads_release
def effects(release: Any, trial: str, construct: str, all_scales: bool, as_json: bool) -> None:
    """List effects with their formula; what has no number says why.

    \b
    Example:  ibgap effects --trial burger2022_vaccination
    """
    from ibgap.cli.answer import release_level
    from ibgap.cli.text_tables import align, interval, number

    table, level = release.table("effects"), release_level(release)
    if trial:
        table = table[table["trial_id"].str.startswith(trial)]
    if construct:
        table = table[table["construct"] == construct]
    if not all_scales:
        table = table[table["measure"] == "SMD"]
    if table.empty:
        fail("no effect matches; `ibgap effects` lists them all", exits.USAGE)
    print_rows(
        table,
        as_json,
        lambda: align(
            ["effect", "construct", "estimate", f"{level} CI", "pooled", "formula or reason"],
            [
                [
                    r["effect_id"],
                    r["construct"],
                    number(r["yi"]),
                    interval(r["ci_lb"], r["ci_ub"]),
                    "yes" if r["in_pool"] else "no",
                    r["formula"] if not r["reason"] else r["reason"],
                ]
                for r in table.to_dict("records")
            ],
            left=2,
        ),
    )
