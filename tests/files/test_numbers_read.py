"""The one parser of numbers against Python's own, and what is done to texts before it."""

from __future__ import annotations

import math
import re
import struct
import unicodedata
from dataclasses import replace
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from assets.staging.columns import column_of_numbers, column_of_texts, number_texts
from assets.staging.number_texts import number_texts_of, percent_texts_of
from validations.numbers import Reading, read_numbers

_STRICT = re.compile(
    r"(?P<sign>[-+])? (?: (?P<whole>[0123456789]+) (?P<point>[.])? (?P<part>[0123456789]*)"
    r" | [.] (?P<only>[0123456789]+) ) (?: [eE] [-+]? [0123456789]+ )?",
    re.VERBOSE,
)
_ODD = st.text("0123456789.,+-eE \u00a0\n\tx_\u0660\u0661\uff11\u2212infaN%", max_size=12)
_PLAIN = st.from_regex(r"[-+]?[0-9]{0,25}\.?[0-9]{0,25}([eE][-+]?[0-9]{1,4})?", fullmatch=True)


def expected(text: str) -> tuple[float, Reading]:
    """What a text is, by Python's parser of floats and decimals."""
    if text == "":
        return math.nan, Reading.EMPTY
    found = _STRICT.fullmatch(text)
    if found is None or (found["whole"] and not found["point"] and found["part"]):
        comma = re.fullmatch(r"[-+]?[0123456789]+,[0123456789]+", text)
        return math.nan, Reading.COMMA if comma else Reading.WORD
    value, mantissa = float(text), Decimal(re.split("[eE]", text)[0])
    if math.isinf(value) or (value == 0 and mantissa != 0):
        return math.nan, Reading.BEYOND
    return value, Reading.NUMBER


@settings(max_examples=400)
@given(st.lists(st.one_of(_ODD, _PLAIN, st.floats().map(repr)), max_size=12))
@example(["+1", "-.5", "+.5e+3", "1.", ".", "+", "e5", "1e", "1\n", "\n1", " 1", "1e-400", "0e999"])
@example(["1_000", "0x10", "inf", "nan", "Infinity", "1e400", "-1e400", "1e99999999999999999999"])
@example(["9007199254740993", "2.2250738585072011e-308", "5e-324", "2e-324", "0" * 500 + "1"])
@example(
    ["1." + "0" * 800 + "1e5", "123456789012345678901234567890", "00012", "-0", "1,5", "1,5e3"]
)
def test_numbers_are_those_of_python(texts: list[str]) -> None:
    values, readings = read_numbers(texts)
    for text, value, reading in zip(texts, values.tolist(), readings.tolist(), strict=True):
        number, kind = expected(text)
        assert Reading(reading) is kind, text
        assert struct.pack("d", value) == struct.pack("d", number) or value != value, text
        assert (value != value) == (number != number), text


@settings(max_examples=200)
@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=20))
def test_stored_numbers_come_back_to_the_last_bit(numbers: list[float]) -> None:
    column = column_of_numbers(pa.array(numbers, pa.float64()))
    values, readings = read_numbers(column.texts)
    assert (readings == Reading.NUMBER).all()
    read = values[column.codes]
    assert [x + 0.0 for x in numbers] == read.tolist()


@settings(max_examples=200)
@given(st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=1))
def test_single_precision_comes_back_with_few_digits(numbers: list[float]) -> None:
    stored = np.array(numbers, np.float32)
    texts = number_texts(pa.array(stored))
    values, _ = read_numbers(texts)
    assert (values.astype(np.float32) == stored).all()
    for text, number in zip(texts.to_pylist(), stored, strict=True):
        if float(number).is_integer():
            continue
        # No fewer digits tell the number from its neighbors of single precision.
        digits = text.split("e")[0].replace(".", "").replace("-", "").lstrip("0").rstrip("0")
        least = np.format_float_scientific(number, unique=True, trim="-").split("e")[0]
        assert len(digits) <= max(len(least.replace(".", "").replace("-", "")), 1), text


_ZEROS = [
    chr(c) for c in range(0x80, 0x20000)
    if unicodedata.decimal(chr(c), None) == 0 and unicodedata.category(chr(c)) == "Nd"
]  # fmt: skip
_MINUS = "-\u2212\u2010\u2011\u2012\u2013\ufe63\uff0d"
_BLANKS = "\u00a0\u202f\u2009\u2007"


def test_there_are_digits_of_many_scripts() -> None:
    assert len(_ZEROS) > 30 and "\u0660" in _ZEROS and "\uff10" in _ZEROS


_NUMBERS = st.decimals(
    min_value=-(10**9), max_value=10**9, allow_nan=False, allow_infinity=False, places=3
)


@settings(max_examples=300)
@given(
    _NUMBERS, st.sampled_from(["0", *_ZEROS]), st.sampled_from(_MINUS), st.booleans(),
    st.sampled_from(["", *_BLANKS]),
)  # fmt: skip
def test_numbers_of_any_script_are_numbers(
    number: Decimal, zero: str, minus: str, comma: bool, blank: str
) -> None:
    whole, _, part = f"{abs(number):,}".partition(".")
    text = whole.replace(",", blank) + ("," if comma else ".") + part
    text = "".join(chr(ord(zero) + int(c)) if c.isdecimal() else c for c in text)
    text = (minus if number < 0 else "") + text
    column = column_of_texts([text])
    values, readings = read_numbers(number_texts_of(column, "," if comma else "."))
    assert readings.tolist() == [Reading.NUMBER], text
    assert values[0] == float(number), text


@settings(max_examples=200)
@given(_NUMBERS)
def test_points_that_group_thousands_go_where_the_comma_is_the_decimal_sign(
    number: Decimal,
) -> None:
    text = f"{number:,}".translate(str.maketrans(",.", ".,"))
    column = column_of_texts([text])
    values, readings = read_numbers(number_texts_of(column, ","))
    assert (values.tolist(), readings.tolist()) == ([float(number)], [Reading.NUMBER])
    # With a point as the decimal sign the same text is a number in no reading but its own.
    plain = read_numbers(number_texts_of(column, "."))
    assert plain[1][0] in (Reading.COMMA, Reading.WORD)


@settings(max_examples=400)
@given(st.one_of(_ODD, st.text(max_size=10)), st.sampled_from([".", ","]))
def test_what_is_no_number_does_not_become_one(text: str, decimal: str) -> None:
    """By an independent reading: sign, digits and marks of any script, nothing else."""
    column = column_of_texts([text])
    if not len(column.texts):
        return
    (after,) = number_texts_of(column, decimal).to_pylist()
    _, readings = read_numbers([after])
    bare = column.texts[0].as_py()
    if readings[0] not in (Reading.NUMBER, Reading.BEYOND):
        return
    for c in bare:
        assert c in "eE.,+-" or unicodedata.category(c) in ("Nd", "Pd", "Sm", "Zs", "Po"), bare
    digits = [unicodedata.decimal(c) for c in bare if unicodedata.category(c) == "Nd"]
    kept = [int(c) for c in after if c.isdecimal()]
    assert digits == kept, (bare, after)


@pytest.mark.parametrize(
    ("text", "decimal"),
    [("1.5", ","), ("1,5", "."), ("1\u20132", "."), ("1\u00a02345", "."), ("1.23.456,7", ","),
     ("1,234", "."), ("12.34,5", ","), ("1e5x", "."), ("\u0661\u0662a", "."), ("--1", "."),
     ("1-", "."), ("\u2212\u22121", "."), ("\u00bd", "."), ("\u00b2", "."), ("\u2460", "."),
     ("\u56db", "."), ("1 234", ".")],
)  # fmt: skip
def test_doubtful_texts_are_no_other_number(text: str, decimal: str) -> None:
    (after,) = number_texts_of(column_of_texts([text]), decimal).to_pylist()
    assert read_numbers([after])[1][0] in (Reading.COMMA, Reading.WORD), after


@settings(max_examples=200)
@given(st.decimals(min_value=-100, max_value=1000, places=4, allow_nan=False))
def test_percents_are_moved_by_two_places_exactly(share: Decimal) -> None:
    column = replace(column_of_numbers(pa.array([float(share)])), percents=frozenset({0}))
    (text,) = percent_texts_of(column).to_pylist()
    assert Decimal(text) == share * 100
    column = column_of_texts([f"{share} %"])
    assert Decimal(percent_texts_of(column).to_pylist()[0]) == share
