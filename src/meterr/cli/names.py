"""Names that people gave to keys, for reports."""

from meterr import identity
from meterr.core.db import Database


async def key_names(db: Database, tenant_id: str) -> dict[str, str]:
    """Return key id to name for all keys of a tenant, revoked ones included."""
    names: dict[str, str] = {}
    after: str | None = None
    while True:
        page = await identity.list_keys(db, tenant_id, after=after, limit=200)
        names.update({record.key_id: record.name for record in page.keys})
        after = page.after
        if after is None:
            return names
