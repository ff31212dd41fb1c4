"""Dagster's own pages, as an operator sees them: a broken trial is red with its name and rule, the
history of the gap is drawn, nothing of the machine's use is reported."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.builders import arm_trial, effects_trial, participant_trial
from tests.conftest import ROOT

pytestmark = pytest.mark.slow

_LAUNCH = """
mutation Launch($params: ExecutionParams!) {
  launchRun(executionParams: $params) {
    __typename
    ... on LaunchRunSuccess { run { runId } }
    ... on PythonError { message }
  }
}"""
_STATUS = """
query Status($id: ID!) { runOrError(runId: $id) { ... on Run { status } } }"""
_HISTORY = """
{ assetOrError(assetKey: {path: ["out", "gap_estimates"]}) { ... on Asset { assetMaterializations {
  metadataEntries { label ... on FloatMetadataEntry { floatValue } } } } } }"""
_SELECTOR = {
    "repositoryLocationName": "pipelines.definitions",
    "repositoryName": "__repository__",
    "jobName": "refresh",
}


@dataclass(frozen=True)
class Operator:
    """Dagster on a project, as `make dagster` starts it. home: of the project."""

    home: Path
    url: str
    process: subprocess.Popen[bytes]

    def ask(self, query: str, **variables: Any) -> Any:
        body = json.dumps({"query": query, "variables": variables}).encode()
        request = urllib.request.Request(
            f"{self.url}/graphql", body, {"content-type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)["data"]

    def is_ready(self) -> bool:
        query = "{ workspaceOrError { ... on Workspace { locationEntries { loadStatus } } } }"
        try:
            entries = self.ask(query)["workspaceOrError"]["locationEntries"]
        except (OSError, urllib.error.URLError, KeyError, TypeError):
            return False
        return bool(entries) and all(one["loadStatus"] == "LOADED" for one in entries)

    def refresh(self) -> str:
        """Launch the job and wait for its end; returns its status."""
        params = {"selector": _SELECTOR, "mode": "default"}
        launched = self.ask(_LAUNCH, params=params)["launchRun"]
        assert launched["__typename"] == "LaunchRunSuccess", launched
        run = launched["run"]["runId"]
        ended = ("SUCCESS", "FAILURE", "CANCELED")
        self.wait_for(lambda: self.ask(_STATUS, id=run)["runOrError"]["status"] in ended)
        return str(self.ask(_STATUS, id=run)["runOrError"]["status"])

    def wait_for(self, what: Any) -> None:
        for _ in range(360):
            if what():
                return
            assert self.process.poll() is None, "Dagster ended"
            time.sleep(0.5)
        pytest.fail("it did not happen in three minutes")


@pytest.fixture(scope="module")
def operator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operator]:
    home = tmp_path_factory.mktemp("operator")
    for recipe in (
        arm_trial(), effects_trial(), participant_trial(),
        arm_trial("no_table").without("table.csv"),
        arm_trial("in_part").but("visit,49,,,18", "visit,49,,,99", file="table.csv"),
    ):  # fmt: skip
        recipe.write(home / "trials")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    own = {n: v for n, v in os.environ.items() if not n.startswith(("IBGAP_", "DAGSTER"))}
    environment = own | {
        "IBGAP_HOME": str(home), "IBGAP_WORK_WORKERS": "0", "DAGSTER_HOME": str(home / "dagster"),
        "DAGSTER_PORT": str(port), "PYTHONPATH": str(ROOT),
    }  # fmt: skip
    with (home / "dagster.log").open("wb") as told:
        process = subprocess.Popen(
            [sys.executable, "-m", "pipelines.dagster_dev"], cwd=ROOT, env=environment,
            stdout=told, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
        one = Operator(home, f"http://127.0.0.1:{port}", process)
        try:
            one.wait_for(one.is_ready)
            yield one
        finally:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(timeout=60)
            finally:
                if process.poll() is None:
                    os.killpg(process.pid, signal.SIGKILL)


@pytest.fixture(scope="module")
def two_runs(operator: Operator) -> Operator:
    """Two refreshes with a change between them."""
    assert operator.refresh() == "SUCCESS"
    table = operator.home / "trials" / "arms_trial" / "table.csv"
    table.write_text(table.read_text().replace("4.4,1.3", "4.9,1.3"))
    assert operator.refresh() == "SUCCESS"
    return operator


@pytest.fixture
def page(browser: Any, operator: Operator) -> Iterator[Any]:
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    context.set_default_timeout(60_000)
    one = context.new_page()
    yield one
    context.close()


def _picture(page: Any, name: str) -> None:
    """Kept where somebody wants to look at it."""
    if folder := os.environ.get("PICTURES"):
        page.screenshot(path=str(Path(folder) / f"{name}.png"))


def test_a_broken_trial_is_red_with_its_name_and_rule(two_runs: Operator, page: Any) -> None:
    page.goto(f"{two_runs.url}/assets/raw/trial_journeys?view=checks")
    page.get_by_text("trials_are_whole").first.wait_for()
    page.get_by_text("no_table").first.wait_for()
    _picture(page, "check")
    text = page.inner_text("body")
    for word in ("no_table", "nothing", "in_part", "events_within_n", "a part"):
        assert word in text


def test_the_gap_has_a_history(two_runs: Operator, page: Any) -> None:
    page.goto(f"{two_runs.url}/assets/out/gap_estimates")
    page.get_by_text("main, difference: estimate").first.wait_for()
    page.wait_for_timeout(3000)
    _picture(page, "gap")
    page.get_by_text("Plots").first.click()
    page.locator("canvas").first.wait_for()
    page.wait_for_timeout(2000)
    _picture(page, "gap_history")
    found = two_runs.ask(_HISTORY)["assetOrError"]["assetMaterializations"]
    estimates = [
        one["floatValue"]
        for made in found
        for one in made["metadataEntries"]
        if one.get("label") == "main, difference: estimate"
    ]
    assert len(estimates) == len(set(estimates)) == 2


def test_the_first_page_asks_nobody_for_an_address(two_runs: Operator, page: Any) -> None:
    page.goto(f"{two_runs.url}/asset-groups")
    page.wait_for_timeout(4000)
    _picture(page, "graph")
    assert "newsletter" not in page.inner_text("body").lower()
    names = {path.name for path in (two_runs.home / "dagster").rglob("*")}
    assert not names & {".telemetry", "event.log"}
