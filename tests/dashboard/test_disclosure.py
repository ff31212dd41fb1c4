"""The dashboard tells no more of a trial with participants than the published tables do."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from dashboard.pages import VIEWS
from tests.dashboard.made import Client, Effect, Made, Trial, main_trials, make_release
from tests.dashboard.test_views import check_page, path_of
from validations.manifest.vocabulary import DisclosureProfile

PROTECTED = "trial_01"
EXACT = (0.43217, 0.0312345)


def trials() -> list[Trial]:
    """Two protected trials, with numbers of many digits, among open ones."""
    out = main_trials(7)
    for place in (1, 3):
        effects = tuple(replace(e, yi=e.yi + 0.000431, vi=e.vi + 0.0000217)
                        for e in out[place].effects)  # fmt: skip
        out[place] = replace(out[place], effects=effects, profile=DisclosureProfile.ROUNDED)
    return out


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    return make_release(tmp_path_factory.mktemp("protected"), trials())


@pytest.fixture(scope="module")
def client(made: Made) -> Client:
    return Client(made.folder.parent)


def secret_digits() -> dict[str, tuple[float, float]]:
    return {f"{t.id}:{e.construct}{e.name}": (e.yi, e.vi) for t in trials() for e in t.effects
            if t.profile == DisclosureProfile.ROUNDED}  # fmt: skip


@pytest.mark.parametrize(
    "query", ["", "?scope=full", "?tau=DL", "?topic=physical_activity", "?r=0.8", "?excl=trial_00"]
)
def test_effects_of_protected_trials_are_the_published_ones(
    client: Client, made: Made, query: str
) -> None:
    published = made.tables["effects"].set_index("effect_id")
    exact = secret_digits()
    rows = [r for r in client.data(f"/api/v1/effects.json{query}")["data"]
            if r["effect_id"] in exact]  # fmt: skip
    assert rows
    for row in rows:
        like = published.loc[row["effect_id"]]
        assert (row["yi"], row["vi"]) == (like["yi"], like["vi"])
        assert row["yi"] != exact[row["effect_id"]][0]
        assert row["yi"] == round(row["yi"], 3)


def numbers_in(data: object) -> list[float]:
    if isinstance(data, dict):
        return [n for v in data.values() for n in numbers_in(v)]
    if isinstance(data, list):
        return [n for v in data for n in numbers_in(v)]
    return [data] if isinstance(data, float) else []


def test_no_answer_holds_an_exact_number_of_a_protected_trial(client: Client) -> None:
    """Filters that leave one trial alone would give its effect with every digit."""
    secrets = [v for pair in secret_digits().values() for v in pair]
    others = "&".join(f"excl={t.id}" for t in trials() if t.id != PROTECTED)
    for query in ("", f"?{others}", "?topic=physical_activity", f"?excl={PROTECTED}", "?r=0",
                  "?tau=EE&ci=wald"):  # fmt: skip
        for endpoint in ("effects", "pairs", "pool", "gap", "influence", "moderators", "bias",
                         "sensitivity"):  # fmt: skip
            found = numbers_in(client.data(f"/api/v1/{endpoint}.json{query}")["data"])
            for value in found:
                assert all(abs(value - s) > 1e-9 for s in secrets), (endpoint, query)
    record = client.data(f"/api/v1/study.json?trial={PROTECTED}")["data"]
    assert all(abs(v - s) > 1e-9 for v in numbers_in(record) for s in secrets)


@pytest.mark.parametrize("protected", [PROTECTED, "trial_03"])
@pytest.mark.parametrize("tau", ["EE", "DL"])
def test_a_trial_added_and_removed_gives_only_its_published_digits(
    client: Client, made: Made, protected: str, tau: str
) -> None:
    """With a common effect, both pools give the trial's effect and variance exactly: those of
    the table. With others, the trial alone does."""
    pools = {}
    others = [t.id for t in trials() if t.id != protected][:2]
    for name, out in (("with", []), ("without", [protected])):
        rest = [t.id for t in trials() if t.id not in (*others, protected)] + out
        query = "&".join(f"excl={i}" for i in rest) + f"&tau={tau}&ci=wald"
        pools[name] = {r["construct"]: r for r in client.data(f"/api/v1/pool.json?{query}")["data"]
                       if r["measure"] == "SMD"}  # fmt: skip
    effects = made.tables["effects"]
    for construct in ("intention", "behavior"):
        own = effects[(effects["trial_id"] == protected) & (effects["construct"] == construct)
                      & (effects["measure"] == "SMD")]  # fmt: skip
        if construct not in pools["without"] or len(own) != 1 or tau != "EE":
            continue
        w1, w0 = (1.0 / pools[n][construct]["se"] ** 2 for n in ("with", "without"))
        solved = (w1 * pools["with"][construct]["mu"] - w0 * pools["without"][construct]["mu"]) / (
            w1 - w0
        )
        assert solved == pytest.approx(float(own["yi"].iloc[0]), abs=1e-9)
        assert 1.0 / (w1 - w0) == pytest.approx(float(own["vi"].iloc[0]), abs=1e-9)


@pytest.mark.parametrize("query", [f"excl={PROTECTED}", "excl=trial_00", "both=1", "tau=DL"])
def test_the_registered_result_does_not_give_a_protected_trial_away(
    client: Client, made: Made, query: str
) -> None:
    """What is published of the whole was pooled from exact numbers; with a live result from
    rounded ones, their difference tells at most how all roundings together moved it."""
    rows = {r["construct"]: r for r in client.data(f"/api/v1/influence.json?{query}")["data"]
            if r["trial_id"] == PROTECTED}  # fmt: skip
    pooled = {
        r["construct"]: r
        for r in client.data(f"/api/v1/pool.json?excl={PROTECTED}")["data"]
        if r["measure"] == "SMD"
    }
    if query == "tau=DL":
        return
    for construct, row in rows.items():
        if query == f"excl={PROTECTED}":
            raise AssertionError("a trial that is left out has no influence")
        assert row["mu_without"] != pooled[construct]["mu"]


def test_a_live_pool_with_nothing_left_out_is_of_published_numbers(made: Made) -> None:
    """Rounded numbers in, so the result is near the registered one but not the same."""
    client = Client(made.folder.parent)
    live = {r["construct"]: r for r in client.data("/api/v1/pool.json?year_min=1900")["data"]
            if r["measure"] == "SMD"}  # fmt: skip
    for construct in ("intention", "behavior"):
        dated = [
            r
            for r in made.rows(
                "pooled_effects", synthesis="main", subset="all", measure="SMD", construct=construct
            )
            if r["is_primary"]
        ]
        assert live[construct]["mu"] == pytest.approx(dated[0]["mu"], abs=0.02)
        assert live[construct]["mu"] != dated[0]["mu"]


# effects that are withheld entirely ---------------------------------------------


@pytest.fixture(scope="module")
def withheld(tmp_path_factory: pytest.TempPathFactory) -> tuple[Client, Made]:
    """Arms too small to count: the effect is not published and cannot be pooled again."""
    some = main_trials(6)
    hidden = Trial("hidden", (Effect("intention", 0.31234, 0.0000123),
                              Effect("behavior", 0.12345, 0.0000234)), "Hidden 2024", n=8.0,
                   profile=DisclosureProfile.ROUNDED)  # fmt: skip
    made = make_release(tmp_path_factory.mktemp("withheld"), [*some, hidden], whole=False)
    return Client(made.folder.parent), made


def test_withheld_effects_are_left_out_and_counted(withheld: tuple[Client, Made]) -> None:
    client, made = withheld
    own = made.rows("effects", trial_id="hidden")
    assert all(math.isnan(r["vi"]) and r["reason"].startswith("withheld") for r in own)
    forest = check_page(client.get("/forest").text)
    assert "Hidden 2024" in forest.text and "withheld" in forest.text
    for view in VIEWS:
        answer = client.get(path_of(view, "tau=DL"))
        assert answer.status_code == 200
        check_page(answer.text)
    live = {r["construct"]: r for r in client.data("/api/v1/pool.json?tau=DL")["data"]
            if r["measure"] == "SMD"}  # fmt: skip
    registered = {r["construct"]: r for r in client.data("/api/v1/pool.json")["data"]
                  if r["measure"] == "SMD" and r["is_primary"]
                  and r["subset"] == "all"}  # fmt: skip
    for construct in ("intention", "behavior"):
        assert live[construct]["k_trials"] == registered[construct]["k_trials"] - 1


def test_withheld_effects_are_said_wherever_a_selection_is_pooled(
    withheld: tuple[Client, Made],
) -> None:
    client, _ = withheld
    for path in ("/?tau=DL", "/forest?tau=DL", "/gap?topic=help_seeking"):
        text = client.get(path).text
        assert "withheld" in text or "not published" in text, path
    notes = client.data("/api/v1/pool.json?tau=DL")["notes"]
    assert any("withheld" in n or "not published" in n for n in notes)
