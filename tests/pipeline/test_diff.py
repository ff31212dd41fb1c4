"""`ibgap diff`: what changed since the release before, and what moved the results."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable

from ibgap.cli import exits

from .conftest import Home


def _refresh_without_one_trial(home: Home) -> str:
    """A second release of a home, made after one of its trial folders is gone."""
    gone = sorted(path.name for path in home.trials.iterdir() if path.is_dir())[0]
    shutil.rmtree(home.trials / gone)
    home.refresh()
    return gone


def test_a_trial_that_is_gone_is_named_and_takes_its_share(copy_of_small: Home) -> None:
    first = (copy_of_small.releases / "current").resolve().name
    gone = _refresh_without_one_trial(copy_of_small)
    said = copy_of_small.command("diff")
    assert said.exit_code == exits.OK, said.output
    assert f"From {first} to " in said.output
    assert "Removed: " in said.output and gone in said.output
    found = json.loads(copy_of_small.command("diff", "--json").output)
    assert found["from"] == first and any(i.startswith(gone) for i in found["removed"])
    explained = [result for result in found["results"] if result["steps"]]
    assert explained
    for result in explained:
        shares = {step["name"]: step["shift"] for step in result["steps"]}
        assert abs(sum(shares.values()) - (result["new"] - result["old"])) < 1e-9
        # A trial left and nothing else happened: the change is its, but for what is published of
        # the confidential trial beside it, whose few events stand in groups.
        removed, corrected, added, _ = shares.values()
        assert abs(removed - (result["new"] - result["old"])) < 0.01
        assert (corrected, added) == (0.0, 0.0)
    assert any(abs(result["steps"][0]["shift"]) > 1e-3 for result in explained)


def test_the_same_release_twice_is_no_change(small: Home) -> None:
    said = small.command("diff", "current", "current")
    assert said.exit_code == exits.OK and "Nothing changed" in said.output


def test_a_first_release_and_an_unknown_one_say_so(
    small: Home, make_home: Callable[..., Home]
) -> None:
    said = small.command("diff")
    assert said.exit_code == exits.NO_RELEASE and "is the first release" in said.output
    said = small.command("diff", "20200101-000000-aaaaaaaaaa")
    assert said.exit_code == exits.NO_RELEASE
    assert (small.releases / "current").resolve().name in said.output
    said = make_home(name="empty").command("diff")
    assert said.exit_code == exits.NO_RELEASE and "ibgap refresh" in said.output


def test_a_failed_refresh_is_noted_for_readers(copy_of_small: Home) -> None:
    from ibgap.releases.last_refresh import FILE, note_refresh

    note_refresh(copy_of_small.releases, "failed", "the step core__effects failed (ValueError)")
    kept = json.loads((copy_of_small.releases / FILE).read_text(encoding="utf-8"))
    assert kept["status"] == "failed" and "core__effects" in kept["message"]
    copy_of_small.refresh()
    kept = json.loads((copy_of_small.releases / FILE).read_text(encoding="utf-8"))
    assert kept["status"] in ("published", "unchanged") and kept["release_id"]
