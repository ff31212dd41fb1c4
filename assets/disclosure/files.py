"""What may be published of the files of confidential trials: their rows are persons.

The sizes of a file of participants follow from each other (a sheet states its header too, rows
that a condition leaves out are counted in a finding), and two rounded numbers whose difference
is known can give both away. So of numbers that can differ by a known amount one is published.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np
import pandas as pd

from assets.disclosure.counts import confidential, protect_count
from validations.manifest.vocabulary import DisclosureProfile, SourceKind

_ROUNDED = ("blank_rows", "rows_kept", "persons", "shared_persons")
_COUNT = re.compile(r" \d+(?=;|$)")


def protect_files(frame: pd.DataFrame, profiles: Mapping[str, DisclosureProfile]) -> pd.DataFrame:
    """The table of files with the profile of each trial applied to its files of participants.

    profiles: collection_id -> profile. Also a file of another kind is protected whose bytes are
    those of a file of participants of the trial. Counts are treated like other counts of persons;
    the size, what the file states, the rows read where some were left out, and the numbers of
    missing cells are withheld. The column `withheld` says so.
    """
    out = frame.assign(withheld="")
    if out.empty:
        return out
    for trial, profile in confidential(profiles).items():
        rows = _of_participants(out, trial)
        for column in _ROUNDED:
            out[column] = _rounded(out[column], rows, profile)
        whole = rows & (frame["rows_read"] == frame["rows_kept"]).to_numpy()
        out["rows_read"] = _rounded(out["rows_read"], whole, profile)
        for column, hidden in (
            ("bytes", rows), ("stated_rows", rows), ("rows_read", rows & ~whole)
        ):  # fmt: skip
            out[column] = pd.to_numeric(out[column]).astype(float).mask(hidden)
        reasons = [_COUNT.sub("", str(text)) for text in out.loc[rows, "missing_reasons"]]
        out.loc[rows, "missing_reasons"] = reasons
        out.loc[rows, "withheld"] = f"counts {profile.value}, sizes withheld for disclosure"
    return out


def _of_participants(frame: pd.DataFrame, trial: str) -> np.ndarray:
    """Which rows are files of participants of a trial, by their bytes."""
    here = (frame["collection_id"] == trial).to_numpy()
    kind = (frame["source_kind"] == SourceKind.PARTICIPANT_ROWS.value).to_numpy()
    known = set(frame.loc[here & kind, "sha256"])
    return np.asarray(here & frame["sha256"].isin(known).to_numpy())


def _rounded(column: pd.Series, rows: np.ndarray, profile: DisclosureProfile) -> pd.Series:
    counts = pd.to_numeric(column).astype(float)
    return counts.mask(rows, counts.map(lambda count: protect_count(count, profile)))
