"""The file that a collection is kept in: docs/collection-file.md, format 1. Nothing in it is believed unread."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, BinaryIO, Literal

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from countenance.errors import InvalidParameter
from countenance.gallery.collections import MAX_FACES, MAX_TAGS, MAX_USERS

METADATA_KEY = b"countenance"  # in the file's own key-value metadata

# Rows held in memory at a time when writing (16 MB of templates of 512 values), and when reading.
ROWS_PER_GROUP = 16_384
ROWS_PER_INSERT = 2048

# What an import accepts before it reads anything: generous for what an export writes, far from what hurts.
MAX_ROWS_PER_GROUP = 131_072
MAX_GROUP_BYTES = 1 << 30
MAX_FOOTER_BYTES = 1 << 26

USER, FACE = "user", "face"

BOX = ("box_left", "box_top", "box_width", "box_height")
FACE_ONLY = ("face_id", "image_id", "external_image_id", *BOX, "confidence")

COLUMNS = pa.schema(
    [
        pa.field("kind", pa.string(), nullable=False),
        pa.field("user_id", pa.string()),
        pa.field("face_id", pa.string()),
        pa.field("image_id", pa.string()),
        pa.field("external_image_id", pa.string()),
        *(pa.field(name, pa.float64()) for name in BOX),
        pa.field("confidence", pa.float64()),
        pa.field("template", pa.binary()),
        pa.field("face_model_version", pa.string()),
    ]
)

UUID = r"^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$"
PATTERNS = {
    "user_id": r"^[a-zA-Z0-9_.\-:]{1,128}$",
    "face_id": UUID,
    "image_id": UUID,
    "external_image_id": r"^[a-zA-Z0-9_.\-:]{1,255}$",
}

TagKey = Annotated[str, StringConstraints(min_length=1, max_length=128)]
TagValue = Annotated[str, StringConstraints(max_length=256)]


class Header(BaseModel):
    """What the file says of the collection, as JSON in its metadata."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    format: Literal[1]
    collection_id: Annotated[str, StringConstraints(pattern=r"^[a-zA-Z0-9_.\-]{1,255}$")]
    face_model_version: Annotated[str, StringConstraints(min_length=1, max_length=64)]
    created_at: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    tags: Annotated[dict[TagKey, TagValue], Field(max_length=MAX_TAGS)]
    users: Annotated[int, Field(ge=0, le=MAX_USERS)]
    faces: Annotated[int, Field(ge=0, le=MAX_FACES)]


def read_header(path: Path) -> Header:
    """What a file says it holds. Raises InvalidParameter when it is not a collection file of a known format."""
    with opened(path) as file:
        return header_of(file)


@contextmanager
def writing(file: BinaryIO, header: Header) -> Iterator[Callable[[Sequence[Sequence[Any]]], None]]:
    """A function that appends rows (one or more), each with the values of COLUMNS in order, as one row group."""
    with pq.ParquetWriter(
        file,
        COLUMNS,
        compression={name: "NONE" if name == "template" else "ZSTD" for name in COLUMNS.names},
        use_dictionary=["kind", "user_id", "image_id", "external_image_id", "face_model_version"],  # these repeat
        write_statistics=False,
        write_page_checksum=True,
        store_schema=False,
    ) as writer:
        writer.add_key_value_metadata({METADATA_KEY: json.dumps(header.model_dump(), sort_keys=True)})

        def write(rows: Sequence[Sequence[Any]]) -> None:
            columns = zip(COLUMNS, zip(*rows, strict=True), strict=True)
            arrays = [pa.array(values, field.type) for field, values in columns]
            writer.write_batch(pa.record_batch(arrays, schema=COLUMNS), row_group_size=len(rows))

        yield write


@contextmanager
def opened(path: Path) -> Iterator[pq.ParquetFile]:
    """The file, to be read. Raises InvalidParameter when there is none, or it is not Parquet."""
    try:
        file = path.open("rb")
    except OSError as error:
        raise InvalidParameter(f"The file {path} cannot be read: {error.strerror}.") from error
    with file:
        with _damage_told():
            require(_footer_bytes(file) <= MAX_FOOTER_BYTES, "its footer is too large")
            parquet = pq.ParquetFile(file, page_checksum_verification=True)
        yield parquet


@contextmanager
def _damage_told() -> Iterator[None]:
    try:
        yield
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise InvalidParameter(
            "The file is not a collection file, or damaged: it cannot be read as Parquet."
        ) from error


def _footer_bytes(file: BinaryIO) -> int:
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - 8))
    length, magic = int.from_bytes(file.read(4), "little"), file.read(4)
    file.seek(0)
    if magic != b"PAR1":
        raise pa.ArrowInvalid("no Parquet magic at the end")
    return length


def header_of(file: pq.ParquetFile) -> Header:
    """The header, when the columns and the number of rows agree with it. Raises InvalidParameter otherwise."""
    packed = (file.metadata.metadata or {}).get(METADATA_KEY, b"")
    require(bool(packed), "it is Parquet, but was not made by an export")
    try:
        header = Header.model_validate_json(packed)
    except ValidationError as error:
        raise InvalidParameter(
            f"The file is damaged, or of a format other than 1, the one this version reads: "
            f"{error.error_count()} values of its header are not as they should be."
        ) from error
    with _damage_told():
        require(file.schema_arrow.equals(COLUMNS), "its columns are not those of an export")
    rows = file.metadata.num_rows
    require(rows == header.users + header.faces, f"it has {rows} rows of {header.users + header.faces}")
    return header


def batches_of(file: pq.ParquetFile) -> Iterator[pa.RecordBatch]:
    """The rows in order, some thousands at a time. Raises InvalidParameter where they are damaged."""
    for number in range(file.metadata.num_row_groups):
        group = file.metadata.row_group(number)
        require(group.num_rows <= MAX_ROWS_PER_GROUP, f"its row group {number} is too large")
        require(group.total_byte_size <= MAX_GROUP_BYTES, f"its row group {number} is too large")
    batches = file.iter_batches(batch_size=ROWS_PER_INSERT)
    while True:
        with _damage_told():
            batch = next(batches, None)
            if batch is None:
                return
            batch.validate(full=True)
        yield batch


def require(truth: bool, otherwise: str) -> None:
    """Raises InvalidParameter when something is not as it must be in a collection file, and says what."""
    if not truth:
        raise InvalidParameter(f"The file is not a collection file, or damaged: {otherwise}.")
