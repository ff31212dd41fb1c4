"""The forest of a selection: sorted, grouped, trials left out and taken back."""

from __future__ import annotations

from dataclasses import replace

from analysis.synthesis.pooled_effects import pool_construct
from analysis.synthesis.stack import Stack, having
from dashboard.blocks import Block, Figure, Links, Paragraph, Section
from dashboard.context import Page
from dashboard.forest_figure import ForestOptions, forest_figure
from dashboard.query import COLUMNS, SORTS
from dashboard.report_synthesis import FULL_FOREST, pooled_blocks, synthesis_title
from ibgap.releases.view import Row, capital, plural, words

FULL_ROWS = 200


def sections(page: Page) -> list[Section]:
    """The figure with its controls, then the pooled effects."""
    blocks: list[Block] = [*controls(page)]
    if len(page.one.effects.trials) > FULL_ROWS:
        blocks.append(Paragraph(
            f"{plural(len(page.one.effects.trials), 'trial')} are more than {FULL_ROWS} rows can "
            "show, so only the pooled rows are drawn: filter or group them, or see Studies.",
            "note"))  # fmt: skip
    blocks.append(figure(page))
    blocks += state_notes(page)
    name = capital(words(page.upstream))
    title = f"{name} and behavior, trial by trial"
    return [
        Section("forest", title, tuple(blocks)),
        Section("pooled", "Pooled effects", tuple(pooled_blocks(page.one))),
    ]


def state_notes(page: Page) -> list[Block]:
    """What a reader must know of very small and empty selections."""
    count = len(page.one.effects.trials)
    if count == 0:
        return [Paragraph("No trial is left: take a filter back (see the list above).", "warning")]
    notes = []
    for construct, row in page.one.pooled.items():
        if construct in (page.upstream, "behavior") and row["k_trials"] == 2:
            which = "are left with" if page.view.is_selection else "measured"
            notes.append(f"Only 2 trials {which} {words(construct)}: the interval is unstable.")
    return [Paragraph(text, "warning") for text in notes]


def controls(page: Page) -> list[Block]:
    """Sorting, grouping and columns, as links."""
    state = page.state
    sorts = tuple(
        (text.replace("intention", words(page.upstream)), page.url(sort=key), key == state.sort)
        for key, text in SORTS.items()
    )
    groups = [("no grouping", page.url(group=""), state.group == "")]
    for key, text in group_choices(page):
        groups.append((text, page.url(group=key), key == state.group))
    columns = tuple(
        (text, page.url(columns=_toggled(state.columns, key)), key in state.columns)
        for key, text in COLUMNS.items()
    )
    return [
        replace(outcome_links(page), narrow_only=True), Links("Sort by", sorts),
        Links("Group by", tuple(groups)), Links("Show", columns),
    ]  # fmt: skip


def outcome_links(page: Page) -> Links:
    """The two outcomes as a choice."""
    return Links("Outcome", tuple(
        (capital(words(construct)), page.url(outcome=key), page.state.outcome == key)
        for key, construct in (("upstream", page.upstream), ("behavior", "behavior"))
    ))  # fmt: skip


def _toggled(columns: tuple[str, ...], key: str) -> tuple[str, ...]:
    return tuple(c for c in COLUMNS if (c in columns) != (c == key))


def group_choices(page: Page) -> list[tuple[str, str]]:
    """Properties the trials can be grouped by: (key, name)."""
    facets = page.selected.facets
    out = [("topic", "topic")] if len(set(facets.topics)) > 1 else []
    if len({j for j in facets.judgments if j}) > 1:
        out.append(("rob", "risk of bias"))
    return out + [(one.name, words(one.name)) for one in facets.categories]


def groups_of(page: Page) -> dict[str, str]:
    """The group of every trial by the state; empty without grouping."""
    facets, key = page.selected.facets, page.state.group
    if key == "topic":
        return dict(zip(facets.ids, facets.topics, strict=True))
    if key == "rob":
        return dict(zip(facets.ids, facets.judgments, strict=True))
    for one in facets.categories:
        if one.name == key:
            return {i: one.values.get(i, "") for i in facets.ids}
    return {}


def subtotals(page: Page, groups: dict[str, str]) -> dict[str, dict[str, Row]]:
    """Pooled rows by group and construct, by the pipeline's function."""
    stack = page.view.stack(page.state.synthesis)
    out: dict[str, dict[str, Row]] = {}
    for name in set(groups.values()):
        part = Stack(tuple(t for t in stack.trials if groups.get(str(t["trial_id"])) == name))
        for construct in (page.upstream, "behavior"):
            if not part.select(having("construct", construct)).trials:
                continue
            identity: Row = {"synthesis": page.state.synthesis, "construct": construct,
                             "subset": name, "measure": "SMD"}  # fmt: skip
            rows = pool_construct(part, construct, page.view.analysis, identity,
                                  hierarchical=False)  # fmt: skip
            out.setdefault(name, {})[construct] = rows[0]
    return out


def figure(page: Page) -> Figure:
    """The side-by-side forest of the selection."""
    one, state, facets = page.one, page.state, page.selected.facets
    groups = groups_of(page)
    many = len(one.effects.trials) > (FULL_ROWS if page.name == "forest" else FULL_FOREST)
    ghost = {} if page.is_primary else page.primary.pooled
    options = ForestOptions(
        pooled_only=many,
        sort=state.sort,
        columns=state.columns,
        groups=groups,
        subtotals=subtotals(page, groups) if groups else {},
        ghost=ghost,
        ghost_label=ghost_label(page),
        left_out=page.left_out,
        judgments=dict(zip(facets.ids, facets.judgments, strict=True)),
        years=dict(zip(facets.ids, facets.years.tolist(), strict=True)),
        href=page.study,
        toggle=page.toggle,
    )
    name = synthesis_title(one)
    made = forest_figure(one.effects, one.pooled, one.primary_gap(), name, "forest", options)
    (_, svg), *_ = page.downloads("forest-narrow")
    return with_downloads(page, replace(made, narrow_src=svg), "forest")


def ghost_label(page: Page) -> str:
    """What the hollow row of a selection is called."""
    return "Registered analysis" if page.base.protocol else "Primary analysis"


def narrow_figure(page: Page) -> Figure:
    """One outcome of the forest, for a narrow screen."""
    one = page.one
    options = ForestOptions(
        pooled_only=len(one.effects.trials) > FULL_ROWS, sort=page.state.sort, narrow=page.outcome,
        groups=groups_of(page), ghost={} if page.is_primary else page.primary.pooled,
        ghost_label=ghost_label(page),
        years=dict(zip(page.selected.facets.ids, page.selected.facets.years.tolist(), strict=True)),
    )  # fmt: skip
    title = synthesis_title(one)
    return forest_figure(one.effects, one.pooled, None, title, "forest-narrow", options)


def with_downloads(page: Page, made: Figure, name: str) -> Figure:
    return replace(made, figure_id=f"figure-{name}", downloads=page.downloads(name))
