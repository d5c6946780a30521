"""The parent's work for keys: none under an unknown pepper at the start, and policies kept."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial

import psycopg

from meterr import identity
from meterr.app.upkeep import keep, pause, tell_failure
from meterr.core.clock import Clock
from meterr.core.db import Database, Role
from meterr.core.errors import Unavailable
from meterr.core.telemetry import Event, EventLine, Level, Telemetry
from meterr.identity.peppers import require_peppers
from meterr.identity.rotation import mark_due
from meterr.identity.rotation.model import Due

ROUND_S = 600.0
"""Notices of days may come some minutes late."""

_RETRY_S = 5.0
_LOOK_S = 5.0


async def refuse_unknown_peppers(dsn: str, keyring: identity.Keyring) -> None:
    """
    Raise PepperRefused when keys are stored under a pepper that is not configured.

    One grouped count. A database that is away, or has no such schema, is no matter of peppers: the
    start goes on, and whoever needs the database says so.
    """
    with suppress(Unavailable, psycopg.Error):
        async with Database.open(
            dsn, Role.APP, pool_size_max=1, connect_timeout_s=_LOOK_S, statement_timeout_s=_LOOK_S
        ) as db:
            await require_peppers(db, keyring)


async def keep_policies(
    stop: asyncio.Event, dsn: Callable[[], str], clock: Clock, telemetry: Telemetry
) -> None:
    """
    Tell which keys are due by policy, round by round until ``stop`` is set.

    Every host runs one; they take turns tenant by tenant. A failed round is told and tried again.
    Ends at once when the database has another schema, see ``keep``.
    """

    async def look() -> None:
        async with Database.open(dsn(), Role.APP, pool_size_max=1) as db:
            for tenant in await identity.list_tenants(db):
                _tell_due(telemetry, tenant.name, await mark_due(db, clock, tenant.tenant_id))
        await pause(stop, ROUND_S)

    failed = partial(tell_failure, telemetry, "key policies")
    await keep(stop, dsn, look, failed, retry_s=_RETRY_S, restart_s=ROUND_S)


def _tell_due(telemetry: Telemetry, tenant: str, due: Sequence[Due]) -> None:
    for key in due:
        message = (
            f"tenant={tenant} key_id={key.key_id} due_at_ms={key.due_at_ms}"
            f" ends_at_ms={key.grace_until_ms}"
        )
        telemetry.event(Level.WARNING, EventLine(event=Event.KEY_DUE, message=message))
