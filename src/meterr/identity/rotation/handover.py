"""Codes for successors that others collect: made in pages, each page one transaction."""

import os
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from typing import Final, NamedTuple

from meterr.core.clock import Clock
from meterr.core.db import Database
from meterr.core.errors import NotFound
from meterr.core.ids import IdFactory
from meterr.identity.keyring import Keyring, Pepper
from meterr.identity.pages import check_page
from meterr.identity.rotation import store
from meterr.identity.rotation.claim_code import ClaimCode, mint_code
from meterr.identity.rotation.model import Asker, Awaiting, Handover, HandoverPage, Kind
from meterr.identity.rotation.plan import checked_asker, checked_valid
from meterr.identity.terms import is_uuid

PAGE_CODES: Final = 5_000
_MS: Final = timedelta(milliseconds=1)


async def issue_codes(
    db: Database,
    keyring: Keyring,
    ids: IdFactory,
    clock: Clock,
    tenant_id: str,
    *,
    emergency_id: str | None = None,
    valid: timedelta = timedelta(days=7),
    asker: Asker,
    randomness: Callable[[int], bytes] = os.urandom,
) -> AsyncIterator[tuple[Handover, ...]]:
    """Yield the codes of every page, as ``issue_page`` makes them."""
    after: str | None = None
    while True:
        page = await issue_page(
            db,
            keyring,
            ids,
            clock,
            tenant_id,
            emergency_id=emergency_id,
            valid=valid,
            asker=asker,
            after=after,
            randomness=randomness,
        )
        if page.items:
            yield page.items
        after = page.after
        if after is None:
            return


async def issue_page(
    db: Database,
    keyring: Keyring,
    ids: IdFactory,
    clock: Clock,
    tenant_id: str,
    *,
    emergency_id: str | None = None,
    valid: timedelta = timedelta(days=7),
    asker: Asker,
    after: str | None = None,
    limit: int = PAGE_CODES,
    randomness: Callable[[int], bytes] = os.urandom,
) -> HandoverPage:
    """
    Make a code for each of the next ``limit`` keys that await a successor; committed at the end.

    The keys are those that the emergency ended or, without one, those that are due by policy, in
    the order of their ids. Safe to repeat after a cut or a lost output, page by page: a key that
    was not collected gets a new code, and the code before ends. ``after`` is that of the page
    before; ``valid`` is 5 minutes to 30 days.

    Raises:
        NotFound: no such tenant, or no such emergency in it.
        Invalid: a time, reason, limit or ``after`` that cannot be meant.
    """
    asker = checked_asker(asker)
    checked_valid(valid)
    check_page(after, limit, PAGE_CODES)
    await _require(db, tenant_id, emergency_id)
    now_ms = clock.unix_ms()
    async with db.tenant_transaction(tenant_id) as connection:
        found = await store.list_awaiting(
            connection,
            tenant_id,
            emergency_id=emergency_id,
            now_ms=now_ms,
            after=after,
            limit=limit + 1,
        )
        waiting = [_Waiting(each, ids.new(), mint_code(randomness)) for each in found[:limit]]
        expires_at_ms = now_ms + valid // _MS
        successors = await store.put_codes(
            connection,
            tenant_id,
            [each.stored(keyring.current) for each in waiting],
            kind=Kind.POLICY if emergency_id is None else Kind.EMERGENCY,
            pepper_id=keyring.current.id,
            expires_at_ms=expires_at_ms,
            asker=asker,
        )
    return HandoverPage(
        items=tuple(
            each.handed_over(tenant_id, successors[each.key.key_id], expires_at_ms)
            for each in waiting
        ),
        after=waiting[-1].key.key_id if len(found) > limit else None,
    )


class _Waiting(NamedTuple):
    """A key, the id its successor gets unless it has one reserved, and the code for it."""

    key: Awaiting
    successor_id: str
    code: ClaimCode

    def stored(self, pepper: Pepper) -> store.Code:
        return store.Code(self.key.key_id, self.successor_id, self.code.mac(pepper), self.key.grace)

    def handed_over(self, tenant_id: str, successor_id: str, expires_at_ms: int) -> Handover:
        return Handover(
            tenant_id=tenant_id,
            key_id=self.key.key_id,
            successor_id=successor_id,
            name=self.key.name,
            owner=self.key.owner,
            last4=self.key.last4,
            expires_at_ms=expires_at_ms,
            code=self.code,
        )


async def _require(db: Database, tenant_id: str, emergency_id: str | None) -> None:
    if emergency_id is None:
        if not is_uuid(tenant_id):
            raise NotFound("There is no such tenant.")
        return
    if is_uuid(tenant_id) and is_uuid(emergency_id):
        async with db.tenant_transaction(tenant_id) as connection:
            if await store.has_emergency(connection, tenant_id, emergency_id):
                return
    raise NotFound("This tenant has no such emergency.")
