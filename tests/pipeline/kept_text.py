"""Everything that a file holds, as text to search in: also what is packed or stored as numbers."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import pandas as pd
import pyarrow as pa

from assets.typed import schema_of


def text_of(path: Path) -> bytes:
    """The bytes of a file, and the cells of the tables in it, numbers with all digits."""
    data = path.read_bytes()
    return data + b"".join(
        name.encode() + frame.to_csv(float_format="%.17g").encode()
        for name, frame in tables_in(path).items()
    )


def tables_in(path: Path) -> dict[str, pd.DataFrame]:
    """Tables of a Parquet file, of a table between steps, or of a result that is kept."""
    if path.suffix == ".parquet":
        return {path.stem: pd.read_parquet(path)}
    if path.suffix == ".arrow":
        return {path.stem: pa.ipc.open_file(io.BytesIO(path.read_bytes())).read_pandas()}
    if path.suffix == ".tables":
        with zipfile.ZipFile(path) as file:
            rows = {name: pa.py_buffer(file.read(name)) for name in file.namelist()}
        return {
            name: pa.ipc.read_record_batch(own, schema_of(name)).to_pandas()
            for name, own in rows.items()
        }
    return {}
