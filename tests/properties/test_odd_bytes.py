"""Files whose bytes went wrong are read, or refused with a finding, and nothing else happens."""

from __future__ import annotations

import io
import tempfile
from functools import cache
from pathlib import Path

import pandas as pd
import pyreadstat
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from assets.staging.header_evidence import Declared
from assets.staging.reading import read_table
from ibgap.base.machine import is_machine_fault
from tests.builders import participant_csv
from validations.errors import TrialFileError
from validations.manifest.model import FileFormat

DECLARED = Declared(("person", "group", "intend", "visited"), participants=True)
KINDS = ("csv", "tsv", "txt", "xlsx", "parquet", "sav", "zsav", "dta", "xpt")
_PIECES = (b"\0", b"\0" * 8, b"\n", b"\r", b"\r\n\r\n", b"\n \n", b'"', b'""', b";", b",", b"\xff")


@cache
def whole(kind: str) -> bytes:
    """A healthy file of this kind."""
    frame = pd.read_csv(io.StringIO(participant_csv(20)))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"a.{kind}"
        if kind in ("csv", "tsv", "txt"):
            frame.to_csv(path, index=False, sep="\t" if kind == "tsv" else ",")
        elif kind == "xlsx":
            frame.assign(day=pd.Timestamp("2024-05-01")).to_excel(path, index=False)
        elif kind == "parquet":
            frame.to_parquet(path)
        elif kind == "dta":
            pyreadstat.write_dta(frame, path)
        elif kind == "xpt":
            pyreadstat.write_xport(frame, path)
        else:
            spans = {"intend": [{"lo": 7, "hi": 9}]}
            pyreadstat.write_sav(frame, path, compress=kind == "zsav", missing_ranges=spans)
        return path.read_bytes()


_STEP = st.tuples(
    st.sampled_from(["cut", "flip", "double", "insert"]),
    st.floats(0, 1),
    st.integers(0, 7),
    st.sampled_from(_PIECES),
)


def mutated(data: bytes, steps: list[tuple[str, float, int, bytes]]) -> bytes:
    out = bytearray(data)
    for what, where, bit, piece in steps:
        at = int(where * len(out))
        if what == "cut":
            out = out[:at]
        elif what == "flip" and at < len(out):
            out[at] ^= 1 << bit
        elif what == "double":
            out[at:at] = out[max(0, at - 40) : at]
        else:
            out[at:at] = piece
    return bytes(out)


_FORMATS = st.fixed_dictionaries(
    {},
    optional={
        "header_row": st.integers(1, 30),
        "encoding": st.sampled_from(
            ["latin-1", "utf-16", "utf-7", "idna", "hex", "undefined", "rot13", "", "\0", "cp037"]
        ),
        "delimiter": st.sampled_from(list(';\t|"\n\r x')),
        "sheet": st.sampled_from(["Sheet1", "x", ""]),
    },
)


@given(st.sampled_from(KINDS), st.lists(_STEP, max_size=4), _FORMATS)
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_odd_bytes_end_in_rows_or_in_a_finding(
    kind: str, steps: list[tuple[str, float, int, bytes]], given_format: dict[str, object]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"a.{kind}"
        path.write_bytes(mutated(whole(kind), steps))
        try:
            raw = read_table("t", path.parent, path.name, FileFormat(**given_format), DECLARED)
        except TrialFileError as error:
            (finding,) = error.findings
            assert finding.file == path.name
            assert finding.message and finding.fix
            assert "P00" not in finding.text()
        except Exception as error:
            # A damaged file may ask a library for all memory there is.
            assert is_machine_fault(error), kind
        else:
            assert len(raw.frame) == len(raw.rows) > 0


def test_healthy_files_of_every_kind_are_read(tmp_path: Path) -> None:
    for kind in KINDS:
        (tmp_path / f"a.{kind}").write_bytes(whole(kind))
        raw = read_table("t", tmp_path, f"a.{kind}", FileFormat(), DECLARED)
        assert len(raw.frame) == 20
        assert set(DECLARED.columns) <= set(raw.frame.columns)
