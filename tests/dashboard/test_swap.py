"""Readers while a refresh switches releases: every answer is of one release, none fails."""

from __future__ import annotations

import asyncio
import re
import threading
import time

import httpx

from dashboard.app import make_app
from tests.dashboard.conftest import Site
from tests.dashboard.made import main_trials, make_release, switch

PATHS = ["/", "/forest", "/gap", "/studies", "/changes", "/forest?tau=DL&topic=vaccination",
         "/api/v1/pool.json", "/api/v1/gap.json", "/api/v1/pool.json?excl=trial_01",
         "/api/v1/studies.json", "/api/v1/releases.json", "/figure/forest.svg", "/health",
         "/tables/effects.parquet", "/report", "/bundle.zip"]  # fmt: skip
READERS, ROUNDS, SECONDS = 50, 4, 15.0


def test_readers_never_see_half_of_a_release(small_site: Site) -> None:
    folder, ids = small_site.folder, [small_site.old.id, small_site.new.id]
    app = make_app(folder)
    transport = httpx.ASGITransport(app=app)
    pooled: dict[tuple[str, str], str] = {}
    pages: dict[tuple[str, str], str] = {}
    problems: list[str] = []
    stop, swaps = threading.Event(), [0]

    def swap() -> None:
        while not stop.is_set():
            switch(folder, ids[swaps[0] % 2])
            swaps[0] += 1
            time.sleep(0.002)

    def judge(path: str, answer: httpx.Response) -> None:
        if answer.status_code != 200:
            problems.append(f"{path}: {answer.status_code} {answer.text[:200]}")
            return
        if path.startswith("/api/v1/") and "releases" not in path:
            data = answer.json()
            found = (path, data["meta"]["release"])
            if pooled.setdefault(found, str(data["data"])) != str(data["data"]):
                problems.append(f"{path}: two answers of one release")
        elif answer.headers["content-type"].startswith("text/html") and path != "/report":
            named = set(re.findall(r"Release (2024\d+-\d+-\w+)\.", answer.text))
            if len(named) != 1:
                problems.append(f"{path}: releases {named}")
            main = answer.text.split("<main", 1)[1]
            found = (path, named.pop())
            if pages.setdefault(found, main) != main:
                problems.append(f"{path}: two pages of one release")

    async def read(client: httpx.AsyncClient, number: int) -> None:
        for turn in range(ROUNDS):
            path = PATHS[(number + 7 * turn) % len(PATHS)]
            judge(path, await client.get(path))

    async def crowd() -> None:
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            async with asyncio.timeout(60):
                await asyncio.gather(*(read(client, n) for n in range(READERS)))

    thread = threading.Thread(target=swap)
    thread.start()
    try:
        asyncio.run(crowd())
    finally:
        stop.set()
        thread.join()
    assert not problems, problems[:5]
    assert swaps[0] > 10
    seen = {release for _, release in pooled}
    assert seen <= set(ids)
    for (path, release), text in pooled.items():
        fixed = small_site.client.data(f"{path}{'&' if '?' in path else '?'}release={release}")
        assert str(fixed["data"]) == text, "the numbers are those of the release that is named"


def test_a_refresh_that_prunes_while_readers_read(small_site: Site) -> None:
    """The oldest release goes away for good; its readers get it from memory or a 410."""
    import shutil

    client, old = small_site.client, small_site.old.id
    asked = [("GET", f"/{view}?release={old}", {}) for view in ("forest", "gap", "changes")]
    assert {a.status_code for a in client.ask(asked)} == {200}
    done = threading.Event()

    def refresh() -> None:
        make_release(small_site.folder, main_trials()[:2], whole=False,
                     made_at="2024-07-01T00:00:00+00:00")  # fmt: skip
        shutil.rmtree(small_site.old.folder)
        done.set()

    thread = threading.Thread(target=refresh)
    thread.start()
    statuses = set()
    while not done.is_set():
        statuses |= {a.status_code for a in client.ask([*asked, ("GET", "/", {})])}
    thread.join()
    statuses |= {a.status_code for a in client.ask([*asked, ("GET", "/", {})])}
    assert statuses <= {200, 410}
