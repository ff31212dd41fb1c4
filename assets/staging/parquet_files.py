"""Parquet files."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.parquet as pq

from assets.staging.account import Account
from assets.staging.arrow_columns import column_of_arrow
from assets.staging.columns import Column
from assets.staging.headers import Notes, Table
from assets.staging.limits import Watch
from assets.staging.named_columns import table_of
from assets.staging.unreadable import UnreadableError, opening
from ibgap.base.machine import is_machine_fault
from validations.findings import name_rows

_ROWS_AT_ONCE = 1 << 20
_FEWER_AT_ONCE = 1 << 14
_CELLS = {b"arrow.uuid", b"arrow.json", b"arrow.bool8"}


def read_parquet(data: bytes, watch: Watch) -> Table:
    """The columns of a Parquet file, as they are stored: no text is read as a number.

    The index of a data frame is a column like others. Columns whose values are no cells (lists,
    structs, bytes that are no UTF-8 text) are left out, with a note.
    Raises `UnreadableError`: `file_truncated`, `file_too_large`, `file_too_slow`.
    """
    with opening("the Parquet file", "write it again"):
        file = pq.ParquetFile(pa.BufferReader(data))
        said, schema = file.metadata, file.schema_arrow
        watch.look(rows=said.num_rows, columns=len(schema))
        groups = [said.row_group(i) for i in range(said.num_row_groups)]
        watch.look(megabytes=sum(group.total_byte_size for group in groups) / 1e6)
        columns: list[Column | None] = [None] * len(schema)
        places = [i for i, field in enumerate(schema) if _may_hold_cells(field)]
        whole = _whole(data, file, places, watch)
        if places and whole.num_rows != said.num_rows:
            raise UnreadableError(
                "file_truncated",
                f"the file says it has {said.num_rows:,} rows, and {whole.num_rows:,} are in it; "
                "it is damaged",
                "write it again",
            )
        for i in places:
            columns[i] = column_of_arrow(whole.column(places.index(i)))
            watch.look()
    names = [name.strip() for name in schema.names]
    kept = [(name, one) for name, one in zip(names, columns, strict=True) if one is not None]
    left_out = [i + 1 for i, one in enumerate(columns) if one is None]
    account = Account(
        "parquet",
        stated_rows=said.num_rows,
        stated_columns=len(names),
        encoding="utf-8",
        encoding_reason="stated in the file",
    )
    return table_of(kept, said.num_rows, account, _notes(left_out), watch)


def _may_hold_cells(field: pa.Field) -> bool:
    """Whether values of a field can be cells; of unknown extensions (periods of pandas) the
    stored numbers mean something else."""
    extension = (field.metadata or {}).get(b"ARROW:extension:name")
    if isinstance(field.type, pa.BaseExtensionType):
        extension = field.type.extension_name.encode()
    return (extension is None or extension in _CELLS) and not pa.types.is_nested(field.type)


def _whole(data: bytes, file: pq.ParquetFile, places: list[int], watch: Watch) -> pa.Table:
    """Columns at some places; equal texts are kept once, however many rows repeat them."""
    schema = file.schema_arrow
    names = [schema.names[i] for i in places]
    texts = [name for i, name in zip(places, names, strict=True) if _is_text(schema.field(i).type)]
    chosen = None if len(names) == len(schema) else names
    try:
        whole = _batches(data, texts, chosen, _ROWS_AT_ONCE, watch)
    except (pa.ArrowException, OSError) as error:
        if not texts or is_machine_fault(error):
            raise
        # Texts stored as what differs from the one before are not read as a dictionary.
        whole = _batches(data, [], chosen, _FEWER_AT_ONCE, watch)
    if whole is None:
        return pa.table([pa.array([], schema.field(i).type) for i in places], names=names)
    if whole.column_names == names:
        return whole
    # A name may be the beginning of the path of a nested column, which is read with it.
    return whole.select([whole.column_names.index(name) for name in names])


def _batches(
    data: bytes, texts: list[str], chosen: list[str] | None, at_once: int, watch: Watch
) -> pa.Table | None:
    source = pa.BufferReader(data)
    file = pq.ParquetFile(source, read_dictionary=texts, page_checksum_verification=True)
    batches, rows, held = [], 0, 0
    for batch in file.iter_batches(at_once, columns=chosen):
        rows, held = rows + batch.num_rows, held + batch.nbytes
        watch.look(rows=rows, columns=batch.num_columns, megabytes=held / 1e6)
        batches.append(batch)
    return pa.Table.from_batches(batches) if batches else None


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _notes(left_out: list[int]) -> Notes:
    if not left_out:
        return []
    columns = name_rows(left_out).replace("row", "column")
    return [
        (
            "columns_without_cells",
            f"{columns} of the file {'hold' if len(left_out) > 1 else 'holds'} lists, structures "
            "or bytes, not cells, and cannot be read",
            "write them as columns of numbers or texts if the manifest needs them",
        )
    ]
