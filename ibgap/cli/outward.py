"""`ibgap export` and `dashboard`: results for other programs and for a browser."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ibgap.cli import exits
from ibgap.cli.common import fail, project_settings, reads_release, relative
from ibgap.cli.terminal import echo

_FORMATS = ("csv", "parquet", "xlsx", "metapsy", "metafor")


@click.command()
@click.option("--format", "form", type=click.Choice(_FORMATS), default="csv", show_default=True)
@click.option("--to", "target", type=click.Path(path_type=Path), required=True, help="New folder.")
@reads_release
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
            echo(relative(path))
    except ExportError as error:
        fail(str(error), exits.USAGE)


@click.command()
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
        fail(str(error), exits.USAGE)
    shown = f"[{host}]" if ":" in host else host
    echo(f"http://{shown}:{port}/  (Ctrl-C stops it)")
    access = Access(hosts, frames, user_header, proxies)
    serve(
        project_settings().releases_dir, port, host=host, allow_remote=allow_remote, access=access,
        root_path=root_path,
    )  # fmt: skip
