"""Files of statistics programs for tests: written by libraries, read by the project."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pyreadstat
import pytest

from assets.staging.columns import Column
from assets.staging.headers import Table
from assets.staging.limits import Watch
from assets.staging.parquet_files import read_parquet
from assets.staging.statistics_files import read_statistics_file
from assets.staging.unreadable import UnreadableError
from validations.manifest.model import FileFormat

_WRITERS = {"sav": "write_sav", "zsav": "write_sav", "dta": "write_dta", "xpt": "write_xport"}


def written(kind: str, frame: pd.DataFrame, **options: Any) -> bytes:
    """The bytes of a file that pyreadstat writes."""
    if kind == "zsav":
        options["compress"] = True
    write: Callable[..., None] = getattr(pyreadstat, _WRITERS[kind])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"a.{kind}"
        write(frame, path, **options)
        return path.read_bytes()


def as_parquet(table: pa.Table, **options: Any) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(table, buffer, **options)
    return buffer.getvalue()


def read(kind: str, data: bytes, encoding: str = "", watch: Watch | None = None) -> Table:
    """The table of bytes of a kind, with a declared encoding if any."""
    watch = watch or Watch()
    if kind == "parquet":
        return read_parquet(data, watch)
    declared = FileFormat(encoding=encoding) if encoding else FileFormat()
    return read_statistics_file(Path(f"a.{kind}"), data, declared, watch)


def column(table: Table, name: str) -> Column:
    (found,) = [one for called, one in table.columns if called == name]
    return found


def refused(kind: str, data: bytes, **options: Any) -> UnreadableError:
    with pytest.raises(UnreadableError) as caught:
        read(kind, data, **options)
    return caught.value
