"""Participant rows as the readers give them, made of texts: typed, one frame per source and
outcome."""

from __future__ import annotations

import numpy as np
import pandas as pd

from validations.numbers import read_numbers

CATEGORIES = ("trial_id", "collection_id", "study_label", "source_id", "file", "found_in",
              "outcome", "scale_type", "arm", "cluster")  # fmt: skip


def typed_rows(records: pd.DataFrame) -> list[pd.DataFrame]:
    """Records of text as typed frames.

    Persons are numbered within the frame in order of appearance, an empty id is no one (-1).
    """
    whole = pd.DataFrame({"row": records["row"].astype("int32"), "block": np.int8(0)})
    for name in CATEGORIES:
        if name in records:
            texts = records[name].astype(object).where(records[name] != "", None)
            whole[name] = texts.astype("category")
    persons = records["participant"].astype(object).where(records["participant"] != "", None)
    whole["participant"] = pd.factorize(persons)[0].astype(np.int32)
    for name in ("value", "baseline"):
        whole[name], whole[f"read:{name}"] = read_numbers(list(records[name]))
    for name in ("scale_min", "scale_max"):
        if name in records:
            whole[name] = read_numbers(list(records[name]))[0]
    frames = []
    keys = ["collection_id", "source_id", "outcome"]
    for _, part in whole.groupby(keys, dropna=False, observed=True, sort=False):
        own = part.reset_index(drop=True)
        for name in own.columns.intersection(CATEGORIES):
            own[name] = own[name].cat.remove_unused_categories()
        frames.append(own)
    return frames
