"""What passwords and factors do to people inside transactions of their own; nothing else may."""

from meterr.core.db import Connection
from meterr.identity.people import store
from meterr.identity.people.errors import ClaimRefused
from meterr.identity.people.model import Claim
from meterr.identity.people.roles import still_granted
from meterr.identity.people.store import (
    find_user,
    join_tenant,
    touch_credentials,
    use_claim,
)

__all__ = ["find_user", "granted_claim", "join_tenant", "touch_credentials", "use_claim"]


async def granted_claim(connection: Connection, digest: bytes, now_ms: int) -> Claim | None:
    """
    Return a claim that can be taken up now, or None.

    Raises ClaimRefused when its author is not any more what it takes to make it.
    """
    claim = await store.find_claim(connection, digest, now_ms)
    if claim is not None and not still_granted(claim):
        raise ClaimRefused("author_may_no_more")
    return claim
