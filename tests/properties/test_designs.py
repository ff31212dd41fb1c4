"""Designs from columns, by plain loops and by what fits with them must share."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.arrays import Floats, check_design
from analysis.errors import EstimationError
from analysis.univariate.designs import Design, make_design
from analysis.univariate.meta_regression import fit_meta_regression
from analysis.univariate.pooling import fit_random_effects
from analysis.univariate.subgroups import fit_subgroups

Table = dict[str, Any]


@st.composite
def tables(draw: st.DrawFn) -> Table:
    """Two columns of numbers and two factors, every combination of their levels present."""
    rows = draw(st.integers(10, 16))
    numbers = st.lists(st.integers(-5, 40), min_size=rows, max_size=rows)
    levels = draw(st.sampled_from([["a", "b"], ["b", "c", "a"], ["z", "y", "x"]]))
    other = ["no", "yes"]
    both = [(one, two) for one in levels for two in other]
    extra = draw(st.lists(st.sampled_from(both), min_size=rows - len(both), max_size=rows))
    pairs = draw(st.permutations((both + extra)[:rows]))
    return {
        "age": np.array(draw(numbers), dtype=float),
        "year": draw(numbers),
        "kind": [one for one, _ in pairs],
        "blind": np.array([two for _, two in pairs]),
    }


def _indicators(values: Any, *, drop: str | None) -> tuple[list[str], Floats]:
    shown = [level for level in sorted(set(values)) if level != drop]
    return shown, np.array([[float(one == level) for level in shown] for one in values])


@given(table=tables())
def test_columns_by_plain_loops(table: Table) -> None:
    made = make_design(table, ["age", "kind", "blind", "age:kind", "kind:blind"])
    first, second = min(table["kind"]), min(table["blind"])
    kinds, by_kind = _indicators(table["kind"], drop=first)
    blinds, by_blind = _indicators(table["blind"], drop=second)
    names, columns = ["intercept", "age"], [np.ones(len(table["kind"])), table["age"]]
    names += [f"kind={one}" for one in kinds] + [f"blind={one}" for one in blinds]
    columns += [*by_kind.T, *by_blind.T]
    names += [f"age:kind={one}" for one in kinds]
    columns += [table["age"] * one for one in by_kind.T]
    names += [f"kind={one}:blind={two}" for one in kinds for two in blinds]
    columns += [one * two for one in by_kind.T for two in by_blind.T]
    assert list(made.names) == names
    np.testing.assert_array_equal(made.matrix, np.column_stack(columns))
    assert {name: levels[0] for name, levels in made.levels.items()} == {
        "kind": first, "blind": second,
    }  # fmt: skip


@given(table=tables())
def test_terms_partition_the_columns_and_constraints_pick_them(table: Table) -> None:
    made = make_design(table, ["kind", "age", "kind:age", "blind"])
    found = [place for places in made.terms.values() for place in places]
    assert sorted(found) == list(range(1, len(made.names)))
    for term, places in made.terms.items():
        picked = made.constraints(term) @ np.arange(len(made.names))
        assert picked.tolist() == list(places)
        for place in places:
            parts = made.names[place].split(":")
            assert [part.split("=")[0] for part in parts] == term.split(":")


@given(table=tables())
def test_without_an_intercept_the_first_factor_keeps_its_levels(table: Table) -> None:
    made = make_design(table, ["age", "kind", "blind"], intercept=False)
    kind = made.matrix[:, list(made.terms["kind"])]
    assert (kind.sum(axis=1) == 1.0).all()
    assert kind.shape[1] == len(made.levels["kind"])
    assert len(made.terms["blind"]) == 1
    assert "intercept" not in made.names
    with_one = make_design(table, ["age", "kind", "blind"])
    assert _same_space(made, with_one)


def _same_space(one: Design, other: Design) -> bool:
    """Whether the columns of both span the same space."""
    ranks = [np.linalg.matrix_rank(design.matrix) for design in (one, other)]
    both = np.linalg.matrix_rank(np.column_stack([one.matrix, other.matrix]))
    return bool(ranks[0] == ranks[1] == both)


@given(table=tables())
def test_another_reference_is_the_same_model(table: Table) -> None:
    usual = make_design(table, ["kind", "age"])
    last = max(table["kind"])
    other = make_design(table, ["kind", "age"], reference={"kind": last})
    assert other.levels["kind"][0] == last
    assert f"kind={last}" not in other.names
    assert _same_space(usual, other)
    if np.linalg.matrix_rank(usual.matrix) < len(usual.names):
        return
    rng = np.random.default_rng(4)
    yi, vi = rng.normal(size=len(usual.matrix)), rng.uniform(0.05, 0.3, len(usual.matrix))
    one, two = (fit_meta_regression(yi, vi, made.matrix) for made in (usual, other))
    assert two.tau2 == pytest.approx(one.tau2, rel=1e-8, abs=1e-10)
    assert two.qm == pytest.approx(one.qm, rel=1e-7)
    age = usual.terms["age"][0], other.terms["age"][0]
    slopes = one.coefficients.estimate[age[0]], two.coefficients.estimate[age[1]]
    assert slopes[1] == pytest.approx(slopes[0], rel=1e-7, abs=1e-9)


def test_levels_alone_are_the_means_of_groups() -> None:
    table = {"kind": ["b", "a", "b", "a", "b", "a"]}
    yi, vi = np.array([0.1, 0.5, 0.3, 0.7, 0.2, 0.9]), np.full(6, 0.1)
    made = make_design(table, ["kind"], intercept=False)
    fit = fit_meta_regression(yi, vi, made.matrix, method="EE", names=made.names)
    assert fit.coefficients.names == ("kind=a", "kind=b")
    for place, level in enumerate(made.levels["kind"]):
        rows = np.array(table["kind"]) == level
        pool = fit_random_effects(yi[rows], vi[rows], method="EE")
        assert fit.coefficients.estimate[place] == pytest.approx(pool.mu, rel=1e-12)


def test_frames_and_categories_are_tables_too() -> None:
    columns = {
        "age": [1, 2, 3, 4],
        "kind": ["a", "b", "a", "b"],
        "blind": [True, False, True, True],
    }
    plain = make_design(columns, ["age", "kind", "blind"])
    frame = pd.DataFrame(columns)
    for made in (
        make_design(frame, ["age", "kind", "blind"]),
        make_design(frame.astype({"kind": "category"}), ["age", "kind", "blind"]),
    ):
        np.testing.assert_array_equal(made.matrix, plain.matrix)
        assert made.names == plain.names == ("intercept", "age", "kind=b", "blind")


CODES = [3, 1, 10, 1, 3, 10]
CODED: dict[str, tuple[Any, tuple[str, ...]]] = {
    "categorical": (pd.Categorical(CODES), ("1", "3", "10")),
    "ordered": (pd.Categorical(CODES, categories=[10, 3, 1, 7], ordered=True), ("10", "3", "1")),
    "series": (pd.Series(pd.Categorical(CODES)), ("1", "3", "10")),
    "floats": (pd.Categorical([float(one) for one in CODES]), ("1", "3", "10")),
    "text": ([str(one) for one in CODES], ("1", "10", "3")),
    "array of text": (np.array([str(one) for one in CODES]), ("1", "10", "3")),
    "objects": (np.array([str(one) for one in CODES], dtype=object), ("1", "10", "3")),
    "strings": (pd.Series([str(one) for one in CODES], dtype="string"), ("1", "10", "3")),
}


@pytest.mark.parametrize("kind", CODED)
def test_a_category_of_codes_stays_a_category(kind: str) -> None:
    values, levels = CODED[kind]
    made = make_design({"dose": values}, ["dose"])
    assert made.levels == {"dose": levels}
    assert made.names == ("intercept", *(f"dose={one}" for one in levels[1:]))
    for level, column in zip(levels[1:], made.matrix.T[1:], strict=True):
        assert column.tolist() == [float(str(one) == level) for one in CODES]


@pytest.mark.parametrize(
    "values",
    [CODES, np.array(CODES), np.array(CODES, dtype=object), pd.Series(CODES, dtype="Int64")],
)  # fmt: skip
def test_numbers_are_numbers_until_they_are_called_categories(values: Any) -> None:
    assert make_design({"dose": values}, ["dose"]).matrix[:, 1].tolist() == CODES
    made = make_design({"dose": values}, ["dose"], categories=["dose"], reference={"dose": 3})
    assert made.levels == {"dose": ("3", "1", "10")}
    assert made.matrix[:, 1].tolist() == [float(one == 1) for one in CODES]


def test_what_is_no_whole_code_keeps_its_decimals() -> None:
    table = {"x": [0.5, 1.0, 0.5, -2.25]}
    assert make_design(table, ["x"], categories=["x"]).levels == {"x": ("-2.25", "0.5", "1")}


def test_references_are_of_factors() -> None:
    table = {"age": [1.0, 2.0, 3.0], "kind": ["a", "b", "a"], "code": [1, 2, 1]}
    with pytest.raises(EstimationError, match="'age', a column of numbers; factors: kind "):
        make_design(table, ["age", "kind"], reference={"age": "2"})
    with pytest.raises(EstimationError, match="'code', which is no term; factors: kind"):
        make_design(table, ["kind"], reference={"code": "2"})
    with pytest.raises(EstimationError, match="'3' is no level of code; there are 1, 2"):
        make_design(table, ["code"], reference={"code": 3}, categories=["code"])
    with pytest.raises(EstimationError, match="categories names 'age', which is no term"):
        make_design(table, ["kind"], categories=["age"])
    with pytest.raises(EstimationError, match=r"a list of columns, such as \['code'\]"):
        make_design(table, ["code"], categories="code")


@pytest.mark.parametrize(
    "values",
    [
        pd.Categorical([1, None, 2]), pd.Series(["a", pd.NA, "b"], dtype="string"),
        np.array(["a", np.nan, "b"]), np.array(["a", None, "b"], dtype=object),
        pd.Series([1, pd.NA, 2], dtype="Int64"), [1, "", 2], [1.0, None, 2.0],
        ["a", " \u200b", "b"],
        [1.0, float("inf"), 2.0],
    ],
)  # fmt: skip
def test_a_missing_value_is_refused_with_its_row(values: Any) -> None:
    with pytest.raises(EstimationError, match=r"x must be known for every effect \(row 1\)"):
        make_design({"x": values}, ["x"])


def test_two_spellings_of_a_level_are_one() -> None:
    made = make_design({"x": ["M\u00fcller", "Mu\u0308ller ", "other"]}, ["x"])
    assert made.levels == {"x": ("M\u00fcller", "other")}


@pytest.mark.parametrize("kind", CODED)
def test_groups_of_codes_are_compared_whatever_holds_them(kind: str) -> None:
    """Numbers by size and texts by text: a container's own order of categories moves nothing."""
    values, _ = CODED[kind]
    texts = all(isinstance(one, str) for one in values)
    levels = ("1", "10", "3") if texts else ("1", "3", "10")
    yi, vi = np.array([0.1, 0.5, 0.3, 0.7, 0.2, 0.9]), np.full(6, 0.1)
    found = fit_subgroups(yi, vi, values)
    assert found.levels == levels
    for level, fit in zip(levels, found.pooled, strict=True):
        rows = np.array([str(one) == level for one in CODES])
        assert fit.mu == pytest.approx(fit_random_effects(yi[rows], vi[rows]).mu, rel=1e-12)
    assert fit_subgroups(yi, vi, CODES).levels == ("1", "3", "10")
    for missing in ([1, 1, 2, 2, None, 1], np.array(["a", "b", "a", "b", np.nan, "a"])):
        with pytest.raises(EstimationError, match=r"levels must be known .* \(row 4\)"):
            fit_subgroups(yi, vi, missing)


def test_products_of_numbers() -> None:
    made = make_design({"x": [1.0, 2.0, 3.0], "z": [4.0, 5.0, 7.0]}, ["x", "z", "x:z", "x:x"])
    assert made.names == ("intercept", "x", "z", "x:z", "x:x")
    assert made.matrix[:, 3].tolist() == [4.0, 10.0, 21.0]
    assert made.matrix[:, 4].tolist() == [1.0, 4.0, 9.0]
    assert made.levels == {}


def test_no_terms_are_an_intercept() -> None:
    made = make_design({"x": [1.0, 2.0, 3.0]}, [])
    assert made.matrix.tolist() == [[1.0], [1.0], [1.0]]
    assert (made.names, made.terms) == (("intercept",), {})


@given(table=tables())
def test_designs_of_full_rank_are_accepted_and_others_refused(table: Table) -> None:
    made = make_design(table, ["age", "kind", "blind", "kind:blind"])
    full = np.linalg.matrix_rank(made.matrix) == len(made.names)
    if full:
        assert check_design(made.matrix, len(made.matrix)).shape == made.matrix.shape
        return
    with pytest.raises(EstimationError, match="columns of the design are not independent"):
        check_design(made.matrix, len(made.matrix))


@pytest.mark.parametrize(
    ("column", "message"),
    [
        ({"x": [1.0, float("nan"), 2.0]}, r"x must be known for every effect \(row 1\)"),
        ({"x": ["a", None, "b"]}, r"x must be known for every effect \(row 1\)"),
        ({"x": ["a", "b", ""]}, r"x must be known for every effect \(row 2\)"),
        (pd.DataFrame({"x": ["a", np.nan, "b"]}), r"x must be known for every effect \(row 1\)"),
        ({"x": ["a", "a", "a"]}, "x has one level only"),
    ],
)
def test_columns_that_cannot_enter(column: Table | pd.DataFrame, message: str) -> None:
    with pytest.raises(EstimationError, match=message):
        make_design(column, ["x"])


def test_names_that_do_not_exist() -> None:
    table = {"age": [1.0, 2.0, 3.0], "kind": ["a", "b", "a"]}
    with pytest.raises(EstimationError, match="no column 'yaer'; there are age, kind"):
        make_design(table, ["age", "yaer"])
    with pytest.raises(EstimationError, match="no column 'b'; there are age, kind"):
        make_design(table, ["age:b"])
    with pytest.raises(EstimationError, match="'c' is no level of kind; there are a, b"):
        make_design(table, ["kind"], reference={"kind": "c"})
    with pytest.raises(EstimationError, match="no term 'kind'; there are age"):
        make_design(table, ["age"]).constraints("kind")
