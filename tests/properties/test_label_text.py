"""Labels and printable text as everybody uses them: what is folded, told and made visible."""

from __future__ import annotations

import unicodedata

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ibgap.base.labels import (
    alike,
    clean_label,
    clean_labels,
    folded,
    is_missing_label,
    is_text_of_numpy,
    missing_labels,
)
from ibgap.base.printable import printable

MARKS = "\u200b\u200c\u200d\u2060\ufeff\u00ad\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2069"
BLANKS = " \t\n\r\x0b\x0c\x85\u00a0\u1680\u2003\u2009\u2028\u2029\u202f\u205f\u3000"
texts = st.text(
    st.one_of(st.characters(), st.sampled_from(MARKS + BLANKS + "aäÄ\u0308\u0301\x1b\x7f\x9b")),
    max_size=12,
)
words = st.text("abcdeÄäöé.,-()1", min_size=1, max_size=8)


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("Müller", "Müller"),
        ("Mu\u0308ller", "Müller"),
        ("  a \t\n b\u00a0\u2003c  ", "a b c"),
        ("a\u200bb\ufeff\u202ec\u00ad", "abc"),
        ("a\x1b[31mb\x00", "a[31mb"),
        ("u\u200b\u0308", "ü"),
        ("\u2126", "Ω"),
        ("A  b", "A b"),
        (" \u200b\u00a0\t", ""),
        ("Case stays, signs stay: (É)!", "Case stays, signs stay: (É)!"),
        ("١٢", "١٢"),
    ],
)
def test_clean_labels(text: str, label: str) -> None:
    assert clean_label(text) == label


@given(text=texts)
def test_a_clean_label_is_clean(text: str) -> None:
    label = clean_label(text)
    assert clean_label(label) == label == unicodedata.normalize("NFC", label)
    assert type(label) is str and label == label.strip() and "  " not in label
    assert not set(label) & set(MARKS) and not set(label) & set(BLANKS) - {" "}
    assert clean_labels([text, text, label]) == [label] * 3


@given(text=texts, blank=st.sampled_from(BLANKS), mark=st.sampled_from(MARKS), data=st.data())
def test_blanks_at_the_ends_and_marks_anywhere_change_nothing(
    text: str, blank: str, mark: str, data: st.DataObject
) -> None:  # fmt: skip
    place = data.draw(st.integers(0, len(text)))
    marked = text[:place] + mark + text[place:]
    assert clean_label(blank + marked + blank) == clean_label(text)
    for form in ("NFC", "NFD"):
        assert clean_label(unicodedata.normalize(form, text)) == clean_label(text)


@given(text=st.text(st.characters(codec="ascii"), max_size=8))
def test_the_short_way_of_plain_texts_is_the_long_one(text: str) -> None:
    kept = (" " if c.isspace() else c for c in text if c.isspace() or c.isprintable())
    assert clean_label(text) == " ".join("".join(kept).split())


@pytest.mark.parametrize(
    "value",
    [
        None, float("nan"), np.float64("nan"), pd.NA, pd.NaT, np.datetime64("NaT"), "", " ", b"",
        b" ", "\u200b", "\u202e\u00a0", np.str_("nan"), np.str_("None"), np.str_("<NA>"),
        np.bytes_(b"NaT"), complex("nan"),
    ],
)  # fmt: skip
def test_what_is_no_label(value: object) -> None:
    assert is_missing_label(value)


@pytest.mark.parametrize(
    "value", [0, 0.0, False, "0", "nan", "None", "NA", "-", ".", b"nan", np.str_("none"), ("a",)]
)
def test_what_is_a_label(value: object) -> None:
    assert not is_missing_label(value)


@given(words=st.lists(words, min_size=1, max_size=6), data=st.data())
def test_places_of_missing_labels_whatever_holds_them(
    words: list[str], data: st.DataObject
) -> None:  # fmt: skip
    labels = [f"x{one}" for one in words]
    rows = data.draw(st.lists(st.integers(0, len(labels) - 1), unique=True))
    held = [None if i in rows else one for i, one in enumerate(labels)]
    spelled = ["None" if i in rows else one for i, one in enumerate(labels)]
    found = [
        missing_labels(held),
        missing_labels(pd.Series(held, index=[0] * len(held), dtype="string")),
        missing_labels(pd.Categorical(held)),
        missing_labels(np.array(held, dtype=object)),
        missing_labels(np.array(spelled)),
        missing_labels(np.array(spelled, dtype=np.dtypes.StringDType())),
    ]
    assert found == [sorted(rows)] * len(found)
    assert missing_labels(spelled) == []
    assert missing_labels(np.array(spelled, dtype=np.dtypes.StringDType(na_object=None))) == []


def test_which_texts_are_those_of_numpy() -> None:
    arrays = (np.array(["a"]), np.array([b"a"]), np.array(["a"])[0])
    assert all(map(is_text_of_numpy, arrays))
    others = (["a"], "a", np.array(["a"], dtype=object), np.array([1]), pd.Series(["a"]))
    assert not any(map(is_text_of_numpy, others))


@given(text=words)
def test_folding_leaves_case_accents_and_signs_out(text: str) -> None:
    plain = folded(text)
    assert plain == folded(text.upper()) == folded(f" ({text})!") == folded(plain)
    assert plain == folded(unicodedata.normalize("NFD", text))
    assert not plain or plain.isalnum()


@given(labels=st.lists(words, max_size=8), data=st.data())
def test_labels_are_alike_whatever_their_order_and_number(
    labels: list[str], data: st.DataObject
) -> None:  # fmt: skip
    groups = alike(labels)
    assert alike(data.draw(st.permutations(labels))) == alike([*labels, *labels]) == groups
    assert groups == sorted(groups) and all(list(one) == sorted(set(one)) for one in groups)
    together = {frozenset((a, b)) for one in groups for a in one for b in one if a != b}
    expected = {
        frozenset((a, b))
        for a in labels for b in labels
        if a != b and folded(a) and folded(a) == folded(b)
    }  # fmt: skip
    assert together == expected


def test_alike_is_told_of_different_labels_alone() -> None:
    assert alike(["Low dose", "low-dose", "high", "high"]) == [("Low dose", "low-dose")]
    assert alike(["-", "+", "?"]) == []
    assert alike(["a 1", "a 2", "A1"]) == [("A1", "a 1")]


@given(text=texts)
def test_printable_text_carries_nothing_out(text: str) -> None:
    shown = printable(text)
    hidden = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
    assert all(c in "\t\n" or unicodedata.category(c) not in hidden for c in shown)
    assert printable(shown) == shown
    if all(c in "\t\n" or unicodedata.category(c) not in hidden for c in text):
        assert shown == text
    kept = [c for c in text if c in "\t\n" or unicodedata.category(c) not in hidden]
    assert len(shown) >= len(text) and all(c in shown for c in kept)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("ok\x1b[31m", "ok\\x1b[31m"),
        ("a\tb\nc", "a\tb\nc"),
        ("a\r\n", "a\\x0d\n"),
        ("\u202eabc", "\\u202eabc"),
        ("\ufeffa\u2028", "\\ufeffa\\u2028"),
        ("\ud800", "\\ud800"),
        ("\U000e0001", "\\U000e0001"),
        ("\x9b", "\\x9b"),
        ("Müller Ω 漢字 😀", "Müller Ω 漢字 😀"),
        ("", ""),
    ],
)
def test_printable_examples(text: str, shown: str) -> None:
    assert printable(text) == shown


def test_a_point_between_digits_makes_another_label() -> None:
    assert alike(["1.5", "15", "1,5"]) == [("1,5", "1.5")]
    assert folded("x 1 - (2)") == folded("X1.2") != folded("x12")
