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
from numpy.typing import NDArray

from assets.disclosure.counts import confidential, protect_counts, rows_by_profile
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
    if not confidential(profiles):
        return out
    for column in (*_ROUNDED, "rows_read", "bytes", "stated_rows"):
        out[column] = pd.to_numeric(out[column]).astype(float)
    of_participants = _of_participants(frame)
    all_kept = np.asarray(frame["rows_read"] == frame["rows_kept"], dtype=bool)
    for profile, of_profile in rows_by_profile(frame["collection_id"], profiles):
        rows = of_profile & of_participants
        for column in _ROUNDED:
            out.loc[rows, column] = protect_counts(out.loc[rows, column], profile)
        whole = rows & all_kept
        out.loc[whole, "rows_read"] = protect_counts(out.loc[whole, "rows_read"], profile)
        out.loc[rows, ["bytes", "stated_rows"]] = np.nan
        out.loc[rows & ~whole, "rows_read"] = np.nan
        reasons = [_COUNT.sub("", str(text)) for text in out.loc[rows, "missing_reasons"]]
        out.loc[rows, "missing_reasons"] = reasons
        out.loc[rows, "withheld"] = f"counts {profile.value}, sizes withheld for disclosure"
    return out


def _of_participants(frame: pd.DataFrame) -> NDArray[np.bool_]:
    """Which rows are files of participants of their trial, by their bytes."""
    files = list(zip(frame["collection_id"], frame["sha256"], strict=True))
    kinds = frame["source_kind"] == SourceKind.PARTICIPANT_ROWS.value
    known = {file for file, kind in zip(files, kinds, strict=True) if kind}
    return np.array([file in known for file in files], dtype=bool)
