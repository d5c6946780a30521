"""The peppers for what a command makes beside the gateways: keys, and codes for keys."""

from meterr import identity
from meterr.app.gateway_process import keyring
from meterr.core.db import Database
from meterr.core.settings import Settings
from meterr.identity.peppers import require_current


async def peppers(settings: Settings, db: Database) -> identity.Keyring:
    """Return the peppers of this host; PepperRefused when they are not those of the gateways."""
    found = keyring(settings)
    await require_current(db, found)
    return found
