"""How much still depends on each pepper, and refusing to start without one that is needed."""

from dataclasses import dataclass
from typing import Final

from meterr.core.db import Database
from meterr.identity import store
from meterr.identity.keyring import Keyring, PepperRefused

_WITHOUT: Final = (
    "revoke those keys ('meterr key list --json' names the pepper of each) or end"
    " all keys and codes ('meterr key rotate-all --everything --no-codes'; 'meterr key codes' then"
    " makes new ones), and end those sessions ('meterr session end --everybody')."
)


@dataclass(frozen=True, slots=True)
class PepperUse:
    """What is stored under one pepper: keys that count, codes that may be handed in, sessions."""

    pepper_id: str
    keys: int
    codes: int
    sessions: int
    place: str = ""
    """``current``, ``next``, ``previous``; "" when it is not configured."""

    @property
    def needed(self) -> bool:
        """Whether somebody would notice if this pepper were gone."""
        return bool(self.keys or self.codes or self.sessions)


async def list_peppers(db: Database, keyring: Keyring) -> list[PepperUse]:
    """
    Return every pepper that is configured or needed, by its id.

    One that is not current and not ``needed`` may be taken out of the configuration.
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
            *_counts(counted.get(pepper_id)),
            places.get(pepper_id, ""),
        )
        for pepper_id in [*places, *sorted(counted.keys() - places.keys())]
    ]


async def require_peppers(db: Database, keyring: Keyring) -> None:
    """Raise PepperRefused when something that counts needs a pepper that is not configured."""
    missing = await _missing(db, keyring)
    if missing:
        raise PepperRefused(
            f"a pepper is needed and not configured ({missing}). Set it as"
            f" METERR_KEY_PEPPER_PREVIOUS. Or do without: {_WITHOUT}"
        )


async def require_current(db: Database, keyring: Keyring) -> None:
    """
    Raise PepperRefused when no gateway may accept what is made under the current pepper.

    For whoever makes keys or codes beside the gateways. What counts under a pepper that is not
    configured here shows that theirs is another one; it cannot be known while nothing counts.
    """
    missing = await _missing(db, keyring)
    if missing:
        raise PepperRefused(
            f"the gateways of this database have another pepper ({missing}) than this host"
            f" ({keyring.current.id}), and would accept no key or code that is made here. Set"
            f" METERR_KEY_PEPPER as it is there. If that one is lost: {_WITHOUT}"
        )


async def _missing(db: Database, keyring: Keyring) -> str:
    """Tell what counts under peppers that are not configured; "" when nothing does."""
    uses = await list_peppers(db, keyring)
    return "; ".join(_told(use) for use in uses if not use.place and use.needed)


def _counts(count: store.PepperCount | None) -> tuple[int, int, int]:
    return (0, 0, 0) if count is None else (count.keys, count.codes, count.sessions)


def _told(use: PepperUse) -> str:
    things = {"keys": use.keys, "codes": use.codes, "sessions": use.sessions}
    counts = ", ".join(f"{count} {name}" for name, count in things.items() if count)
    return f"{use.pepper_id}: {counts}"
