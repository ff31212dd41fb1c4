"""The `ibgap` command. Heavy imports stay inside the commands, so that help is instant."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

import click

from ibgap.cli import exits
from ibgap.cli.simulate import simulate
from ibgap.cli.terminal import echo, echo_json
from ibgap.cli.verify import verify

_FORMATS = ("csv", "parquet", "xlsx", "metapsy", "metafor")


def _settings() -> Any:
    from pipelines.settings import SettingsError, load_settings

    try:
        return load_settings()
    except SettingsError as error:
        _fail(str(error), exits.USAGE)


def _fail(message: str, code: int) -> None:
    echo(f"ibgap: {message}", err=True)
    sys.exit(code)


def _reads_release(command: Callable[..., None]) -> Callable[..., None]:
    """Give the command the chosen release; say plainly when there is none."""

    @click.option("--release", "release_id", default="current", help="Release id.")
    @wraps(command)
    def wrapped(release_id: str, **options: Any) -> None:
        from ibgap.releases.reader import NoReleaseError, open_release

        try:
            command(open_release(_settings().releases_dir, release_id), **options)
        except NoReleaseError as error:
            _fail(str(error), exits.NO_RELEASE)

    return wrapped


def _print_rows(frame: Any, as_json: bool, text: Callable[[], str]) -> None:
    if as_json:
        echo_json(frame.to_json(orient="records", double_precision=15, indent=1))
    else:
        echo(text())


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="ibgap")
def main() -> None:
    """Quantify the intention-behavior gap across intervention trials.

    \b
    Begin with:
      ibgap refresh              read the trials folder and publish a release
      ibgap gap                  the gap of the current release
      ibgap trial new FILE       draft a manifest for your own data file
    """


main.add_command(simulate)
main.add_command(verify)


@main.command()
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def refresh(as_json: bool) -> None:
    """Read all trial folders and publish a release.

    \b
    Example:  ibgap refresh
    Exit codes: 0 nothing set aside by an error or hold, 4 something was, 3 no release made,
    5 another refresh runs.
    """
    from assets.staging.trial_folders import NoTrialsError
    from ibgap.cli.progress import ProgressLine
    from pipelines.refresh import BusyError, RefreshFailedError
    from pipelines.refresh import refresh as run

    progress = ProgressLine()
    settings = _settings()
    try:
        result = run(settings, progress)
    except NoTrialsError as error:
        _fail(str(error), exits.NO_RELEASE)
    except BusyError as error:
        _fail(str(error), exits.BUSY)
    except RefreshFailedError as error:
        progress.close()
        _fail(f"no release was made: {error}. The last release stays.", exits.NO_RELEASE)
    progress.close()
    _say_result(result, settings, as_json)
    sys.exit(exits.SET_ASIDE if result.set_aside else exits.OK)


def _say_result(result: Any, settings: Any, as_json: bool) -> None:
    from ibgap.cli.answer import answer, others, side_note
    from ibgap.releases.reader import open_release

    if as_json:
        echo_json(
            json.dumps(
                {
                    "release_id": result.release_id,
                    "path": str(result.path),
                    "is_new": result.is_new,
                    "set_aside": result.set_aside,
                    "failed_checks": result.failed_checks,
                },
                indent=1,
            )
        )
        return
    release = open_release(settings.releases_dir, result.release_id)
    echo(answer(release))
    note, more = side_note(release), others(release)
    if note:
        echo(f"Note: {note}. See `ibgap findings`.")
    if more:
        echo(f"Analyzed apart: {', '.join(more)}. See `ibgap pool`.")
    word = "new release" if result.is_new else "nothing changed since release"
    echo(f"\nReport: {_relative(result.path / 'report.html')}  ({word} {result.release_id})")


def _relative(path: Path) -> str:
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)


@main.command()
@click.option("--synthesis", default="main", show_default=True, help="Group of trials.")
@click.option("--subset", default="", help="Only this subset, such as 'paired trials'.")
@click.option("--json", "as_json", is_flag=True, help="Print all columns as JSON.")
@_reads_release
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
        _fail("the release holds no gap: no trial has usable effects", exits.NO_RELEASE)
    if own.empty:
        known = ", ".join(sorted(set(table["synthesis"]))) or "none"
        _fail(f"there is no synthesis {synthesis!r} with a gap; known: {known}", exits.USAGE)
    if not subset and not as_json:
        echo(answer(release, synthesis))
        others = sorted(set(own["subset"]) - {"all"})
        if others:
            echo(f"Subsets: {'; '.join(others)} (choose one with --subset)")
        return
    shown = own[own["subset"] == subset] if subset else own
    if shown.empty:
        _fail(f"no subset {subset!r}; known: {'; '.join(sorted(set(own['subset'])))}", exits.USAGE)
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
    _print_rows(shown, as_json, lambda: "\n".join([align(head, cells), *_without_verdict(rows)]))


def _without_verdict(rows: list[Any]) -> list[str]:
    """Why rows with an estimate have no verdict, each reason once with what it is about."""
    from dashboard.wording import verdict_of

    reasons: dict[str, list[str]] = {}
    for row in rows:
        reason = verdict_of(row)[1]
        if reason and row["status"] == "ok":
            reasons.setdefault(reason, []).append(f"{row['estimand']} ({row['method']})")
    return [f"No verdict on {', '.join(about)}: {why}." for why, about in reasons.items()]


@main.command()
@click.option("--synthesis", default="", help="Group of trials (all by default).")
@click.option("--construct", default="", help="For example intention or behavior.")
@click.option("--subset", default="all", show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Print all columns as JSON.")
@_reads_release
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
                _fail(f"no {column} {value!r}; known: {'; '.join(known)}", exits.USAGE)
            table = table[table[column] == value]
    _print_rows(
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


@main.command()
@click.option("--trial", default="", help="Trial id or the beginning of one.")
@click.option("--construct", default="", help="For example intention or behavior.")
@click.option("--all-scales", is_flag=True, help="Also log OR, log RR, RD and MD.")
@click.option("--json", "as_json", is_flag=True, help="Print all columns as JSON.")
@_reads_release
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
        _fail("no effect matches; `ibgap effects` lists them all", exits.USAGE)
    _print_rows(
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


@main.command()
@click.option("--json", "as_json", is_flag=True, help="Print all columns as JSON.")
@_reads_release
def findings(release: Any, as_json: bool) -> None:
    """List everything wrong or doubtful, with what to do.

    \b
    Example:  ibgap findings
    """
    table = release.table("findings")

    def text() -> str:
        lines = []
        for row in table.to_dict("records"):
            place = ", ".join(
                part
                for part in (
                    row["file"],
                    f"row {row['row']}"
                    if row["row"] == row["row"]
                    and row["row"] is not None
                    and str(row["row"]) != "<NA>"
                    else "",
                    row["column"],
                )
                if part
            )
            status = "" if row["status"] == "open" else f" ({row['status']} by {row['waived_by']})"
            lines.append(
                f"{row['severity'].upper():7} {row['trial_id']} [{place}]{status}: {row['message']}"
            )
            if row["fix"]:
                lines.append(f"        -> {row['fix']}")
        return "\n".join(lines) or "No findings."

    _print_rows(table, as_json, text)


@main.command()
@click.argument("old", required=False, default="")
@click.argument("new", required=False, default="")
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON.")
def diff(old: str, new: str, as_json: bool) -> None:
    """Say what changed between two releases, and what moved the results.

    OLD is by default the release before NEW, NEW the current one.

    \b
    Example:  ibgap diff
    """
    from dashboard.files import to_json
    from ibgap.cli.diff import as_data, as_text, find_changes
    from ibgap.releases.reader import NoReleaseError

    try:
        found = find_changes(_settings().releases_dir, old, new)
    except NoReleaseError as error:
        _fail(str(error), exits.NO_RELEASE)
    if as_json:
        echo_json(to_json(as_data(found)).decode())
    else:
        echo(as_text(found))


@main.command()
@click.argument("effect_id")
@_reads_release
def explain(release: Any, effect_id: str) -> None:
    """Trace an effect to its formula, numbers, file rows, rules and pools.

    \b
    Example:  ibgap explain burger2022_vaccination:benefits_vs_control:vaccinated@15w:SMD
    """
    from ibgap.cli.explain import UnknownEffectError
    from ibgap.cli.explain import explain as trace

    try:
        echo(trace(release, effect_id))
    except UnknownEffectError as error:
        _fail(str(error), exits.USAGE)


@main.command()
@click.option("--format", "form", type=click.Choice(_FORMATS), default="csv", show_default=True)
@click.option("--to", "target", type=click.Path(path_type=Path), required=True, help="New folder.")
@_reads_release
def export(release: Any, form: str, target: Path) -> None:
    """Write the release's tables for other tools.

    \b
    csv, parquet  every table          xlsx     one workbook
    metapsy       Metapsy wide layout  metafor  a table with a runnable R script
    Example:  ibgap export --format metafor --to for_r
    """
    from ibgap.cli.export import ExportError, export_release

    try:
        for path in export_release(release, form, target):
            echo(_relative(path))
    except ExportError as error:
        _fail(str(error), exits.USAGE)


@main.command()
@click.option("--port", default=8377, show_default=True, help="Port.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--allow-remote", is_flag=True, help="Allow an address other machines can reach.")
@click.option(
    "--allowed-host", "hosts", multiple=True, help="Name readers use for this server; repeatable."
)
@click.option(
    "--frame-origin", "frames", multiple=True, help="Origin that may show pages in a frame."
)
@click.option("--root-path", default="", help="Prefix under which a proxy serves the dashboard.")
@click.option("--user-header", default="", help="Header in which a proxy names the reader.")
@click.option(
    "--trusted-proxy", "proxies", multiple=True, help="Address of a proxy whose header is believed."
)
def dashboard(
    port: int, host: str, allow_remote: bool, hosts: tuple[str, ...], frames: tuple[str, ...],
    root_path: str, user_header: str, proxies: tuple[str, ...],
) -> None:  # fmt: skip
    """Serve the published releases to a browser: to this machine unless told otherwise.

    \b
    Example:  ibgap dashboard --port 8400
    """
    from dashboard.app import serve
    from dashboard.security import Access, RemoteBindError, check_bind

    try:
        check_bind(host, allow_remote=allow_remote)
    except RemoteBindError as error:
        _fail(str(error), exits.USAGE)
    shown = f"[{host}]" if ":" in host else host
    echo(f"http://{shown}:{port}/  (Ctrl-C stops it)")
    access = Access(hosts, frames, user_header, proxies)
    serve(
        _settings().releases_dir, port, host=host, allow_remote=allow_remote, access=access,
        root_path=root_path,
    )  # fmt: skip


@main.group()
def trial() -> None:
    """Draft and check trial manifests."""


@trial.command("new")
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--to",
    "target",
    type=click.Path(path_type=Path),
    default=None,
    help="Trials folder (default: the trials folder of the settings).",
)
@click.option("--sheet", default=None, help="Sheet of a spreadsheet (default: looked for).")
@click.option(
    "--header-row",
    type=click.IntRange(min=1),
    default=None,
    help="Row with the names of the columns, from 1 (default: looked for in spreadsheets).",
)
def trial_new(file: Path, target: Path | None, sheet: str | None, header_row: int | None) -> None:
    """Draft a manifest from a data file.

    \b
    Makes TRIALS/NAME/ with a copy of the file and a trial.yaml to complete. A file that lies in
    a trial folder without trial.yaml stays there and gets one beside it.
    Example:  ibgap trial new ~/data/my_trial.sav
    Example:  ibgap trial new ~/data/my_trial.xlsx --sheet Data --header-row 3
    """
    from ibgap.cli.draft import DraftError, draft_trial, find_file

    try:
        settings = _settings()
        trials_dir = target or settings.trials_dir
        named = find_file(file, trials_dir)
        folder = draft_trial(named, trials_dir, sheet, header_row, settings.reading)
    except DraftError as error:
        _fail(str(error), exits.USAGE)
    echo(f"Drafted {_relative(folder / 'trial.yaml')}.")
    echo("Complete the lines marked CHECK, then run:")
    echo(f"  ibgap trial check {_relative(folder)}")


@trial.command("check")
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print findings and files read as JSON.")
def trial_check(folder: Path, as_json: bool) -> None:
    """List all faults of a trial folder at once, with file, row, column and the fix; and how each
    file was read.

    \b
    Example:  ibgap trial check trials/my_trial
    Exit codes: 0 nothing wrong, 4 something would be set aside.
    """
    from ibgap.cli.check import check_folder, report_json, report_text

    if not folder.is_dir():
        _fail(
            f"there is no folder {str(folder)!r} (for a file: `ibgap trial new FILE`)", exits.USAGE
        )
    found = check_folder(folder, _settings())
    if as_json:
        echo_json(report_json(found))
    else:
        echo(report_text(found))
    sys.exit(exits.SET_ASIDE if found.sets_aside else exits.OK)


@trial.command("schema")
def trial_schema() -> None:
    """Print the JSON Schema of trial.yaml, for editors that complete it.

    \b
    Example:  ibgap trial schema > trial.schema.json
    """
    from validations.manifest.schema import manifest_json_schema_text

    echo(manifest_json_schema_text(), nl=False)


if __name__ == "__main__":
    main()
