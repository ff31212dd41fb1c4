"""`make dagster`: opens Dagster on this project with telemetry off and the trials registered."""

from __future__ import annotations

import os
import sys
from pathlib import Path

_INSTANCE = """# Written by `make dagster`.
telemetry:
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


def prepare_home(home: Path) -> None:
    """Make the instance folder with its configuration, unless it has one."""
    home.mkdir(parents=True, exist_ok=True)
    config = home / "dagster.yaml"
    if not config.exists():
        config.write_text(_INSTANCE, encoding="utf-8")


def main() -> None:
    """Register the trials, then become `dagster dev`."""
    home = Path(os.environ.get("DAGSTER_HOME") or ".dagster").resolve()
    prepare_home(home)
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
