"""Every trial: used, not used and why; one page per trial from numbers to file and row."""

from __future__ import annotations

import difflib
import math

from dashboard.blocks import (
    Block,
    Cell,
    Details,
    Figure,
    Heading,
    Links,
    Paragraph,
    Section,
    columns,
)
from dashboard.blocks import Table as BlockTable
from dashboard.context import Page
from dashboard.flow import flow_figure
from dashboard.pages.forest import with_downloads
from dashboard.trial_effects import LEFT_OUT, TrialEffect
from dashboard.wording import ci_name
from ibgap.figures.text import interval, number, whole
from ibgap.releases.view import Row, capital, counted, plural, words

_SIGNS = {"low": "+ low", "some_concerns": "? some concerns", "high": "\u2212 high",
          "no_information": "0 no information"}  # fmt: skip


def sections(page: Page) -> list[Section]:
    rows = _found(page)
    inside = {str(t["trial_id"]) for t in page.view.stack(page.state.synthesis).trials}
    own = [r for r in rows if r["synthesis"] == page.state.synthesis]
    others = [r for r in rows if r["synthesis"] != page.state.synthesis]
    blocks: list[Block] = [_table(page, f"Trials, {words(page.state.synthesis)}", own, inside)]
    if not rows:
        blocks.append(_closest(page))
    blocks.append(_tables_links(page))
    out = [Section("studies", "Studies", tuple(blocks))]
    if others:
        table = _table(page, "Trials of other syntheses", others, inside)
        out.append(Section("others", "Trials of other syntheses", (
            Details(plural(len(others), "trial"), (table,)),)))  # fmt: skip
    made = flow(page)
    if made is not None:
        out.append(Section("flow", "From files to pools", (made,)))
    return out


def flow(page: Page) -> Figure | None:
    made = flow_figure(page.base)
    return with_downloads(page, made, "flow")


def _found(page: Page) -> list[Row]:
    """Trials whose name, topic or citation holds every word of the search."""
    wanted = page.state.search.casefold().split()
    rows = page.base.rows("trials")
    if not wanted:
        return rows
    return [
        r for r in rows
        if all(w in f"{r['label']} {r['trial_id']} {r['topic']} {r['citation']}".casefold()
               for w in wanted)
    ]  # fmt: skip


def _closest(page: Page) -> Paragraph:
    labels = [str(r["label"]) for r in page.base.rows("trials")]
    near = difflib.get_close_matches(page.state.search, labels, n=3, cutoff=0.3)
    hint = f" Closest names: {', '.join(near)}." if near else ""
    return Paragraph(f"No trial matches the search.{hint}", "warning")


def _state_of(row: Row, inside: set[str], synthesis: str) -> str:
    if counted(row["k_in_pool"]) == 0:
        return "not used"
    if row["synthesis"] != synthesis:
        return "other synthesis"
    if row["trial_id"] not in inside:
        return "filtered out"
    used = row["has_behavior"] is True or row["use"] != "upstream only"
    return "in the selection" if used else "other constructs only"


def _table(page: Page, caption: str, rows: list[Row], inside: set[str]) -> BlockTable:
    effects = {p.trial_id: p for p in page.one.effects.trials}
    keys = {"label": lambda r: (str(r["label"]).casefold(),),
            "year": lambda r: (math.isnan(r["year"]), r["year"], str(r["label"]).casefold()),
            "weight": lambda r: (-_largest(r["n_analyzed"]),)}  # fmt: skip
    ordered = sorted(rows, key=keys.get(page.state.sort, keys["label"]))
    up = capital(words(page.upstream))
    head = columns(f"Trial | Year | Persons | {up} g | Behavior g | Risk of bias | State",
                   texts=("Risk of bias", "State"))  # fmt: skip
    cells = []
    for row in ordered:
        pair = effects.get(str(row["trial_id"]))
        both = (pair.upstream, pair.behavior) if pair is not None else (None, None)
        cells.append((
            Cell(str(row["label"] or row["trial_id"]), words(row["topic"]),
                 page.study(str(row["trial_id"]))),
            f"{row['year']:.0f}" if counted(row["year"]) else "\u2013",
            whole(row["n_analyzed"]),
            *_estimates(page, str(row["trial_id"]), both),
            _SIGNS.get(row["risk_of_bias"], "not judged"),
            Cell(_state_of(row, inside, page.state.synthesis), str(row["use"])),
        ))  # fmt: skip
    return BlockTable(caption, head, tuple(cells), "No trial matches.")


def _estimates(
    page: Page, trial: str, both: tuple[TrialEffect | None, TrialEffect | None]
) -> tuple[str, str]:
    """The two effects of a trial; what the selection leaves out says so."""
    absent = page.one.effects.absent(trial)
    first, second = (
        number(e.estimate) if e is not None else "left out" if absent[i] == LEFT_OUT else "\u2013"
        for i, e in enumerate(both)
    )
    return first, second


def _largest(value: object) -> float:
    return float(value) if isinstance(value, float | int) and value == value else 0.0


def _tables_links(page: Page) -> Links:
    items = tuple((form.upper(), page.api("studies", form), False)
                  for form in ("csv", "xlsx", "parquet", "json"))  # fmt: skip
    return Links("Download this table", items)


def study_sections(page: Page, trial_id: str) -> list[Section] | None:
    """The page of one trial; None when the release does not have it."""
    found = page.base.rows("trials", trial_id=trial_id)
    if not found:
        return None
    row = found[0]
    head: list[Block] = [_facts(row), _inclusion(page, row)]
    if row["citation"]:
        head.append(Paragraph(str(row["citation"])))
    if row["notes"]:
        head.append(Details("Notes", (Paragraph(str(row["notes"])),)))
    out = [Section("study", str(row["label"] or trial_id), tuple(head)), _effects(page, trial_id),
           _numbers(page, trial_id), _pairs(page, trial_id), _quality(page, trial_id)]  # fmt: skip
    return [section for section in out if section.blocks]


def _facts(row: Row) -> BlockTable:
    facts = [
        ("Year", f"{row['year']:.0f}" if counted(row["year"]) else "not given"),
        ("Country", row["country"] or "not given"), ("Topic", words(row["topic"])),
        ("Synthesis", words(row["synthesis"])), ("Design", words(row["design"])),
        ("Randomized", "yes" if row["randomized"] is True else "no"),
        ("Persons analyzed", whole(row["n_analyzed"])),
        ("Use", str(row["use"])),
        ("Risk of bias", _SIGNS.get(row["risk_of_bias"], "not judged")),
        ("License of the data", row["license"] or "not stated"),
    ]  # fmt: skip
    return BlockTable("Facts", columns("Property | Value", texts=("Value",)),
                      tuple((name, str(value)) for name, value in facts))  # fmt: skip


def _inclusion(page: Page, row: Row) -> Block:
    trial = str(row["trial_id"])
    out = trial in page.state.excluded
    state = page.state.toggled(trial)
    from dashboard.context import address

    text = "Take back into the pools" if out else "Leave out of the pools"
    return Links("", ((text, address("forest", state), False),
                      ("Back to the forest", page.url("forest"), False)))  # fmt: skip


def _effects(page: Page, trial_id: str) -> Section:
    """Effects on the common scale; the natural scales folded below."""
    rows = page.base.rows("effects", trial_id=trial_id)
    common = [r for r in rows if r["measure"] == "SMD"]
    blocks: list[Block] = [_effect_table(page, "Effects and what they rest on", common)]
    others = [r for r in rows if r["measure"] != "SMD"]
    if others:
        table = _effect_table(page, "Effects on natural scales", others)
        blocks.append(Details(f"{plural(len(others), 'effect')} on natural scales", (table,)))
    return Section("effects", "Effects", tuple(blocks))


def _effect_table(page: Page, caption: str, rows: list[Row]) -> BlockTable:
    head = columns(
        f"Outcome | Scale | Effect | {ci_name(page.base.level)} | Variance | In pools | Formula | "
        "File and rows",
        texts=("Scale", "In pools", "Formula", "File and rows"),
    )  # fmt: skip
    cells = tuple(
        (Cell(f"{capital(words(r['construct']))}: {r['outcome_label'] or words(r['outcome_id'])}",
              ", ".join(part for part in (words(r["comparison_id"]), _when(r)) if part)),
         str(r["measure"]), number(r["yi"], 3), interval(r["ci_lb"], r["ci_ub"], 3),
         number(r["vi"], 4), Cell("yes" if r["in_pool"] is True else "no", str(r["reason"])),
         Cell("", str(r["formula"]).replace("/", " / ")), Cell(str(r["file"]), str(r["rows"])))
        for r in rows
    )  # fmt: skip
    return BlockTable(caption, head, cells, "No effect.")


def _when(row: Row) -> str:
    weeks = f"{row['weeks']:g} weeks" if math.isfinite(row["weeks"]) else ""
    return ", ".join(part for part in (weeks, words(row["measured_by"])) if part)


def _numbers(page: Page, trial_id: str) -> Section:
    """Raw numbers of every outcome, as published."""
    rows = [
        r for table in ("intention_outcomes", "behavior_outcomes", "upstream_outcomes")
        for r in page.base.rows(table, trial_id=trial_id)
    ]  # fmt: skip
    if not rows:
        return Section("numbers", "Numbers", ())
    head = columns(
        "Outcome | Comparison | n | Mean (SD) or acted | n, comparator | "
        "Mean (SD) or acted | As printed",
        texts=("Comparison", "As printed"),
    )
    cells = tuple(
        (Cell(r["outcome_label"] or words(r["outcome_id"]), str(r["instrument"])),
         str(r["comparison_id"]), whole(r["n1"]), _arm(r, "1"), whole(r["n2"]), _arm(r, "2"),
         _printed(r))
        for r in rows
    )  # fmt: skip
    table = BlockTable("Numbers of the arms", head, cells)
    return Section("numbers", "Numbers behind the effects", (table,))


def _arm(row: Row, arm: str) -> str:
    events, mean, sd = (row[f"{name}{arm}"] for name in ("events", "m", "sd"))
    if math.isfinite(events):
        return f"{events:.0f} acted"
    return f"{number(mean)} ({number(sd)})" if math.isfinite(mean) else "\u2013"


def _printed(row: Row) -> str:
    if not row["reported_statistic"]:
        return ""
    value = f" {number(row['reported_value'], 3)}" if math.isfinite(row["reported_value"]) else ""
    return f"{row['reported_statistic']}{value}"


def _pairs(page: Page, trial_id: str) -> Section:
    rows = page.base.rows("paired_effects", trial_id=trial_id)
    if not rows:
        return Section("pairs", "Pairs", ())
    head = columns("Pair | Lag (weeks) | Within-arm correlation | Origin | Difference",
                   texts=("Origin",))  # fmt: skip
    cells = tuple(
        (Cell(f"{r['upstream_label']} and {r['behavior_label']}", str(r["comparison_id"])),
         number(r["lag_weeks"], 1), number(r["rho_within_arm"]), words(r["rho_origin"]),
         number(r["difference"]))
        for r in rows
    )  # fmt: skip
    table = BlockTable("Intention and behavior of the same comparison", head, cells)
    return Section("pairs", "Pairs", (table,))


def _quality(page: Page, trial_id: str) -> Section:
    blocks: list[Block] = []
    judged = page.base.rows("risk_of_bias", trial_id=trial_id)
    if judged:
        blocks += [Heading("Risk of bias"), BlockTable(
            "Judgments by domain", columns("Domain | Judgment", texts=("Judgment",)),
            tuple((words(r["domain"]), _SIGNS.get(r["judgment"], words(r["judgment"])))
                  for r in judged))]  # fmt: skip
    moderators = page.base.rows("moderators", trial_id=trial_id)
    if moderators:
        blocks += [Heading("Moderators"), BlockTable(
            "Declared moderators", columns("Moderator | Value", texts=("Value",)),
            tuple((Cell(words(r["moderator"]), words(r["barrier_dimension"])), str(r["value"]))
                  for r in moderators))]  # fmt: skip
    findings = page.base.rows("findings", trial_id=trial_id)
    if findings:
        head = columns("Finding | Message | What to do | State", wide=("Message", "What to do"),
                       texts=("State",))  # fmt: skip
        blocks += [Heading("Findings"), BlockTable("Findings of the checks", head, tuple(
            (Cell(words(r["rule_id"]), str(r["severity"])), str(r["message"]), str(r["fix"]),
             Cell(str(r["status"]), f"waived by {r['waived_by']}: {r['waiver_reason']}"
                  if r["waived_by"] else "")) for r in findings))]  # fmt: skip
    return Section("checks", "Judgments and findings", tuple(blocks))
