"""What `from analysis import ...` offers: names, docstrings, what it loads, its handbook page."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest

import analysis
from analysis.errors import EstimationError
from analysis.results import Result
from tests.loading import loaded_after

ROOT = Path(__file__).parents[2]
PAGES = sorted((ROOT / "docs" / "methods").glob("*.md"))
PAGE = (ROOT / "docs" / "methods" / "library.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", analysis.__all__)
def test_every_public_name_resolves_and_is_explained(name: str) -> None:
    found = getattr(analysis, name)
    assert found is not None
    if not callable(found):
        assert isinstance(found, dict) and found, "a public table says what it holds"
        return
    own = inspect.getdoc(found) or ""
    assert len(own) > 20
    assert not own.startswith(f"{name}("), "the signature dataclasses write is no explanation"
    assert found.__name__ == name


def test_every_public_name_is_in_the_handbook() -> None:
    pages = "".join(path.read_text(encoding="utf-8") for path in PAGES)
    named = set(re.findall(r"[`\s]([A-Za-z_0-9]+)[`(]", pages))
    assert not [name for name in analysis.__all__ if name not in named]


@pytest.mark.parametrize("name", analysis.__all__)
def test_every_public_function_says_what_it_takes_and_gives(name: str) -> None:
    found = getattr(analysis, name)
    if not inspect.isfunction(found):
        return
    signature = inspect.signature(found)
    untyped = [p.name for p in signature.parameters.values() if p.annotation is p.empty]
    assert not untyped
    assert signature.return_annotation is not signature.empty


def test_names_are_listed_once_and_sorted() -> None:
    listed = [name for names in analysis._WHERE.values() for name in names]
    assert len(listed) == len(set(listed))
    assert list(analysis.__all__) == sorted(listed)
    assert set(listed) <= set(dir(analysis))


def test_a_name_is_the_one_of_its_module() -> None:
    from analysis.gap.joint import fit_joint
    from analysis.univariate.pooling import fit_random_effects

    assert analysis.fit_joint is fit_joint
    assert analysis.fit_random_effects is fit_random_effects
    assert analysis.EstimationError is EstimationError
    assert analysis.Result is Result


@pytest.mark.parametrize("name", ["fit_everything", "Fit_joint", "__path_to_nowhere__", "_MODULES"])
def test_unknown_names_are_refused(name: str) -> None:
    with pytest.raises(AttributeError, match=f"no attribute '{name}'"):
        getattr(analysis, name)
    assert not hasattr(analysis, name)


def test_an_unknown_name_cannot_be_imported() -> None:
    with pytest.raises(ImportError, match="fit_everything"):
        exec("from analysis import fit_everything")


def test_the_package_alone_loads_nothing() -> None:
    loaded = loaded_after("import analysis")
    assert not loaded & {"numpy", "scipy", "pandas", "dagster"}
    assert {one for one in loaded if one.startswith("analysis.")} == set()


def test_listing_names_loads_nothing() -> None:
    loaded = loaded_after("import analysis; dir(analysis); analysis.__all__")
    assert not loaded & {"numpy", "scipy", "pandas"}


def test_pooling_loads_what_pooling_needs() -> None:
    loaded = loaded_after("from analysis import fit_random_effects")
    assert "numpy" in loaded
    assert not loaded & {"pandas", "dagster", "scipy.optimize", "scipy.stats"}


def test_no_public_name_loads_what_only_frames_need() -> None:
    """pandas comes with `frame`, not before."""
    loaded = loaded_after("from analysis import *")
    assert not loaded & {"pandas", "dagster", "duckdb", "matplotlib", "scipy.stats"}


def test_frames_load_pandas_when_they_are_asked_for() -> None:
    statement = "from analysis import share_above\nmade = share_above(0.2, 0.05, 0.04, 0.02, 0.1)\n"
    assert "pandas" not in loaded_after(statement + "str(made)")
    assert "pandas" in loaded_after(statement + "made.frame()")


def page_names() -> list[str]:
    """Identifiers in backticks in the table of the page; the first cell is a question."""
    return sorted({
        name
        for line in PAGE.splitlines()
        if line.startswith("|")
        for name in re.findall(r"`([A-Za-z_]\w*)`", line)
    })  # fmt: skip


def test_the_page_names_what_exists() -> None:
    assert len(page_names()) > 40
    assert set(page_names()) <= set(analysis.__all__)


def test_functions_named_in_the_text_of_the_page_exist() -> None:
    """Words with an underscore, with or without a call, and what the example imports."""
    prose = re.sub(r"```.*?```", "", PAGE, flags=re.DOTALL)
    named = set(re.findall(r"`(\w+_\w+)(?:\([^`]*\))?`", prose))
    example = re.findall(r"^from analysis import (.+)$", PAGE, flags=re.MULTILINE)
    imported = {name.strip() for line in example for name in line.split(",")}
    assert imported
    assert (named | imported) - set(analysis.__all__) == set()


def test_the_example_of_the_page_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import pandas as pd

    blocks = re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL)
    assert len(blocks) == 1
    pd.DataFrame({
        "m1i": [3.0, 3.5, 2.9, 3.8, 3.1], "sd1i": [1.0, 1.2, 0.9, 1.1, 1.0],
        "n1i": [30, 40, 50, 35, 60], "m2i": [2.5, 3.0, 2.8, 3.0, 2.9],
        "sd2i": [1.1, 1.0, 1.0, 1.2, 0.9], "n2i": [31, 39, 52, 36, 58],
        "weeks": [1.0, 2.0, 4.0, 8.0, 3.0], "topic": ["a", "b", "a", "b", "a"],
    }).to_csv(tmp_path / "trials.csv", index=False)  # fmt: skip
    monkeypatch.chdir(tmp_path)
    space: dict[str, object] = {}
    exec(blocks[0], space)
    assert space["fit"].coefficients.names == ("intercept", "weeks", "topic=b")  # type: ignore[attr-defined]


def test_links_of_the_page_lead_somewhere() -> None:
    targets = re.findall(r"\]\(([\w./-]+\.md)\)", PAGE)
    assert targets
    for target in targets:
        assert (ROOT / "docs" / "methods" / target).is_file(), target
