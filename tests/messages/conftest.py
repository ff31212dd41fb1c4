"""Asks the command line and keeps what it said."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from click.testing import CliRunner

from analysis.synthesis.settings import AnalysisSettings
from assets.journey.trial_journey import trial_journey
from assets.staging.limits import Limits
from ibgap.cli import exits
from ibgap.cli.command_line import main
from tests.builders import Recipe


@dataclass(frozen=True)
class Answer:
    """What a command printed (both streams) and its exit code."""

    exit_code: int
    text: str

    def says(self, *words: str) -> None:
        missing = [word for word in words if word.lower() not in self.text.lower()]
        assert not missing, f"{missing} not in:\n{self.text}"

    def does_not_say(self, *words: str) -> None:
        found = [word for word in words if word.lower() in self.text.lower()]
        assert not found, f"{found} in:\n{self.text}"

    @property
    def faults(self) -> int:
        """How many findings set data aside."""
        return sum(line.startswith(("ERROR", "HOLD")) for line in self.text.splitlines())


def ask(*arguments: str | Path) -> Answer:
    result = CliRunner().invoke(main, [str(a) for a in arguments])
    crashed = result.exception is not None and not isinstance(result.exception, SystemExit)
    assert not crashed, f"a person saw a traceback: {result.exception!r}"
    assert "Traceback" not in result.output
    return Answer(result.exit_code, result.output)


@pytest.fixture
def command() -> Callable[..., Answer]:
    """Run `ibgap` with these arguments; a traceback fails the test."""
    return ask


@pytest.fixture
def read(tmp_path: Path) -> Callable[..., Answer]:
    """What the journey of a trial says of it, within limits, without the command line around it."""

    def run(trial: Recipe | Path, limits: Limits | None = None) -> Answer:
        folder = trial if isinstance(trial, Path) else trial.write(tmp_path)
        findings = trial_journey(folder.resolve(), AnalysisSettings(), limits).findings
        set_aside = any(finding.blocks for finding in findings)
        text = "\n".join(finding.text() for finding in findings)
        return Answer(exits.SET_ASIDE if set_aside else exits.OK, text)

    return run


@pytest.fixture
def check(tmp_path: Path) -> Callable[[Recipe | Path], Answer]:
    """`ibgap trial check` on a recipe or a folder."""

    def run(trial: Recipe | Path) -> Answer:
        folder = trial if isinstance(trial, Path) else trial.write(tmp_path)
        return ask("trial", "check", folder)

    return run
