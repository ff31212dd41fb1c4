"""What was checked, what was found, and what the release was made from."""

from __future__ import annotations

from dashboard.blocks import Block, Cell, Details, Paragraph, Section, Table, columns
from dashboard.context import Page
from dashboard.file_accounts import reading_words, unused_columns, unusual
from dashboard.report_trials import findings_section
from ibgap.figures.text import whole
from ibgap.releases.opened import GoneError
from ibgap.releases.reader import NoReleaseError
from ibgap.releases.view import ReleaseView, plural, words


def sections(page: Page) -> list[Section]:
    view = page.base
    previous = _previous(page)
    return [
        Section("checks", "Checks", (_checks(view), _audits(view))),
        findings_section(view),
        Section("files", "Files read", tuple(_files(view))),
        Section("counts", "Tables", (_counts(view, previous),)),
        Section("withheld", "Withheld for disclosure", tuple(_withheld(view))),
        Section("inputs", "Inputs", (Details(
            f"{plural(len(view.record.get('inputs') or []), 'trial folder')} with their hashes",
            (_inputs(view),)),)),
        Section("software", "Settings and software", (_settings(view), _packages(view))),
        Section("runs", "Releases", (_releases(page),)),
    ]  # fmt: skip


def check_state(view: ReleaseView) -> tuple[str, str]:
    """The checks of a release in a word and a sentence: passed, warnings, failed."""
    checks = view.record.get("checks") or {}
    failed = sum(bool(c.get("failed_rules")) for c in checks.values())
    found = view.record.get("findings") or {}
    errors, warnings = found.get("error", 0), found.get("warning", 0)
    holds = sum(r["severity"] == "hold" and r["status"] == "open" for r in view.rows("findings"))
    if errors or holds:
        return "failed", f"{plural(errors, 'error')}, {plural(holds, 'open hold')}"
    if failed or warnings:
        return "warnings", plural(warnings, "warning")
    return "passed", "no finding"


def _checks(view: ReleaseView) -> Table:
    checks = view.record.get("checks") or {}
    rows = tuple(
        (words(kind), whole(c["accepted"]), whole(c["rejected"]),
         ", ".join(words(r) for r in c["failed_rules"]) or "none",
         "passed" if not c["failed_rules"] else "rows rejected")
        for kind, c in checks.items()
    )  # fmt: skip
    head = columns("Kind of record | Accepted | Rejected | Rules broken | State",
                   texts=("Rules broken", "State"))  # fmt: skip
    return Table("Records screened before use", head, rows, "Nothing was screened.")


def _audits(view: ReleaseView) -> Table:
    rows = tuple((text, "holds") for text in view.record.get("audits") or [])
    return Table("Promises across tables, audited before publishing",
                 columns("Promise | State", texts=("State",)), rows, "None recorded.")  # fmt: skip


def _previous(page: Page) -> ReleaseView | None:
    name = page.releases.previous(page.release_id)
    if not name:
        return None
    try:
        return page.releases.open(name)
    except (NoReleaseError, GoneError):
        return None


def _counts(view: ReleaseView, previous: ReleaseView | None) -> Table:
    now = view.record.get("counts") or {}
    before = (previous.record.get("counts") or {}) if previous else {}
    rows = []
    for name, count in now.items():
        change = "" if name not in before else f"{count - before[name]:+,}".replace("-", "\u2212")
        missing = view.table(name)
        share = 100 * float(missing.isna().to_numpy().mean()) if missing.size else 0.0
        rows.append(
            (
                Cell(name, href=f"./api/v1/tables/{name}.csv?release={view.release_id}"),
                whole(count),
                change if change != "+0" else "0",
                f"{share:.0f}%",
            )
        )
    head = columns("Table | Rows | Change since the release before | Missing values")
    return Table("Published tables", head, tuple(rows))


def _withheld(view: ReleaseView) -> list[Block]:
    rows = []
    for name in view.record.get("counts") or {}:
        frame = view.table(name)
        if "withheld" in frame:
            count = int((frame["withheld"].fillna("") != "").sum())
            if count:
                rows.append((name, whole(count), whole(len(frame))))
    if not rows:
        return [Paragraph("No row was changed for disclosure in this release.", "note")]
    head = columns("Table | Rows changed | Rows")
    return [Table("Rows whose counts or numbers were withheld or rounded", head, tuple(rows))]


_FILES = "files_read"


def _files(view: ReleaseView) -> list[Block]:
    """How every file was read, those with something unusual first."""
    if _FILES not in (view.record.get("counts") or {}):
        return [Paragraph("This release does not say how its files were read.", "note")]
    rows = view.rows(_FILES)
    doubts = {
        (r["trial_id"], r["file"]) for r in view.rows("findings", rule_id="encoding_doubtful")
    }
    told = [(r, unusual(r, (r["collection_id"], r["file"]) in doubts)) for r in rows]
    marked = sum(bool(found) for _, found in told)
    said = (
        f"{plural(len(rows), 'file')} read; {marked or 'none'} with something to look at: a hidden "
        "sheet, an encoding that is doubtful or not UTF-8, or an extent other than stated."
    )
    head = columns("File | To look at | Rows | Kept | Columns | Not used | Read as",
                   wide=("To look at", "Not used", "Read as"))  # fmt: skip
    shown = tuple(
        (
            Cell(r["file"], view.trial_label(r["collection_id"])),
            "; ".join(found) or "nothing unusual",
            whole(r["rows_read"]),
            whole(r["rows_kept"]),
            whole(r["columns_read"]),
            unused_columns(r),
            Cell(", ".join(reading_words(r)), r["withheld"]),
        )
        for r, found in sorted(told, key=lambda one: not one[1])
    )
    return [Paragraph(said), Table("Files and how they were read", head, shown)]


def _inputs(view: ReleaseView) -> Table:
    rows = tuple(
        (str(one["trial"]), str(f["file"]), str(f["sha256"])[:16])
        for one in view.record.get("inputs") or [] for f in one["files"]
    )  # fmt: skip
    return Table("Files", columns("Trial folder | File | SHA-256 (first 16)",
                                  texts=("File", "SHA-256 (first 16)")), rows)  # fmt: skip


def _settings(view: ReleaseView) -> Table:
    rows = tuple((words(name), str(value)) for name, value in view.settings.items())
    return Table("Settings", columns("Setting | Value", texts=("Value",)), rows)


def _packages(view: ReleaseView) -> Table:
    rows = tuple((name, str(v)) for name, v in (view.record.get("packages") or {}).items())
    return Table("Software", columns("Package | Version", texts=("Version",)), rows)


def _releases(page: Page) -> Table:
    rows = tuple(
        (Cell(h.release_id, href=page.url(release=h.release_id)), h.created_at.replace("T", " "))
        for h in page.releases.heads
    )
    return Table("Kept releases, newest first", columns("Release | Made", texts=("Made",)), rows)
