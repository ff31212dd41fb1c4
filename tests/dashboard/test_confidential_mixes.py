"""Whatever confidential trials a release mixes, every page and endpoint answers; an estimate that
does not exist is a reason."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from analysis.errors import EstimationError
from dashboard import api
from dashboard.pages import FIGURES, VIEWS
from tests.dashboard.made import Client, Effect, Trial, main_trials, make_release
from validations.manifest.vocabulary import DisclosureProfile as Profile

FILTERS = (
    "n_min=1", "both=1", "topic=help_seeking", "topic=vaccination&by=record", "by=self_report",
    "r=0", "r=0.8&both=1", "tau=DL", "tau=EE&ci=wald", "weeks_min=4", "year_min=2012",
    "excl=t0", "randomized=1&out=behavior",
)  # fmt: skip
VIEWS_AND_FILES = [
    *(f"/{name if name != 'overview' else ''}" for name in VIEWS),
    *(f"/api/v1/{name}.json" for name in api.ENDPOINTS),
    *(f"/figure/{name}.svg" for name in FIGURES),
]


def mix(seed: int) -> list[Trial]:
    """One to six trials of 4 to 6,000 persons, with variances down to .0007, near-perfect
    correlations and up to four effects."""
    random = np.random.default_rng(seed)
    out = []
    for i in range(int(random.integers(1, 7))):
        n = float(int(np.exp(random.uniform(np.log(4), np.log(6000)))))
        effects = []
        for k in range(int(random.integers(1, 5))):
            kind = ("intention", "behavior", "behavior", "attitude")[int(random.integers(0, 4))]
            effects.append(Effect(
                kind, float(random.normal(0.3, 0.4)), float(4 / n * random.uniform(1, 9)),
                ("record", "self_report")[k % 2], float(4 * k), f"{k}", bool(random.random() < 0.5),
            ))  # fmt: skip
        rho = float(random.choice([-0.99, 0.0, 0.6, 0.999]))
        profile = (Profile.ROUNDED, Profile.BASIC, Profile.NONE)[int(random.integers(0, 3))]
        out.append(Trial(
            f"t{i}", tuple(effects), topic=("help_seeking", "vaccination")[i % 2], n=n, rho=rho,
            origin="participant_data", year=2010.0 + i, profile=profile,
        ))  # fmt: skip
    return out


@pytest.mark.parametrize("seed", range(4))
def test_every_address_answers(seed: int, tmp_path: Path) -> None:
    make_release(tmp_path, mix(seed), whole=False)
    client = Client(tmp_path)
    random = np.random.default_rng(seed)
    for query in random.choice(FILTERS, 3, replace=False):
        for path in VIEWS_AND_FILES:
            answer = client.follow(f"{path}?{query}")
            assert answer.status_code in (200, 404), (path, query, answer.text[:300])
            assert answer.status_code == 200 or "nothing to draw" in answer.text


@pytest.fixture(scope="module")
def failing(tmp_path_factory: pytest.TempPathFactory) -> Client:
    folder = tmp_path_factory.mktemp("failing")
    make_release(folder, main_trials(5), whole=False)
    return Client(folder)


REASONS = [EstimationError("the trials contradict each other"), ZeroDivisionError(),
           np.linalg.LinAlgError("singular")]  # fmt: skip


@pytest.mark.parametrize("error", REASONS)
def test_an_unforeseen_error_of_an_estimator_is_a_reason(
    failing: Client, error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr("analysis.synthesis.pooled_effects.pool_outcome", fail)
    page = failing.get(f"/forest?n_min={1 + REASONS.index(error)}")
    assert page.status_code == 200
    assert "This selection cannot be computed" in page.text
    assert "Take back a filter" in page.text
    answer = failing.get(f"/api/v1/pool.json?n_min={1 + REASONS.index(error)}")
    assert answer.status_code == 422
    assert answer.json()["error"] == "This selection cannot be computed"
    if isinstance(error, EstimationError):
        assert "contradict each other" in page.text
        assert "contradict each other" in answer.json()["details"][0]
    figure = failing.get("/health")
    assert figure.status_code == 200
