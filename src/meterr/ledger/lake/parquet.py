"""Days as Parquet files. The one module that needs the extra ``meterr[lake]``."""

from collections.abc import Sequence
from contextlib import suppress
from decimal import Decimal
from pathlib import Path

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from meterr.ledger.lake.columns import COLUMNS, SCHEMA_VERSION, SORTED_BY, Kind
from meterr.ledger.lake.days import Figures
from meterr.ledger.lake.model import DayWriter, Footer, Format, Unreadable
from meterr.ledger.model import INPUT_CLASSES, OUTPUT_CLASSES

_FOOTER = "meterr.export"
_TYPES = {
    Kind.TEXT: pa.string(),
    Kind.WORD: pa.string(),
    Kind.COUNT: pa.int64(),
    Kind.FLAG: pa.bool_(),
    Kind.MONEY: pa.decimal128(38, 18),
    Kind.MOMENT: pa.timestamp("us", tz="UTC"),
}
SCHEMA = pa.schema(
    [
        pa.field(
            column.name,
            _TYPES[column.kind],
            nullable=column.optional,
            metadata={"description": column.meaning},
        )
        for column in COLUMNS
    ],
    metadata={"meterr.schema_version": str(SCHEMA_VERSION)},
)
# The statement sends moments as whole microseconds: no text of a time has to be understood.
_SENT = {
    column.name: pa.int64() if column.kind is Kind.MOMENT else _TYPES[column.kind]
    for column in COLUMNS
}
_TOKENS = (*INPUT_CLASSES, *OUTPUT_CLASSES)
# A sum may have more digits than the decimal(38,18), or the 64 bits, of a single entry.
_WIDE_MONEY = pa.decimal256(76, 18)
_WIDE_COUNT = pa.decimal256(76, 0)
_READ_ROWS = 65_536


class Parquet(Format):
    """Parquet as DuckDB, Spark, ClickHouse, Trino and BigQuery read it."""

    def create(self, path: Path) -> DayWriter:
        return _Writer(path)

    def footer(self, path: Path) -> Footer:
        try:
            with pq.ParquetFile(path) as file:
                said = (file.metadata.metadata or {}).get(_FOOTER.encode())
                rows = file.metadata.num_rows
        except (pa.ArrowException, OSError) as error:
            raise Unreadable(f"damaged: {type(error).__name__}") from None
        if said is None:
            raise Unreadable("no export of meterr")
        try:
            footer = msgspec.json.decode(said, type=Footer)
        except msgspec.DecodeError:
            raise Unreadable("an export of another version of meterr") from None
        if footer.schema_version != SCHEMA_VERSION:
            raise Unreadable(f"an export with schema version {footer.schema_version}")
        if footer.entries != rows:
            raise Unreadable(f"{rows} entries, and it says {footer.entries}")
        return footer

    def recount(self, path: Path) -> Figures:
        figures = Figures()
        try:
            with pq.ParquetFile(path, page_checksum_verification=True) as file:
                for batch in file.iter_batches(_READ_ROWS):
                    figures = figures.plus(_figures(pa.Table.from_batches([batch])))
        except (pa.ArrowException, OSError) as error:
            raise Unreadable(f"damaged: {type(error).__name__}") from None
        return figures


class _Writer(DayWriter):
    def __init__(self, path: Path) -> None:
        self._figures = Figures()
        self._file = path.open("xb")
        self._parquet = pq.ParquetWriter(
            self._file,
            SCHEMA,
            compression="zstd",
            use_dictionary=[c.name for c in COLUMNS if c.kind is Kind.WORD],
            sorting_columns=pq.SortingColumn.from_ordering(
                SCHEMA, [(name, "ascending") for name in SORTED_BY]
            ),
            write_page_checksum=True,
            write_page_index=True,
        )

    @property
    def figures(self) -> Figures:
        return self._figures

    def write(self, rows: Sequence[bytes]) -> None:
        table = _table(b"".join(rows))
        self._figures = self._figures.plus(_figures(table))
        self._parquet.write_table(table, row_group_size=len(rows))

    def close(self, footer: Footer) -> None:
        self._parquet.add_key_value_metadata({_FOOTER: msgspec.json.encode(footer).decode()})
        self._parquet.close()
        self._file.close()

    def release(self) -> None:
        # The library writes an end to whatever it has open, now or when it is collected; on a disk
        # that is full it cannot, and the reason is being raised already.
        with suppress(pa.ArrowException, OSError):
            self._parquet.close()
        self._file.close()


def _table(lines: bytes) -> pa.Table:
    """Read lines of CSV: digits become decimals and counts without passing through a float."""
    table = pacsv.read_csv(
        pa.BufferReader(lines),
        read_options=pacsv.ReadOptions(
            column_names=list(_SENT), block_size=len(lines) + 1, use_threads=False
        ),
        parse_options=pacsv.ParseOptions(newlines_in_values=True),
        convert_options=pacsv.ConvertOptions(
            column_types=_SENT,
            null_values=[""],
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
            true_values=["t"],
            false_values=["f"],
        ),
    )
    return table.cast(SCHEMA)


def _figures(table: pa.Table) -> Figures:
    tokens = sum(int(_sum(table[name], _WIDE_COUNT)) for name in _TOKENS)
    return Figures(table.num_rows, tokens, _sum(table["cost_usd"], _WIDE_MONEY))


def _sum(column: pa.ChunkedArray, wide: pa.DataType) -> Decimal:
    found: Decimal | None = pc.sum(column.cast(wide)).as_py()
    return Decimal(0) if found is None else found
