"""The one door of labels: names of trials, studies, arms, outcomes, clusters, persons, levels.

Two spellings that a person cannot tell apart are one label; what is empty is no label; labels
that differ only in case, accents or punctuation are alike, which is told and never decided.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from typing import Any

_UNMARKED = {"Cc", "Cf", "Zl", "Zp", "Zs"}
_MADE_BY_NUMPY = frozenset({"nan", "None", "NaT", "<NA>"})
"""What missing values turn into when numpy makes an array of texts of them."""


def clean_label(text: str) -> str:
    """The label as it is compared and shown.

    Unicode NFC; every run of blanks (also no-break ones, tabs and line ends) is one space, none
    at the ends; zero-width, bidirectional and control characters are gone.

    >>> clean_label("  Mu\\u0308ller\\u00a0\\u200b 2010\\u202e")
    'Müller 2010'
    """
    if type(text) is str and text.isascii() and text.isprintable() and "  " not in text:
        return text.strip()
    kept = []
    for character in unicodedata.normalize("NFC", text):
        if character.isspace():
            kept.append(" ")
        elif unicodedata.category(character) not in _UNMARKED:
            kept.append(character)
    return unicodedata.normalize("NFC", " ".join("".join(kept).split()))


def is_missing_label(value: object) -> bool:
    """Whether a value is no label: None, nan, NA, NaT, texts without a visible character, and the
    words that numpy makes of missing values ("nan", "None", "NaT", "<NA>") in a text of numpy.

    >>> [is_missing_label(one) for one in (None, float("nan"), " ", "None", "0", 0)]
    [True, True, True, False, False, False]
    """
    if isinstance(value, str | bytes):
        text = value.decode(errors="replace") if isinstance(value, bytes) else value
        return not clean_label(text) or (is_text_of_numpy(value) and text in _MADE_BY_NUMPY)
    if value is None:
        return True
    try:
        return bool(value != value)
    except (TypeError, ValueError, ArithmeticError):  # pandas' NA has no truth value
        return True


def missing_labels(labels: Iterable[Any]) -> list[int]:
    """Positions (from 0) of the labels that are missing, whatever holds them.

    >>> missing_labels(["a", "", None])
    [1, 2]
    """
    texts = is_text_of_numpy(labels)
    return [
        i
        for i, one in enumerate(labels)
        if is_missing_label(one) or (texts and one in _MADE_BY_NUMPY)
    ]


def is_text_of_numpy(labels: object) -> bool:
    """Whether something is an array of texts of numpy, or one of its texts, that knows no missing
    value of its own."""
    dtype = getattr(labels, "dtype", None)
    kind = getattr(dtype, "kind", "")
    return kind in ("U", "S") or (kind == "T" and not hasattr(dtype, "na_object"))


def folded(text: str) -> str:
    """What is left of a label without case, accents, blanks and punctuation; what stands between
    two digits stays as a point, since 1.5 is not 15.

    >>> folded("Müller, et al. (2010)") == folded("muller et al 2010")
    True
    """
    if text.isascii() and text.isalnum():
        return text.lower()
    plain = unicodedata.normalize("NFKD", clean_label(text).casefold())
    parts = re.split(r"(?<=\d)[\W_]+(?=\d)", plain)
    return ".".join("".join(c for c in part if c.isalnum()) for part in parts)


def alike(labels: Iterable[str]) -> list[tuple[str, ...]]:
    """Groups of different labels that differ only in case, accents or punctuation, sorted.

    Labels of signs alone are never alike.

    >>> alike(["LOW", "low", "high"])
    [('LOW', 'low')]
    """
    groups: dict[str, set[str]] = {}
    for label in labels:
        if key := folded(label):
            groups.setdefault(key, set()).add(label)
    return sorted(tuple(sorted(one)) for one in groups.values() if len(one) > 1)


def clean_labels(labels: Sequence[str]) -> list[str]:
    """`clean_label` of each, made once per text."""
    made = {text: clean_label(text) for text in dict.fromkeys(labels)}
    return [made[text] for text in labels]
