"""How much still depends on each pepper, and refusing to start without one that is needed."""

from dataclasses import dataclass

from meterr.core.db import Database
from meterr.identity import store
from meterr.identity.keyring import Keyring, PepperRefused


@dataclass(frozen=True, slots=True)
class PepperUse:
    """How many keys that count, and codes that may be handed in, are stored under one pepper."""

    pepper_id: str
    keys: int
    codes: int
    place: str = ""
    """``current``, ``next``, ``previous``; "" when it is not configured."""


async def list_peppers(db: Database, keyring: Keyring) -> list[PepperUse]:
    """
    Return every pepper that is configured or needed, by its id.

    One that is not current and has neither keys nor codes may be taken out of the configuration.
    """
    async with db.transaction() as connection:
        counted = {use.pepper_id: use for use in await store.count_by_pepper(connection)}
    places = {keyring.current.id: "current"}
    if keyring.following is not None:
        places[keyring.following.id] = "next"
    if keyring.previous is not None:
        places.setdefault(keyring.previous.id, "previous")
    return [
        PepperUse(
            pepper_id,
            counted[pepper_id].keys if pepper_id in counted else 0,
            counted[pepper_id].codes if pepper_id in counted else 0,
            places.get(pepper_id, ""),
        )
        for pepper_id in [*places, *sorted(counted.keys() - places.keys())]
    ]


async def require_peppers(db: Database, keyring: Keyring) -> None:
    """Raise PepperRefused when keys that count are stored under a pepper that is not configured."""
    missing = [use for use in await list_peppers(db, keyring) if not use.place and use.keys]
    if missing:
        named = ", ".join(f"{use.keys} under {use.pepper_id}" for use in missing)
        raise PepperRefused(
            f"keys are stored under a pepper that is not configured ({named}). Set it as"
            " METERR_KEY_PEPPER_PREVIOUS, or replace and revoke those keys: 'meterr key peppers'"
            " counts them, and 'meterr key list --json' names the pepper of each."
        )
