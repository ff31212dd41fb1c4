"""Is it still the same house? Contracts between packages, what entrances import, what files say."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.builders import participant_trial
from tests.loading import loaded_after

ROOT = Path(__file__).parents[2]
PACKAGES = ("pipelines", "assets", "validations", "analysis", "dashboard", "ibgap")


def test_imports_point_one_way() -> None:
    done = subprocess.run(
        [Path(sys.executable).with_name("lint-imports")], capture_output=True, text=True, cwd=ROOT
    )
    assert done.returncode == 0, done.stdout


def test_help_is_instant_because_it_imports_nothing_heavy() -> None:
    loaded = loaded_after("import ibgap.cli.command_line")
    assert not loaded & {"pandas", "numpy", "dagster", "great_expectations", "pydantic", "scipy"}


def test_definitions_load_without_the_slow_packages() -> None:
    loaded = loaded_after("import pipelines.definitions")
    assert "dagster" in loaded
    assert not loaded & {"great_expectations", "pingouin", "matplotlib", "openpyxl", "pyreadstat"}


def test_a_trial_is_checked_without_the_second_judges(tmp_path: Path) -> None:
    """They guard against faults of the program, which a refresh does too, and take seconds."""
    folder = participant_trial().write(tmp_path)
    statement = (
        "from pathlib import Path; from ibgap.cli.check import check_folder; "
        f"assert check_folder(Path({str(folder)!r})).summary"
    )
    loaded = loaded_after(statement)
    assert "assets.journey.trial_journey" in loaded
    assert not loaded & {"great_expectations", "pingouin", "dagster", "duckdb", "matplotlib"}


def test_analysis_stands_alone() -> None:
    modules = (
        "effect_sizes",
        "univariate.pooling",
        "gap.joint",
        "gap.surrogacy",
        "bias.small_study",
    )
    statement = "; ".join(f"import analysis.{name}" for name in modules)
    loaded = loaded_after(statement)
    assert not loaded & {"pandas", "dagster", "duckdb", "great_expectations", "pingouin"}
    assert "scipy.stats" not in loaded
    assert not loaded & (set(PACKAGES) - {"analysis", "ibgap"})


def test_every_row_rule_has_a_check_or_is_made_by_the_steps() -> None:
    """Names need the manifests, the shape of quantiles the estimators."""
    from validations.records import RECORD_SCHEMAS, ROW_CHECKS

    of_steps = {"arm_declared", "arms_declared", "arms_told_apart", "outcome_declared",
                "variables_declared", "outcomes_declared", "quantiles_not_lopsided"}  # fmt: skip
    rules = {rule.id for schema in RECORD_SCHEMAS.values() for rule in schema.rules}
    assert rules - of_steps == set(ROW_CHECKS)


def test_manifest_knows_the_statistics_that_the_analysis_converts() -> None:
    from analysis.effect_sizes import REPORTED_STATISTICS
    from validations.manifest.vocabulary import REPORTED_STATISTICS as DECLARED

    assert set(DECLARED) == set(REPORTED_STATISTICS)


def test_generated_pages_are_current() -> None:
    done = subprocess.run(
        [sys.executable, "docs/make_docs.py", "--check"], capture_output=True, text=True, cwd=ROOT
    )
    assert done.returncode == 0, done.stdout + done.stderr


def _texts() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files"], capture_output=True, text=True, check=True, cwd=ROOT
    ).stdout.split("\n")
    kept = (".py", ".md", ".toml", ".yaml", ".yml", ".txt", ".sh", ".html", "Makefile", "run")
    return [ROOT / name for name in listed if name.endswith(kept) and (ROOT / name).is_file()]


@pytest.mark.parametrize(
    "pattern",
    [r"/(home|root|tmp)/[a-z]", r"index-url", r"--index", r"\bTO" + r"DO\b", r"\bFIX" + r"ME\b"],
)
def test_no_machine_paths_indexes_or_placeholders(pattern: str) -> None:
    this = Path(__file__)
    found = [
        f"{path.relative_to(ROOT)}: {line.strip()[:80]}"
        for path in _texts()
        if path != this
        for line in path.read_text(encoding="utf-8").splitlines()
        if re.search(pattern, line) and "--no-emit-index-url" not in line
    ]
    assert not found


def test_locked_packages_have_hashes() -> None:
    for name in ("run.txt", "dev.txt"):
        text = (ROOT / "requirements" / name).read_text(encoding="utf-8")
        pins = re.findall(r"^[a-z0-9].*==.*$", text, flags=re.MULTILINE)
        assert len(pins) > 50
        assert all(line.endswith("\\") for line in pins)
        assert "http" not in re.sub(r"^http[a-z0-9-]*(\[.*\])?==", "", text, flags=re.MULTILINE)
