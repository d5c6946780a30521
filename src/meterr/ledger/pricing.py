"""Use cases of what holds for every tenant: price overrides, and what upstream names mean."""

from collections.abc import Iterable

from meterr.core.db import Database
from meterr.core.ids import IdFactory
from meterr.ledger import store
from meterr.ledger.price_override import NewOverride, PriceOverride, checked, stored
from meterr.ledger.report import UpstreamMeaning


async def set_price_override(db: Database, ids: IdFactory, new: NewOverride) -> PriceOverride:
    """
    Store an override and return it.

    Raises ``Invalid`` for terms that cannot be billed. Nothing is ever changed or removed: a newer
    override outdoes an older one where their times overlap. A running gateway sees it once its
    price book is reloaded; entries already written keep the price that they were made at.
    """
    sound = checked(new)
    override_id = ids.new()
    async with db.transaction() as conn:
        created_at_ms = await store.insert_price_override(conn, override_id, sound)
    return stored(sound, override_id, created_at_ms)


async def record_upstreams(db: Database, meanings: Iterable[UpstreamMeaning]) -> None:
    """Store what the upstreams of this configuration mean, for whoever reads the ledger later."""
    async with db.transaction() as conn:
        for meaning in meanings:
            await store.record_upstream(conn, meaning)


async def list_price_overrides(db: Database) -> list[PriceOverride]:
    """Return every override, oldest first: what a price book is built with."""
    async with db.transaction() as conn:
        return await store.list_price_overrides(conn)
