"""The dashboard against its budgets, and beside app frameworks.

Every server is a process of its own on a made release. The browser part needs Playwright and a
Chromium (in the PATH or named by BROWSER_PATH) and is left out with a note where they are missing.
"""

from __future__ import annotations

import argparse
import gzip
import itertools
import os
import re
import shutil
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.releases import COUNTRIES, TOPICS, make_release
from benchmarks.serving import Reader, Server, load, reader
from benchmarks.timing import text
from dashboard.query import State, to_query
from dashboard.report import render_report

SIZES = (60, 200, 400)
BUDGET_SIZE, COMPARED_SIZE = 200, 60
_BROWSER_FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip
_FIGURE = "#forest svg.figure"
_CHANGE = """([name, value, figure]) => new Promise((done) => {
  const box = [...document.getElementsByName(name)].find((e) => e.value === value);
  const old = document.querySelector(figure);
  const start = performance.now();
  new MutationObserver((_, watch) => {
    const now = document.querySelector(figure);
    if (!now || now === old) return;
    watch.disconnect();
    requestAnimationFrame(() => done(performance.now() - start));
  }).observe(document.body, { childList: true, subtree: true });
  box.click();
})"""


@dataclass(frozen=True)
class Repeats:
    """How often each time is taken."""

    starts: int = 5
    filters: int = 40
    readers: int = 20
    openings: int = 7
    changes: int = 20
    at_once: int = 50
    seconds: float = 5.0


QUICK = Repeats(starts=2, filters=10, openings=3, changes=6, seconds=1.0)


@dataclass(frozen=True)
class Line:
    """One line of the table. measured, budget: in one unit; nan, '' without a budget."""

    what: str
    trials: int
    shown: str
    measured: float = float("nan")
    budget: float = float("nan")
    limit: str = ""

    @property
    def verdict(self) -> str:
        if not self.limit:
            return ""
        return "pass" if self.measured <= self.budget else "OVER"


@dataclass(frozen=True)
class Framework:
    """One row of the comparison: process start to figure in the browser s, figure ms, KB sent,
    requests, filter ms (median, p95), server MB with 1 and with 21 readers, and MB per further
    reader."""

    name: str
    start: float
    figure: float
    kilobytes: float
    requests: int
    change: float
    change_p95: float
    one: float
    many: float
    each: float


# From a comparison of frameworks made before the dashboard was built: one page of 60 trials with
# forest, funnel, table and a filter that pools again, in each of them. They were measured then, on
# a busy machine with two cores, and are not measured again here.
FRAMEWORKS = (
    Framework("Dash 4.4 + Plotly", 4.4, 2879, 6011, 18, 213, 312, 81, 123, 2.1),
    Framework("Streamlit 1.67 + Plotly", 5.4, 3615, 9104, 121, 220, 441, 165, 168, 0.2),
    Framework("Panel 1.9 + Bokeh", 5.7, 1397, 3565, 30, 472, 616, 121, 156, 1.8),
    Framework("Shiny 1.8 + Plotly", 5.7, 4351, 15638, 26, 2955, 3597, 165, 185, 1.0),
    Framework("Shiny 1.8 + the same SVG", 1.8, 705, 1306, 18, 54, 66, 68, 72, 0.2),
    Framework("marimo 0.25 + Altair", 7.3, 4534, 7810, 326, 538, 723, 142, 184, 2.1),
)


def _p95(times: list[float]) -> float:
    return float(np.quantile(times, 0.95))


def _spread(times: list[float]) -> str:
    return f"{text(statistics.median(times))}, p95 {text(_p95(times))}"


def new_filters(trials: int) -> Iterator[str]:
    """Canonical queries that were never asked for: a trial left out, four topics, later years,
    one setting, all with most trials still in."""
    for number in itertools.count():
        fresh = State(n_min=90 + number / 10)
        left_out = f"trial_{number % trials + 1:03d}"
        kinds = (
            replace(fresh, excluded=(left_out,)),
            replace(fresh, topic=TOPICS[:4]),
            replace(fresh, year_min=2000.0 + number % 5),
            replace(fresh, moderators=(("setting", ("clinic", "school")),)),
        )
        yield to_query(kinds[number % len(kinds)])


class Bench:
    """Measures one release after the other and keeps what the comparison needs."""

    def __init__(self, homes: dict[int, Path], repeats: Repeats) -> None:
        self.homes, self.repeats = homes, repeats
        self.own: dict[str, float] = {}

    def lines(self) -> Iterator[Line]:
        for trials in (COMPARED_SIZE, BUDGET_SIZE):
            yield self._start(trials)
        for trials in SIZES:
            with Server(self.homes[trials]) as server, reader(server) as one:
                for path in ("/forest", "/api/v1/pool.json"):
                    one.get(path)
                yield from self._weights(one, trials)
                yield from self._filters(one, trials)
                yield from self._prints(one, trials)
        yield from self._browser()
        for trials in (COMPARED_SIZE, BUDGET_SIZE):
            yield self._memory(trials)
        yield from self._load(BUDGET_SIZE)
        yield from self._report(COMPARED_SIZE)

    def _keep(self, trials: int, **found: float) -> None:
        if trials == COMPARED_SIZE:
            self.own |= found

    def _start(self, trials: int) -> Line:
        times = []
        for _ in range(self.repeats.starts):
            begun = time.perf_counter()
            with Server(self.homes[trials]) as server, reader(server) as one:
                one.get("/forest")
                times.append(time.perf_counter() - begun)
        found = statistics.median(times)
        self._keep(trials, start=found)
        return Line("process start to first forest page answered", trials, text(found))

    def _weights(self, one: Reader, trials: int) -> Iterator[Line]:
        page = one.get("/forest")
        html = gzip.decompress(page).decode()
        parts = re.findall(r'<(?:link|script)[^>]* (?:href|src)="\./(static/[^"]+)"', html)
        sent = {part: one.get(f"/{part}") for part in parts}
        total = (len(page) + sum(map(len, sent.values()))) / 1e3
        self._keep(trials, kilobytes=total, requests=1 + len(parts))
        shown = f"{total:.1f} KB in {1 + len(parts)} requests, {len(html) / 1e3:.0f} KB unpacked"
        yield Line("forest page, sent", trials, shown, total, 150, "150 KB")
        if trials == COMPARED_SIZE:
            code = sum(
                len(gzip.decompress(sent[part])) for part in parts if ".js" in part
            ) / 1e3  # fmt: skip
            yield Line("JavaScript, unpacked", trials, f"{code:.1f} KB", code, 10, "10 KB")

    def _filters(self, one: Reader, trials: int) -> Iterator[Line]:
        queries = new_filters(trials)
        again = [one.timed("/forest") for _ in range(self.repeats.filters)]
        yield Line("forest page asked again", trials, _spread(again))
        for what, path in (("JSON of the pooled effects", "/api/v1/pool.json"),
                           ("forest page", "/forest")):  # fmt: skip
            times = [
                one.timed(f"{path}?{query}")
                for query in itertools.islice(queries, self.repeats.filters)
            ]
            line = Line(f"new filter to {what} answered", trials, _spread(times))
            if trials == BUDGET_SIZE:
                line = replace(line, measured=_p95(times), budget=0.15, limit="p95 150 ms")
            yield line

    def _prints(self, one: Reader, trials: int) -> Iterator[Line]:
        svg = len(gzip.decompress(one.get("/figure/forest.svg")))
        yield Line("forest as SVG file", trials, f"{svg / 1e3:.0f} KB")
        first = one.timed("/figure/forest.pdf")
        second = one.timed("/figure/forest.pdf?excl=trial_002")
        shown = f"{text(second)} ({text(first)} with the start of its process)"
        yield Line("forest as PDF", trials, shown)

    def _browser(self) -> Iterator[Line]:
        try:
            with _chromium() as browser:
                for trials in (COMPARED_SIZE, BUDGET_SIZE):
                    with Server(self.homes[trials]) as server:
                        yield from self._openings(browser, server, trials)
                        yield from self._changes(browser, server, trials)
        except _NoBrowserError as missing:
            yield Line(f"browser: left out, {missing}", 0, "")

    def _openings(self, browser: Any, server: Server, trials: int) -> Iterator[Line]:
        """Each in a new context, so that nothing is in the browser's cache."""
        with reader(server) as one:
            one.get("/forest")
        times, asked = [], []
        for _ in range(self.repeats.openings):
            context = browser.new_context(viewport={"width": 1440, "height": 900})
            page = context.new_page()
            urls: list[str] = []
            page.on("request", lambda request, urls=urls: urls.append(request.url))
            start = time.perf_counter()
            page.goto(f"{server.url}/forest", wait_until="commit")
            page.wait_for_selector(_FIGURE, state="attached")
            times.append(time.perf_counter() - start)
            page.wait_for_load_state("networkidle")
            asked += urls
            context.close()
        median = statistics.median(times)
        self._keep(trials, figure=median)
        yield Line("browser: forest in the page, cold cache", trials, text(median), median, 0.5,
                   "0.5 s")  # fmt: skip
        foreign = sum(not url.startswith((server.url, "data:")) for url in asked)
        yield Line("browser: requests to other hosts", trials, str(foreign), foreign, 0, "0")

    def _changes(self, browser: Any, server: Server, trials: int) -> Iterator[Line]:
        """Every change makes a selection that was not there before; most trials stay in."""
        boxes = [("country", c) for c in COUNTRIES[:3]] + [("topic", t) for t in TOPICS[:2]]
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        page.goto(f"{server.url}/forest?{to_query(State(country=COUNTRIES, topic=TOPICS))}")
        page.wait_for_selector(_FIGURE, state="attached")
        times = []
        for number in range(1, self.repeats.changes + 1):
            lowest_bit = (number & -number).bit_length() - 1
            box = boxes[lowest_bit]
            times.append(page.evaluate(_CHANGE, [*box, _FIGURE]) / 1e3)
        page.close()
        self._keep(trials, change=statistics.median(times), change_p95=_p95(times))
        line = Line("browser: new filter to redrawn forest", trials, _spread(times))
        if trials == BUDGET_SIZE:
            line = replace(line, measured=_p95(times), budget=0.15, limit="p95 150 ms")
        yield line

    def _memory(self, trials: int) -> Line:
        """Each reader has a connection of its own: first all on one page, then each with a filter
        of its own."""
        queries = new_filters(trials)
        with Server(self.homes[trials]) as server, ExitStack() as stack:
            first, *others = [
                stack.enter_context(reader(server)) for _ in range(1 + self.repeats.readers)
            ]
            first.get("/forest")
            first.get(f"/forest?{next(queries)}")
            one = server.memory()
            for other in others:
                other.get("/forest")
            same = server.memory()
            for other in others:
                other.get(f"/forest?{next(queries)}")
            many = server.memory()
        each, reading = (many - one) / len(others), (same - one) / len(others)
        self._keep(trials, one=one, many=many, each=each)
        shown = f"{one:.0f} / {many:.0f} MB, {each:.2f} each ({reading:.2f} on the same page)"
        what = f"server memory with 1 / {1 + len(others)} readers"
        return Line(what, trials, shown, each, 0.5, "0.5 MB each")

    def _load(self, trials: int) -> Iterator[Line]:
        """Readers at once on pages somebody has asked for; then one request in ten is new."""
        views = ("/", "/forest", "/gap", "/heterogeneity", "/moderators", "/studies")
        queries = new_filters(trials)
        known = [*views, *(f"/forest?{next(queries)}" for _ in range(6))]
        with Server(self.homes[trials]) as server:
            with reader(server) as one:
                for path in known:
                    one.get(path)
            shared = itertools.cycle(known)
            mixed = (
                f"/forest?{next(queries)}" if number % 10 == 0 else next(shared)
                for number in itertools.count(1)
            )
            for what, paths in (("known pages", shared), ("1 in 10 a new filter", mixed)):
                found = load(
                    server, self.repeats.at_once, self.repeats.seconds, lambda p=paths: next(p)
                )
                shown = (
                    f"{found.per_second:.0f} requests/s, p95 {text(_p95(found.times))}, "
                    f"{found.errors} errors"
                )
                yield Line(f"{self.repeats.at_once} readers at once, {what}", trials, shown)

    def _report(self, trials: int) -> Iterator[Line]:
        folder = (self.homes[trials] / "current").resolve()
        size = len(render_report(folder).encode()) / 1e3
        times = []
        for _ in range(3):
            start = time.perf_counter()
            render_report(folder)
            times.append(time.perf_counter() - start)
        shown = f"{text(statistics.median(times))}, {size:.0f} KB"
        yield Line("self-contained report, rendered", trials, shown)


class _NoBrowserError(Exception):
    """Playwright or a Chromium is missing."""


@contextmanager
def _chromium() -> Iterator[Any]:
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        raise _NoBrowserError("Playwright is not installed") from None
    names = (os.environ.get("BROWSER_PATH", ""), "chromium", "chromium-browser", "google-chrome")
    found = next((path for name in names if name and (path := shutil.which(name))), None)
    if found is None:
        raise _NoBrowserError("no Chromium was found")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=_BROWSER_FLAGS)
        try:
            yield browser
        finally:
            browser.close()


def _print_lines(lines: Iterator[Line]) -> None:
    print(f"{'what':<54} {'trials':>6}  {'measured':<56} {'budget':<12} verdict")
    for line in lines:
        trials = str(line.trials) if line.trials else ""
        print(f"{line.what:<54} {trials:>6}  {line.shown:<56} {line.limit:<12} {line.verdict}"
              .rstrip(), flush=True)  # fmt: skip


def _print_comparison(own: dict[str, float]) -> None:
    nan = float("nan")
    figure = own.get("figure", nan)
    here = Framework(
        "ibgap, now", own["start"] + figure, 1e3 * figure, own["kilobytes"],
        int(own["requests"]), 1e3 * own.get("change", nan), 1e3 * own.get("change_p95", nan),
        own["one"], own["many"], own["each"],
    )  # fmt: skip
    print(f"\nBeside app frameworks, {COMPARED_SIZE} trials; theirs are figures of a comparison "
          "made before\nthe dashboard was built, on another page and day, not measured "
          "again here")  # fmt: skip
    print(f"{'':<26} {'start s':>8} {'figure ms':>10} {'KB (requests)':>15} "
          f"{'filter ms (p95)':>16} {'MB 1 / 21 (each)':>20}")  # fmt: skip
    for one in (here, *FRAMEWORKS):
        sent = f"{one.kilobytes:,.0f} ({one.requests})"
        change = f"{one.change:,.0f} ({one.change_p95:,.0f})"
        memory = f"{one.one:.0f} / {one.many:.0f} ({one.each:.2g})"
        print(f"{one.name:<26} {one.start:>8.1f} {one.figure:>10,.0f} {sent:>15} "
              f"{change:>16} {memory:>20}")  # fmt: skip


def run(*, quick: bool = False) -> None:
    """Measure and print both tables."""
    print(f"Dashboard (load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores before)")
    with tempfile.TemporaryDirectory() as temporary:
        homes = {}
        for trials in SIZES:
            homes[trials] = make_release(Path(temporary) / str(trials), trials)
        bench = Bench(homes, QUICK if quick else Repeats())
        _print_lines(bench.lines())
        _print_comparison(bench.own)
    print(f"(load average {os.getloadavg()[0]:.1f} after)")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few repeats, to see that it works")
    run(quick=parser.parse_args().quick)


if __name__ == "__main__":
    main()
