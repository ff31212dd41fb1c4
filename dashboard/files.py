"""Tables as files: CSV, XLSX, JSON and Parquet, safe to open in a spreadsheet."""

from __future__ import annotations

import io
import json
import math
from typing import Any

import pandas as pd

from ibgap.base.printable import printable

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
MEDIA_TYPES = {
    "json": "application/json",
    "csv": "text/csv; charset=utf-8",
    "parquet": "application/vnd.apache.parquet",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "svg": "image/svg+xml; charset=utf-8",
    "png": "image/png",
    "pdf": "application/pdf",
    "zip": "application/zip",
}


def guard_text(frame: pd.DataFrame) -> pd.DataFrame:
    """Put an apostrophe before text that a spreadsheet would run as a formula."""
    out = frame.copy()
    out.columns = [
        f"'{name}" if str(name).startswith(FORMULA_STARTS) else name for name in out.columns
    ]
    for name in out.columns:
        if pd.api.types.is_string_dtype(out[name]) or out[name].dtype == object:
            text = out[name].astype(object)
            risky = text.map(lambda v: isinstance(v, str) and v.startswith(FORMULA_STARTS))
            out[name] = text.where(~risky, "'" + text.astype(str))
    return out


def to_csv(frame: pd.DataFrame) -> bytes:
    """Comma-separated, unrounded, with guarded text."""
    return guard_text(frame).to_csv(index=False, float_format="%.17g").encode()


def sheet_text(frame: pd.DataFrame) -> pd.DataFrame:
    """Text that a workbook can hold, guarded: control characters are made visible."""
    return guard_text(frame.map(lambda v: printable(v) if isinstance(v, str) else v))


def to_xlsx(frame: pd.DataFrame, sheet: str) -> bytes:
    buffer = io.BytesIO()
    with pd.ExcelWriter(buffer, engine="openpyxl") as writer:
        sheet_text(frame).to_excel(writer, sheet_name=sheet[:31], index=False)
    return buffer.getvalue()


def to_parquet(frame: pd.DataFrame) -> bytes:
    buffer = io.BytesIO()
    frame.to_parquet(buffer, index=False)
    return buffer.getvalue()


def plain(value: Any) -> Any:
    """A value for JSON: missing numbers are null, infinite ones the text `Infinity`."""
    if isinstance(value, dict):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    if value is None or value is pd.NA or value is pd.NaT:
        return None
    if hasattr(value, "item"):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return value


def to_json(data: Any) -> bytes:
    return json.dumps(plain(data), ensure_ascii=False, allow_nan=False).encode()
