"""The journal's SQL: rows in, nothing out. Acts as meterr_drain, which may only insert."""

from collections.abc import Iterable
from datetime import date

import msgspec

from meterr.core.db import Connection
from meterr.core.sql import load_sql
from meterr.ledger.model import Price

_SQL = load_sql("meterr.ledger.journal")


async def append_entries(connection: Connection, block: bytes) -> int:
    """Insert a block of ``rows.copy_row`` lines and return how many of them were new."""
    async with connection.cursor() as cursor:
        await cursor.execute(_SQL["make_incoming"])
        async with cursor.copy(_SQL["copy_incoming"]) as copy:
            await copy.write(block)
        await cursor.execute(_SQL["append_entries"])
        return cursor.rowcount


async def append_prices(connection: Connection, prices: Iterable[Price]) -> None:
    """Insert the price versions that are not there yet."""
    for price in prices:
        terms = msgspec.structs.asdict(price)
        terms["price_id"] = terms.pop("id")
        terms["rates"] = msgspec.json.encode(price.rates).decode()
        await connection.execute(_SQL["append_price"], terms)


async def ensure_partition(connection: Connection, day: date) -> None:
    """Make the partition of one UTC day, if it is missing."""
    await connection.execute(_SQL["ensure_partition"], {"day": day})


async def close_process(connection: Connection, process: str) -> None:
    """Give back what a dead process's leases still held, now that all it spent is in the ledger."""
    await connection.execute(_SQL["close_process"], {"process": process})
