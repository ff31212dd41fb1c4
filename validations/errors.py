"""Errors meant for the person who dropped the file."""

from __future__ import annotations

from collections.abc import Sequence

from validations.findings import Finding


class TrialFileError(Exception):
    """A trial (or one of its files) that cannot be read; carries all its findings at once."""

    def __init__(self, findings: Sequence[Finding]) -> None:
        self.findings = list(findings)
        super().__init__("\n".join(finding.text() for finding in self.findings))
