"""Which folders are trials."""

from __future__ import annotations

from pathlib import Path


class NoTrialsError(Exception):
    """The trials folder is missing or holds no trial folder."""


def find_trials(trials_dir: Path) -> list[str]:
    """Names of the trial folders, sorted; hidden folders and those beginning with _ are not
    trials. Raises `NoTrialsError` when the folder cannot be read or holds none."""
    if not trials_dir.is_dir():
        raise NoTrialsError(
            f"there is no trials folder {trials_dir.name!r}; make it and put a folder with a "
            "trial.yaml into it, or set trials_dir"
        )
    names = sorted(p.name for p in trials_dir.iterdir() if p.is_dir() and p.name[0] not in "._")
    if not names:
        raise NoTrialsError(
            f"the trials folder {trials_dir.name!r} holds no trial; put a folder with a trial.yaml "
            "into it (`ibgap trial new FILE` drafts one)"
        )
    return names
