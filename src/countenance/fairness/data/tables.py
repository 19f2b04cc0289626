"""Tables that people bring: CSV and Parquet files, read a batch at a time, every value as text.

A file is Parquet where its name ends in `.parquet`, and CSV with a header line otherwise (UTF-8, commas). Values that
are absent are empty. Nothing is guessed: what looks like a number to one reader and a name to another stays text here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pc
import pyarrow.parquet as pq

from countenance.errors import InvalidParameter

# What is read and parsed at a time. A line cannot be longer.
CSV_BLOCK_BYTES = 4 * 1024**2
PARQUET_ROWS = 65_536

# Row groups and footers are held in memory whole.
MAX_GROUP_BYTES = 1024**3
MAX_FOOTER_BYTES = 64 * 1024**2


def batches(path: Path, columns: Iterable[str] | None = None) -> Iterator[pa.RecordBatch]:
    """The table's rows in order, some thousands at a time, with the `columns` asked for, or all.

    All columns are strings without nulls. Raises `InvalidParameter` for a file that cannot be read, lacks a column or
    has it twice, or in which a row has more or fewer values than the header.
    """
    wanted = None if columns is None else tuple(dict.fromkeys(columns))
    try:
        yield from _parquet(path, wanted) if path.suffix.lower() == ".parquet" else _csv(path, wanted)
    except (OSError, pa.ArrowException, UnicodeDecodeError) as error:
        kind = "Parquet" if path.suffix.lower() == ".parquet" else "CSV"
        raise InvalidParameter(f"{path} cannot be read as a {kind} file: {error}") from error


def rows(path: Path, columns: Iterable[str] | None = None) -> Iterator[dict[str, str]]:
    """The same, row by row: each column's name, and the value."""
    for batch in batches(path, columns):
        yield from batch.to_pylist()


def _csv(path: Path, wanted: tuple[str, ...] | None) -> Iterator[pa.RecordBatch]:
    reading = pc.ReadOptions(block_size=CSV_BLOCK_BYTES, use_threads=False)
    parsing = pc.ParseOptions(newlines_in_values=True)
    with closing(pc.open_csv(path, reading, parsing)) as reader:
        names = reader.schema.names
    chosen = _chosen(path, names, wanted)
    converting = pc.ConvertOptions(
        column_types=dict.fromkeys(names, pa.string()), include_columns=chosen, strings_can_be_null=False
    )
    with closing(pc.open_csv(path, reading, parsing, converting)) as reader:
        yield from reader


def _parquet(path: Path, wanted: tuple[str, ...] | None) -> Iterator[pa.RecordBatch]:
    with path.open("rb") as handle:
        size = path.stat().st_size
        handle.seek(max(0, size - 8))
        if int.from_bytes(handle.read(4), "little") > min(size, MAX_FOOTER_BYTES):
            raise InvalidParameter(f"{path} cannot be read as a Parquet file: its footer is too large.")
        handle.seek(0)
        with pq.ParquetFile(handle) as file:
            for number in range(file.metadata.num_row_groups):
                if file.metadata.row_group(number).total_byte_size > MAX_GROUP_BYTES:
                    raise InvalidParameter(f"{path} has row groups of more than {MAX_GROUP_BYTES} bytes: make smaller.")
            chosen = _chosen(path, file.schema_arrow.names, wanted)
            for batch in file.iter_batches(batch_size=PARQUET_ROWS, columns=chosen):
                texts = [_text(path, name, batch.column(name)) for name in chosen]
                yield pa.record_batch(texts, names=chosen)


def _chosen(path: Path, names: list[str], wanted: tuple[str, ...] | None) -> list[str]:
    if len(set(names)) != len(names):
        raise InvalidParameter(f"{path} has two columns of one name.")
    for name in wanted or ():
        if name not in names:
            raise InvalidParameter(f"{path} lacks the column {name!r}; it has {', '.join(names)}.")
    return names if wanted is None else list(wanted)


def _text(path: Path, name: str, column: pa.Array) -> pa.Array:
    try:
        return column.cast(pa.string()).fill_null("")
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise InvalidParameter(f"{path}: the column {name!r} holds {column.type}, which is no label.") from error
