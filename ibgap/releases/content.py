"""What a release is made of, and the hash that tells releases of different content apart."""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from ibgap.base.code import versions
from ibgap.releases.visible import visible
from ibgap.releases.whole import in_order
from validations.tables import SCHEMA_VERSION, conform

_PACKAGES = (
    "ibgap", "numpy", "scipy", "pandas", "pyarrow", "duckdb", "dagster", "great-expectations",
    "pingouin",
)  # fmt: skip


@dataclass(frozen=True)
class Content:
    """What is published.

    tables: every published table but `release`, with the declared columns. inputs: files of every
    trial with hashes. settings: what a release carries of them. checks: what screening counted.
    """

    tables: Mapping[str, pd.DataFrame]
    inputs: list[dict[str, Any]]
    settings: dict[str, Any]
    checks: dict[str, Any]


def package_versions() -> dict[str, str]:
    """Versions of Python and of the packages that numbers rest on."""
    return {"python": platform.python_version()} | versions(_PACKAGES)


def content_hash(content: Content, packages: Mapping[str, str]) -> str:
    """Hexadecimal SHA-256 over tables, inputs, settings and packages.

    Two contents have the same hash if every cell is the same (numbers to the last bit, missing
    ones alike), and the inputs, settings, packages and the version of the schema are.
    """
    said = [SCHEMA_VERSION, content.inputs, content.settings, dict(packages)]
    digest = hashlib.sha256(in_order(said).encode())
    for name in sorted(content.tables):
        frame = content.tables[name]
        digest.update(json.dumps([name, len(frame), list(map(str, frame.columns))]).encode())
        for column in frame:
            digest.update(_bytes(frame[column]))
    return digest.hexdigest()


def _bytes(column: pd.Series) -> bytes:
    """The cells of a column as bytes that no other column with these rows has."""
    if pd.api.types.is_float_dtype(column.dtype) and isinstance(column.dtype, np.dtype):
        numbers = column.to_numpy(np.float64)
        return b"f" + np.where(np.isnan(numbers), np.nan, numbers).tobytes()
    missing = column.isna().to_numpy()
    if pd.api.types.is_bool_dtype(column.dtype) or pd.api.types.is_integer_dtype(column.dtype):
        whole = column.astype("Int64").fillna(0).to_numpy(np.int64)
        return b"i" + whole.tobytes() + missing.tobytes()
    texts = [text.encode("utf-8", "surrogatepass") for text in column.fillna("").astype(str)]
    lengths = np.fromiter(map(len, texts), np.int64, len(texts))
    return b"t" + lengths.tobytes() + b"".join(texts) + missing.tobytes()


def release_table(release_id: str, content: Content, packages: Mapping[str, str]) -> pd.DataFrame:
    """The table `release`: what the others were made from and with, as key and value."""
    rows = {"schema_version": SCHEMA_VERSION}
    rows |= {f"package.{name}": number for name, number in packages.items()}
    rows |= {f"setting.{name}": _line(value) for name, value in content.settings.items()}
    for one in content.inputs:
        rows |= {f"input.{one['trial']}/{f['file']}": f["sha256"] for f in one["files"]}
    frame = pd.DataFrame({"key": list(rows), "value": list(rows.values())})
    return visible(conform(frame.assign(release_id=release_id), "release"))


def _line(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
