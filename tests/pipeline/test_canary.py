"""Recognizable values of participants are planted and looked for in everything a run leaves."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest

from ibgap.cli import exits
from tests.builders import Recipe, participant_trial

from .conftest import Home
from .kept_text import tables_in, text_of

IDS = [f"CANARY-ID-77{i:02d}" for i in range(60)]
SECRETS = {
    "ids": "CANARY-ID-", "score outside the scale": "77.31640625",
    "score inside the scale": "3.97265625",
    "free text": "CANARYFREETEXT", "arm": "CANARYARM", "text in a number": "CANARYNUMBER",
    "cluster": "CANARYCLUSTER", "text in a yes/no": "CANARYYES",
}  # fmt: skip


def canary_trial() -> Recipe:
    """A cluster trial whose file is full of what must not leave the restricted store."""
    recipe = participant_trial("canary_trial").but("type: parallel", "type: cluster")
    recipe = recipe.but("arm: group\n", "arm: group\n      cluster: site\n")
    lines = str(recipe.files["people.csv"]).splitlines()
    rows = [line.split(",") for line in lines[1:]]
    for i, row in enumerate(rows):
        row[0] = IDS[i]
        row[2] = f"CANARYCLUSTER{row[2]}"
        row.append(f"CANARYFREETEXT I am number {i}")
    for i, score in ((3, "77.31640625"), (4, "3.97265625"), (5, "3.97265625"), (6, "CANARYNUMBER")):
        rows[i][3] = score
    rows[7][1] = "CANARYARM"
    rows[8][4] = "CANARYYES"
    rows[10][0] = rows[9][0]  # the same participant twice
    text = [lines[0] + ",remarks"] + [",".join(row) for row in rows]
    return recipe.having("people.csv", "\n".join(text) + "\n")


def leaks(data: bytes) -> list[str]:
    """What of the secrets is in the bytes, also as UTF-16."""
    return [
        name for name, secret in SECRETS.items()
        if secret.encode() in data or secret.encode("utf-16-le") in data
    ]  # fmt: skip


def leaks_below(folder: Path) -> dict[str, list[str]]:
    """Files below a folder with a secret in their bytes or in the cells of their tables."""
    found = {}
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        data = text_of(path) + repr(path.name).encode()
        if leaks(data):
            found[str(path.relative_to(folder))] = leaks(data)
    return found


@dataclass(frozen=True)
class Run:
    home: Home
    dagster_home: Path
    said: bytes
    exit_code: int


def _run(home: Home, dagster_home: Path, patch: pytest.MonkeyPatch) -> Run:
    dagster_home.mkdir()
    (dagster_home / "dagster.yaml").write_text("telemetry:\n  enabled: false\n")
    patch.setenv("DAGSTER_HOME", str(dagster_home))
    result = home.command("refresh")
    return Run(home, dagster_home, result.output.encode(), result.exit_code)


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    home = Home(tmp_path_factory.mktemp("canary"))
    home.add(canary_trial())
    with pytest.MonkeyPatch.context() as patch:
        yield _run(home, home.root / "dagster", patch)


def test_the_canaries_sing(ran: Run) -> None:
    """The search finds them where they are, so finding none elsewhere means something."""
    found = leaks((ran.home.trials / "canary_trial" / "people.csv").read_bytes())
    assert set(found) == set(SECRETS)
    assert ran.exit_code == exits.SET_ASIDE


def test_the_check_shows_no_value(ran: Run) -> None:
    for arguments in (["--json"], []):
        result = ran.home.command("trial", "check", ran.home.trials / "canary_trial", *arguments)
        assert result.exit_code == exits.SET_ASIDE
        assert leaks(result.output.encode()) == []


def test_nothing_printed_or_published_has_a_value(ran: Run) -> None:
    assert leaks(ran.said) == []
    assert leaks_below(ran.home.releases) == {}
    findings = ran.home.release().table("findings")
    assert {"number_readable", "value_within_scale", "arm_declared", "row_unique"} <= set(
        findings["rule_id"]
    )


def test_the_event_log_of_dagster_has_no_value(ran: Run) -> None:
    assert list(ran.dagster_home.rglob("*.db"))
    assert leaks_below(ran.dagster_home) == {}


def test_no_command_or_export_shows_a_value(ran: Run, tmp_path: Path) -> None:
    effects = json.loads(ran.home.command("effects", "--all-scales", "--json").output)
    said = [ran.home.command(*c).output for c in (["gap"], ["pool"], ["effects"], ["findings"])]
    said += [ran.home.command("explain", e["effect_id"]).output for e in effects]
    for form in ("csv", "parquet", "xlsx", "metapsy", "metafor"):
        made = ran.home.command("export", "--format", form, "--to", tmp_path / form)
        assert made.exit_code == exits.OK, made.output
    assert leaks("\n".join(said).encode()) == []
    assert leaks_below(tmp_path) == {}
    for sheet in pd.read_excel(next((tmp_path / "xlsx").iterdir()), sheet_name=None).values():
        assert leaks(sheet.to_csv().encode()) == []


def test_the_restricted_store_has_mapped_columns_only(ran: Run) -> None:
    found = leaks_below(ran.home.store)
    named = {secret for secrets in found.values() for secret in secrets}
    assert "ids" not in named and "free text" not in named
    assert (ran.home.store.stat().st_mode & 0o777) == 0o700
    tables = {n: f for p in ran.home.store.rglob("*") for n, f in tables_in(p).items()}
    assert {"rejected_rows", "findings", "outcome_rows", "participant_checks"} <= set(tables)
    assert [name for name, frame in tables.items() if {"participant", "value"} <= set(frame)] == []


def test_nothing_that_is_kept_is_made_from_an_id(ran: Run, tmp_path: Path) -> None:
    """The same trial with other ids leaves the same store, but for the hash of its file."""
    recipe = canary_trial()
    text = str(recipe.files["people.csv"])
    others = {one: f"{one[:10]}{99 - i:04d}" for i, one in enumerate(dict.fromkeys(IDS))}
    for one, other in others.items():
        text = text.replace(f"\n{one},", f"\n{other},")
    assert not any(one in text for one in IDS) and len(text) == len(str(recipe.files["people.csv"]))
    other_home = Home(tmp_path)
    other_home.add(recipe.having("people.csv", text))
    assert other_home.command("refresh").exit_code == exits.SET_ASIDE
    first, second = (_kept(home) for home in (ran.home, other_home))
    assert set(first) == set(second) and "journeys/ledger.json" in first
    assert [name for name in first if first[name] != second[name]] == []


_HASH = re.compile(r"\b[0-9a-f]{64}\b")
_RELEASE = re.compile(r"\d{8}-\d{6}-[0-9a-f]{10}")
_TIME = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d[.\d]*(?:\+00:00|Z)?|\d{8}T\d{6}Z?\S*")


def _kept(home: Home) -> dict[str, str]:
    """Everything below the store as text by file, without hashes of files of this trial."""
    data = (home.trials / "canary_trial" / "people.csv").read_bytes()
    mine = hashlib.sha256(data).hexdigest()
    out = {}
    for path in sorted(p for p in home.store.rglob("*") if p.is_file()):
        tables = tables_in(path)
        texts = [f.to_csv(float_format="%.17g").replace(mine, "HASH") for f in tables.values()]
        text = "\n".join([*tables, *texts]) if tables else path.read_text(encoding="utf-8")
        text = _TIME.sub("TIME", _HASH.sub("HASH", text))  # of whole files and tables
        out[str(path.relative_to(home.store))] = _RELEASE.sub("RELEASE", text)
    return out


@pytest.fixture(scope="module")
def failed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """A step raised with values in its message and in its chain, as a library would."""
    import assets.outcomes.asset as station

    def fail(table: str, rows: pa.Table) -> None:
        try:
            raise KeyError(f"CANARYNUMBER {IDS[0]} {rows.to_pandas().to_string()}")
        except KeyError:
            raise ValueError(
                f"could not convert CANARYARM 77.31640625 3.97265625 {IDS[1]}"
            ) from None

    home = Home(tmp_path_factory.mktemp("failed"))
    home.add(canary_trial())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(station, "outcomes_of_all", fail)
        yield _run(home, home.root / "dagster", patch)


def test_a_failed_run_names_the_step_and_shows_no_value(failed: Run) -> None:
    assert failed.exit_code == exits.NO_RELEASE
    assert b"_outcomes failed" in failed.said and b"ValueError" in failed.said
    assert leaks(failed.said) == []
    assert not failed.home.releases.exists()


def test_the_event_log_of_a_failed_run_has_no_value(failed: Run) -> None:
    assert leaks_below(failed.dagster_home) == {}
