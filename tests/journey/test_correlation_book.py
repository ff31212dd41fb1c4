"""The within-arm correlation of two outcomes: which origin comes first, and its value."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from analysis.dependent.covariances import latent_from_phi, latent_from_point_biserial
from analysis.effect_sizes import smd_to_correlation, within_arm_correlation
from analysis.synthesis.settings import AnalysisSettings
from assets.outcomes.participants import ParticipantFacts
from assets.pairs.correlation_book import CorrelationBook, WithinArm, latent_correlation
from tests.journey.frames import NAN, record, same
from tests.journey.manifests import manifest

FACTS = {"t": ParticipantFacts(within_arm={("i", "b"): (0.4, 30, 0.02)})}
UP, ACT = record("i"), record("b", "behavior", yi=0.2)


def book(
    *pairs: dict[str, Any], facts: dict[str, ParticipantFacts] | None = None,
    columns: list[tuple[str, str, str, str]] | None = None, **settings: Any,
) -> CorrelationBook:  # fmt: skip
    values = pd.DataFrame(columns or [], columns=["trial_id", "comparison", "column", "value"])
    own = manifest({"a": "experimental", "c": "control"}, pairs=list(pairs))
    return CorrelationBook({"t": own}, facts or {}, values, AnalysisSettings(**settings))


def declared(
    value: float | None, origin: str = "reported_within_arm", **more: Any
) -> dict[str, Any]:
    given = {"origin": origin} | more | ({} if value is None else {"value": value})
    return {"upstream": "i", "behavior": "b", "correlation": given}


def equal(found: WithinArm, **expected: Any) -> bool:
    return all(same(getattr(found, name), value) for name, value in expected.items())


def test_without_anything_known_it_is_assumed() -> None:
    for pairs in ((), ({"upstream": "i", "behavior": "b"},)):
        found = book(*pairs).within_arm(UP, ACT, 0.35)
        assert equal(found, r=0.35, origin="assumed", n=NAN, variance=NAN, fault="")


def test_two_measures_of_one_construct() -> None:
    own = book(declared(0.1), within_construct_correlation=0.55)
    for assumed, r in ((0.35, 0.55), (0.7, 0.7)):
        found = own.within_arm(UP, record("i2"), assumed)
        assert equal(found, r=r, origin="assumed")
        found = own.within_arm(ACT, record("b2", "behavior"), assumed)
        assert equal(found, r=r, origin="assumed")


@pytest.mark.parametrize("basis", ["participant_rows", "intention_by_action"])
def test_participants_come_first(basis: str) -> None:
    up, act = UP | {"basis": basis}, ACT | {"basis": basis}
    own = book(declared(0.1), facts=FACTS)
    for one, two in ((up, act), (act, up)):
        found = own.within_arm(one, two, 0.5)
        assert equal(found, r=0.4, origin="participant_data", n=30.0, variance=0.02)
    assert equal(own.within_arm(up | {"turned": True}, act, 0.5), r=-0.4)
    assert equal(own.within_arm(up | {"turned": True}, act | {"turned": True}, 0.5), r=0.4)
    assert equal(own.within_arm(up | {"trial_id": "u"}, act, 0.5), r=0.1)
    assert equal(own.within_arm(up | {"outcome_id": "i2"}, act, 0.5), origin="assumed")


@pytest.mark.parametrize("which", [0, 1])
def test_both_outcomes_must_rest_on_the_persons(which: int) -> None:
    bases = ["participant_rows", "participant_rows"]
    bases[which] = "arm_summaries"
    found = book(facts=FACTS).within_arm(UP | {"basis": bases[0]}, ACT | {"basis": bases[1]}, 0.5)
    assert equal(found, r=0.5, origin="assumed")


@pytest.mark.parametrize("origin", ["reported_within_arm", "borrowed"])
def test_declared_correlations(origin: str) -> None:
    own = book(declared(0.45, origin))
    variance = (1 - 0.45**2) ** 2 / 87
    for one, two in ((UP, ACT), (ACT, UP)):
        found = own.within_arm(one, two, 0.5)
        assert equal(found, r=0.45, origin=origin, n=90.0, variance=variance, fault="")
    turned = own.within_arm(UP, ACT | {"turned": True}, 0.5)
    assert equal(turned, r=-0.45, variance=variance)
    assert equal(own.within_arm(UP, record("b2", "behavior"), 0.5), origin="assumed")


@pytest.mark.parametrize(
    ("about", "up", "n", "rest"),
    [
        ({"n": 23}, {}, 23.0, 20.0), ({}, {"n1": NAN}, 50.0, 47.0), ({}, {"n2": NAN}, 40.0, 37.0),
        ({}, {"n1": NAN, "n2": 3.0}, 3.0, NAN), ({}, {"n1": NAN, "n2": 4.0}, 4.0, 1.0),
    ],
)  # fmt: skip
def test_persons_that_a_declared_correlation_rests_on(
    about: dict[str, Any], up: dict[str, float], n: float, rest: float
) -> None:
    found = book(declared(0.45, **about)).within_arm(UP | up, ACT, 0.5)
    assert equal(found, n=n, variance=(1 - 0.45**2) ** 2 / rest)


def test_the_first_declared_pair_that_has_a_value_counts() -> None:
    pairs = [
        {"upstream": "i", "behavior": "b"}, declared(0.9) | {"behavior": "b2"},
        declared(None, column="r"), declared(0.2), declared(0.3),
    ]  # fmt: skip
    assert equal(book(*pairs).within_arm(UP, ACT, 0.5), r=0.2)
    found = book(*pairs, columns=[("t", "", "r", "0.7")]).within_arm(UP, ACT, 0.5)
    assert equal(found, r=0.7, origin="reported_within_arm")


COLUMNS = [("t", "", "r", "0.61"), ("t", "low", "r", "0.62"), ("t/x", "", "r", "0.63"),
           ("t", "high", "r", "n.r."), ("t", "", "other", "0.64")]  # fmt: skip


@pytest.mark.parametrize(
    ("about", "r"),
    [
        ({}, 0.61), ({"comparison": "low"}, 0.62), ({"comparison": "high"}, 0.61),
        ({"trial_id": "t/x", "comparison": "low"}, 0.63), ({"trial_id": "u"}, 0.5),
    ],
)  # fmt: skip
def test_correlations_from_a_column(about: dict[str, Any], r: float) -> None:
    own = book(declared(None, column="r"), columns=COLUMNS)
    assert equal(own.within_arm(UP | about, ACT | about, 0.5), r=r)


@pytest.mark.parametrize("value", ["1", "-1", "1.3"])
def test_a_column_may_hold_what_is_no_correlation(value: str) -> None:
    own = book(declared(None, column="r"), columns=[("t", "", "r", value)])
    found = own.within_arm(UP, ACT, 0.5)
    assert equal(found, r=0.5, origin="assumed")
    assert (
        found.fault
        == f"its declared correlation is {value}, and a correlation lies between -1 and 1"
    )


def test_total_correlations_lose_what_the_arms_add() -> None:
    up, act = UP | {"yi": 0.9}, ACT | {"yi": 0.7, "n1": 30.0, "n2": 20.0}
    with_arm = [smd_to_correlation(0.9, 40, 50)[0], smd_to_correlation(0.7, 30, 20)[0]]
    expected = within_arm_correlation(0.45, *with_arm)[0]
    own = book(declared(0.45, "reported_total"))
    found = own.within_arm(up, act, 0.5)
    assert equal(found, r=expected, origin="reported_total", n=90.0)
    assert 0.3 < expected < 0.42
    turned = own.within_arm(up | {"turned": True}, act, 0.5)
    assert equal(turned, r=within_arm_correlation(-0.45, *with_arm)[0])


@pytest.mark.parametrize("missing", ["n1", "n2"])
def test_groups_of_unknown_size_count_as_equal(missing: str) -> None:
    own = book(declared(0.45, "reported_total"))
    found = own.within_arm(UP | {"yi": 0.9, missing: NAN}, ACT | {"yi": 0.7}, 0.5)
    one, two = smd_to_correlation(0.9, 1e6, 1e6)[0], smd_to_correlation(0.7, 40, 50)[0]
    assert equal(found, r=within_arm_correlation(0.45, one, two)[0])


@pytest.mark.parametrize(("effects", "said"), [((3.0, 3.0), "-"), ((1e9, 0.2), "nan")])
def test_a_total_correlation_that_contradicts_the_effects(
    effects: tuple[float, float], said: str
) -> None:
    own = book(declared(-0.45, "reported_total"))
    found = own.within_arm(UP | {"yi": effects[0]}, ACT | {"yi": effects[1]}, 0.5)
    assert equal(found, r=0.5, origin="assumed", n=NAN)
    assert "its total correlation of -0.45 contradicts the effects" in found.fault
    assert f"it would be {said}" in found.fault


def test_latent_correlations() -> None:
    within = WithinArm(0.3, "participant_data")
    one, two = UP | {"share": 0.3}, ACT | {"share": 0.2}
    assert latent_correlation(within, UP, ACT) == 0.3
    serial = latent_from_point_biserial(0.3, 0.2)
    assert latent_correlation(within, UP, two) == pytest.approx(serial)
    assert latent_correlation(within, one, ACT) == pytest.approx(
        latent_from_point_biserial(0.3, 0.3)
    )
    both = latent_from_phi(0.3, 0.3, 0.2)
    assert latent_correlation(within, one, two) == pytest.approx(both)
    assert len({0.3, round(serial, 4), round(both, 4)}) == 3
    for origin in ("assumed", "borrowed"):
        assert latent_correlation(WithinArm(0.3, origin), one, two) == 0.3
    assert not np.isnan(both)
