"""
Challenges that browsers were given: so many of each network, site and account, and in all.

Strangers may ask for them, from as many addresses as they have. Where a limit is reached the oldest
give way that came from where most came from, so an honest one always gets its challenge, and
keeps it for as long as fewer come from its own place than there is room for.
"""

from typing import Final

from meterr.core.db import Connection
from meterr.core.http.client_address import network_of, site_of
from meterr.identity.factors import store
from meterr.identity.factors.ceremony import TIMEOUT_MS, digest_of
from meterr.identity.factors.model import Asked, Kept

REGISTER: Final = "register"
SIGN_IN: Final = "sign_in"

NETWORK_MAX: Final = 100
"""Of one IPv4 address or IPv6 /64: an office behind one address, and no more than the throttle."""
SITE_MAX: Final = 400
"""Of one IPv6 /48, which one attacker has for nothing: 25 of them to fill the table."""
ACCOUNT_MAX: Final = 20
TOTAL_MAX: Final = 10_000
"""About 3 MB, and a count of about a millisecond."""
TOTAL_KEPT: Final = 9_000
"""Room is made for many at once: finding out who has most reads all of them."""


def to_register(user_id: str) -> Asked:
    """Return who asks to make a passkey: somebody who is signed in, wherever from."""
    return Asked(REGISTER, user_id, network=user_id, site=user_id)


def to_sign_in(address: str, user_id: str | None) -> Asked:
    """Return who asks to sign in with a passkey."""
    return Asked(SIGN_IN, user_id, network=network_of(address), site=site_of(address))


async def remember(connection: Connection, challenge: bytes, asked: Asked, now_ms: int) -> None:
    """Make room for a challenge, and note it until it is answered or over."""
    kept = Kept(NETWORK_MAX - 1, SITE_MAX - 1, ACCOUNT_MAX - 1, TOTAL_KEPT)
    await store.make_room(connection, asked, now_ms, kept=kept, total_max=TOTAL_MAX)
    await store.insert_ceremony(connection, digest_of(challenge), asked, now_ms + TIMEOUT_MS)
