"""`make dagster`: opens Dagster on this project with telemetry off and the trials registered."""

from __future__ import annotations

import os
import sys
from pathlib import Path

_INSTANCE = """telemetry:
  enabled: false
nux:
  enabled: false
concurrency:
  runs:
    max_concurrent_runs: 1
retention:
  schedule:
    purge_after_days: 90
  sensor:
    purge_after_days: {skipped: 7, failure: 30, success: 90}
run_monitoring:
  enabled: true
"""
"""The same as dagster.yaml beside workspace.yaml, which counts where no home is named."""


def prepare_home(home: Path) -> str:
    """Make the instance folder with its configuration, unless it has one.

    Returns what is to be told of a configuration that is there: that it lets Dagster report what
    it is used for; else nothing.
    """
    home.mkdir(parents=True, exist_ok=True)
    config = home / "dagster.yaml"
    if not config.exists():
        config.write_text(f"# Written by `make dagster`.\n{_INSTANCE}", encoding="utf-8")
        return ""
    if _is_silent(config):
        return ""
    return (
        f"{config.name} in DAGSTER_HOME lets Dagster report what it is used for; write "
        "`telemetry: {enabled: false}` into it"
    )


def _is_silent(config: Path) -> bool:
    import yaml

    try:
        found = yaml.safe_load(config.read_text(encoding="utf-8"))
        return found["telemetry"]["enabled"] is False
    except (OSError, ValueError, TypeError, KeyError, yaml.YAMLError):
        return False


def main() -> None:
    """Register the trials, then become `dagster dev`."""
    home = Path(os.environ.get("DAGSTER_HOME") or ".dagster").resolve()
    if told := prepare_home(home):
        print(f"Note: {told}", file=sys.stderr)
    os.environ["DAGSTER_HOME"] = str(home)
    os.environ["DAGSTER_DISABLE_TELEMETRY"] = "1"
    import dagster as dg

    from assets.staging.trial_folders import NoTrialsError, find_trials
    from ibgap.base.printable import printable
    from pipelines.partitions import sync_partitions
    from pipelines.settings import load_settings

    try:
        with dg.DagsterInstance.get() as instance:
            sync_partitions(instance, find_trials(load_settings().trials_dir))
    except NoTrialsError as error:
        print(f"Note: {printable(str(error))}", file=sys.stderr)
    port = os.environ.get("DAGSTER_PORT", "3000")
    print(f"Dagster opens at http://127.0.0.1:{port}/  (Ctrl-C stops it)", flush=True)
    command = [
        sys.executable,
        "-m",
        "dagster",
        "dev",
        "-w",
        "workspace.yaml",
        "-h",
        "127.0.0.1",
        "-p",
        port,
        "--log-level",
        "warning",
    ]
    os.execv(sys.executable, command)


if __name__ == "__main__":
    main()
