"""The answer at a glance: three results, what they mean in persons, how they came about."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from analysis.dependent.composites import make_composites
from analysis.natural import extra_per_hundred
from analysis.synthesis.stack import having
from analysis.synthesis.verdicts import narrow_note
from analysis.univariate.many import Pools, cumulative, pool_subsets
from dashboard.blocks import (
    Block,
    Cards,
    Details,
    Figure,
    Heading,
    Paragraph,
    Section,
    Table,
    columns,
)
from dashboard.context import Page
from dashboard.forest_figure import panel_of, subtotal_of, tone_of, with_narrow
from dashboard.pages.forest import state_notes, subtotals, with_downloads
from dashboard.report_synthesis import answer_section
from dashboard.wording import ci_name, ci_of, is_gap, is_narrow, is_ok, narrow_words
from ibgap.figures import draw_forest, draw_trend
from ibgap.figures.model import (
    Forest,
    ForestSubtotal,
    Trend,
    TrendPoint,
    TrendSeries,
)
from ibgap.figures.text import interval, number, whole
from ibgap.releases.view import Row, capital, plural, words

_RELEASES_SHOWN = 12
_SHARES = (0.1, 0.2, 0.3, 0.5)
_CARD_VIEWS = ("forest", "forest", "gap")


def sections(page: Page) -> list[Section]:
    answer = answer_section(page.one)
    found = [replace(answer, blocks=(*_linked(page, answer.blocks), *state_notes(page)))]
    classes = classes_figure(page)
    if classes is not None:
        found.append(Section("classes", "By kind of behavior", (classes,)))
    persons = _persons(page)
    if persons:
        found.append(Section("persons", "In persons", tuple(persons)))
    found.append(_over_time(page))
    return found


def _linked(page: Page, blocks: tuple[Block, ...]) -> list[Block]:
    """The cards lead to the view that shows more."""
    out: list[Block] = []
    for block in blocks:
        if isinstance(block, Cards):
            cards = zip(block.cards, _CARD_VIEWS, strict=True)
            out.append(Cards(tuple(replace(card, href=page.url(view)) for card, view in cards)))
        else:
            out.append(block)
    return out


def classes_figure(page: Page) -> Figure | None:
    """One pooled line per topic of the trials; None with a single topic."""
    facets = page.selected.facets
    groups = dict(zip(facets.ids, facets.topics, strict=True))
    known = subtotals(page, groups)
    if len(known) < 2:
        return None
    constructs = (page.upstream, "behavior")
    rows = tuple(
        ForestSubtotal(
            with_narrow(
                capital(words(name)) or "Not given", [known[name].get(c) for c in constructs]
            ),
            tuple(subtotal_of(known[name].get(c)) for c in constructs),
        )
        for name in sorted(known, key=lambda n: (n == "", n))
    )
    pooled = page.one.pooled
    forest = Forest(
        "Pooled effects by kind of behavior",
        f"{plural(len(rows), 'kind')} of behavior, each with its own pooled effects.",
        tuple(panel_of(c, pooled.get(c)) for c in constructs), rows, weights=False,
        level=page.view.level, pooled_label="All trials", row_header="Kind",
    )  # fmt: skip
    table = Table(
        "Pooled effects by kind of behavior",
        columns(f"Kind | {capital(words(page.upstream))} g | {ci_name(page.view.level)} | Trials | "
                f"Behavior g | {ci_name(page.view.level)} | Trials"),
        tuple((capital(words(n)) or "Not given", *_cells(known[n].get(page.upstream)),
               *_cells(known[n].get("behavior"))) for n in sorted(known)),
    )  # fmt: skip
    made = Figure(draw_forest, forest, "classes", forest.description, (table,))
    return with_downloads(page, made, "classes")


def _cells(row: Row | None) -> tuple[str, str, str]:
    if row is None:
        return "\u2013", "\u2013", "0"
    return number(row["mu"]), ci_of(row), whole(row["k_trials"])


def _persons(page: Page) -> list[Block]:
    """What the pooled behavior effect means in persons who act."""
    row = page.one.pooled.get("behavior")
    if row is None or not is_ok(row):
        return []
    level = ci_name(page.view.level)
    rows = []
    for share in _SHARES:
        middle, low, high = (
            float(extra_per_hundred(row[name], share)[0]) for name in ("mu", "ci_lb", "ci_ub")
        )
        rows.append((f"{100 * share:.0f} of 100", number(middle, 1), interval(low, high, 1)))
    table = Table(
        "More persons of 100 who act, by how many act anyway",
        columns(f"Act without the intervention | More of 100 act | {level}"), tuple(rows),
    )  # fmt: skip
    note = (
        "The pooled effect on behavior turned into persons: acting is taken as a tendency above a "
        "threshold. It is a translation, not another estimate."
    )
    note = " ".join(part for part in (note, narrow_words(row)) if part)
    blocks: list[Block] = [table, Paragraph(note, "note")]
    counted = next(
        (r for r in page.one.pooled_rows
         if r["measure"] == "RD" and r["construct"] == "behavior" and r["subset"] == "all"), None,
    )  # fmt: skip
    if counted is not None and math.isfinite(counted["mu"]):
        low, high = 100 * counted["ci_lb"], 100 * counted["ci_ub"]
        blocks.append(Paragraph(
            f"Where acting was counted directly ({plural(counted['k_trials'], 'trial')} with a "
            f"yes-or-no behavior), {number(100 * counted['mu'], 1)} more of 100 acted "
            f"({level} {number(low, 1)} to {number(high, 1)}). {narrow_words(counted)}".rstrip()
        ))  # fmt: skip
    return blocks


def _over_time(page: Page) -> Section:
    blocks: list[Block] = [Heading("From release to release")]
    trend = trend_figure(page)
    if trend is None:
        blocks.append(Paragraph("One release so far; the next refresh adds a point.", "note"))
    else:
        blocks.append(trend)
    years = years_figure(page)
    if years is not None:
        blocks.append(Details("As the evidence grew, year by year", (years,)))
    return Section("time", "Over time", tuple(blocks))


def trend_figure(page: Page) -> Figure | None:
    """The primary results of the last releases; None with a single release."""
    heads = page.releases.heads[:_RELEASES_SHOWN][::-1]
    labels = _release_labels([h.release_id for h in heads], [h.day for h in heads])
    points: dict[str, list[TrendPoint]] = {page.upstream: [], "behavior": [], "gap": []}
    for head in heads:
        found = page.releases.headline(head.release_id)
        if found is None:
            continue
        here = page.url("overview", release=head.release_id)
        label = labels[head.release_id]
        for row in _own(found["pooled_effects"], page):
            if row["construct"] in points:
                points[row["construct"]].append(_trend_point(label, row, row["mu"], here))
        for row in _own(found["gap_estimates"], page):
            if is_gap(row):
                points["gap"].append(_trend_point(label, row, row["estimate"], here))
    if max(len(own) for own in points.values()) < 2:
        return None
    trend = Trend(
        "Primary results of the last releases",
        f"The last {len(heads)} releases: pooled effects and the difference in each.",
        tuple(
            TrendSeries(_series_name(name, page), "ink" if name == "gap" else tone_of(name),
                        tuple(own))
            for name, own in points.items()
        ),
    )  # fmt: skip
    return with_downloads(page, _trend_block(trend, "trend", "Release", page), "trend")


def _own(rows: list[Row], page: Page) -> list[Row]:
    return [row for row in rows if row["synthesis"] == page.state.synthesis]


def _series_name(name: str, page: Page) -> str:
    return (
        f"{capital(words(page.upstream))} minus behavior" if name == "gap" else capital(words(name))
    )


def _release_labels(ids: list[str], days: list[str]) -> dict[str, str]:
    """The day; with the time where a day has several releases (ids begin with both)."""
    out = {}
    for one, day in zip(ids, days, strict=True):
        clock = one[9:13] if len(one) > 13 and one[9:13].isdigit() else ""
        shown = f"{day[5:]} {clock[:2]}:{clock[2:]}" if clock and days.count(day) > 1 else day
        out[one] = shown if shown not in out.values() else f"{shown} ({one[-4:]})"
    return out


def _trend_point(label: str, row: Row, value: float, href: str) -> TrendPoint:
    note = "narrow interval" if is_narrow(row) else ""
    return TrendPoint(label, value, row["ci_lb"], row["ci_ub"], note, href)


def years_figure(page: Page) -> Figure | None:
    """Pooled effects of the trials published up to each year; None without two years."""
    stack = page.view.stack(page.state.synthesis)
    facets = page.selected.facets
    years = dict(zip(facets.ids, facets.years.tolist(), strict=True))
    series = []
    for construct in (page.upstream, "behavior"):
        part = stack.select(having("construct", construct))
        dated = [t for t in part.trials if math.isfinite(years.get(str(t["trial_id"]), math.nan))]
        if len({years[str(t["trial_id"])] for t in dated}) < 2:
            continue
        known = part.select(having("trial_id", *(t["trial_id"] for t in dated)))
        when = np.array([years[str(t["trial_id"])] for t in known.trials])
        composites = make_composites(known.blocks([construct]))
        order = np.argsort(when, kind="stable")
        settings = page.view.analysis
        pools = pool_subsets(
            composites.yi, composites.vi, cumulative(order), method=settings.tau2_method,
            ci_method=settings.ci_method, level=settings.level,
        )  # fmt: skip
        last = {int(when[i]): place for place, i in enumerate(order)}
        points = tuple(
            TrendPoint(str(year), float(pools.mu[i]), float(pools.ci_lb[i]), float(pools.ci_ub[i]),
                       _year_note(pools, composites.vi[order[: i + 1]], i, settings.level))
            for year, i in last.items()
        )  # fmt: skip
        series.append(TrendSeries(capital(words(construct)), tone_of(construct), points))
    if not series:
        return None
    places = sorted({p.label for s in series for p in s.points})
    order_of = {label: i for i, label in enumerate(places)}
    series.sort(key=lambda s: order_of[s.points[0].label])
    trend = Trend(
        "Pooled effects of the trials up to each year",
        "Each point pools the trials that were published until then.", tuple(series),
    )  # fmt: skip
    return with_downloads(page, _trend_block(trend, "years", "Until", page), "years")


def _year_note(pools: Pools, vi: np.ndarray, i: int, level: float) -> str:
    """How many trials a point pools, and whether its interval is narrow."""
    narrow = narrow_note(float(pools.ci_lb[i]), float(pools.ci_ub[i]), vi, level)
    return plural(int(pools.k[i]), "trial") + (", narrow interval" if narrow else "")


def _trend_block(trend: Trend, figure_id: str, first: str, page: Page) -> Figure:
    rows = tuple(
        (p.label, s.name, number(p.estimate), interval(p.ci_lb, p.ci_ub), p.note)
        for s in trend.series for p in s.points
    )  # fmt: skip
    head = columns(f"{first} | Outcome | g | {ci_name(page.view.level)} | Trials",
                   texts=("Outcome", "Trials"))  # fmt: skip
    return Figure(draw_trend, trend, figure_id, trend.description,
                  (Table(trend.title, head, rows),))  # fmt: skip
