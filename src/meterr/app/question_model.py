"""The model behind questions in plain language: our own gateway, under keys that we make for it."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

from meterr import identity
from meterr.core.clock import Clock
from meterr.core.db import Database
from meterr.core.errors import NotFound, Unavailable
from meterr.core.events import SYSTEM
from meterr.core.ids import IdFactory
from meterr.core.principal import Scope
from meterr.query.language import Message, Model
from meterr.query.language.gateway_model import GatewayModel, KeyNotTaken

KEY_NAME: Final = "questions in plain language"
OWNER: Final = "meterr"

_LIFE_MS: Final = 24 * 3600 * 1000
_LAST_USE_MS: Final = 3600 * 1000
"""A key is replaced when it has less than this to live."""

_LOOPBACK: Final = ("127.0.0.0/8", "::1/128")
_KEYS_MAX: Final = 1000


@dataclass(frozen=True, slots=True)
class _Held:
    key_id: str
    expires_at_ms: int
    model: GatewayModel = field(repr=False)


class QuestionModels:
    """
    One key for each tenant that asks, made with its first question and kept in memory only.

    The tenant's own ledger, budgets and limits count what a question costs, under the owner
    ``meterr``. A key may chat, with one model, for a day, from this machine where the gateway is
    asked there; ``close`` revokes what is left of them, and one that nobody could revoke ends by
    itself. Nobody is told of either: meterr made it for itself.
    """

    def __init__(
        self,
        db: Database,
        keyring: identity.Keyring,
        ids: IdFactory,
        clock: Clock,
        *,
        gateway_url: str,
        model: str,
    ) -> None:
        """``gateway_url`` is our own, at a loopback address or over https."""
        self._db = db
        self._keyring = keyring
        self._ids = ids
        self._clock = clock
        self._url = gateway_url
        self._model = model
        self._networks = None if gateway_url.startswith("https:") else _LOOPBACK
        self._held: dict[str, _Held] = {}
        self._making = asyncio.Lock()

    @property
    def model(self) -> str:
        """The model's name at the gateway."""
        return self._model

    def of(self, tenant_id: str) -> Model:
        """Return the model as this tenant asks it."""
        return _TenantModel(self, tenant_id)

    async def complete(self, tenant_id: str, messages: Sequence[Message]) -> str:
        """
        Ask on behalf of a tenant. A key that was revoked meanwhile is replaced, once.

        Raises Unavailable, and NotFound for a tenant that is none.
        """
        held = await self._key_of(tenant_id)
        try:
            return await held.model.complete(messages)
        except KeyNotTaken:
            self._forget(tenant_id, held)
        return await (await self._key_of(tenant_id)).model.complete(messages)

    async def close(self) -> None:
        """Revoke every key that is held, as far as the database can be reached."""
        while self._held:
            tenant_id, held = self._held.popitem()
            await self._revoke(tenant_id, held)

    async def _key_of(self, tenant_id: str) -> _Held:
        async with self._making:
            held = self._held.get(tenant_id)
            if held is None or held.expires_at_ms - self._clock.unix_ms() < _LAST_USE_MS:
                held = self._held[tenant_id] = await self._made(tenant_id)
            if len(self._held) > _KEYS_MAX:
                oldest = next(iter(self._held))
                await self._revoke(oldest, self._held.pop(oldest))
            return held

    async def _made(self, tenant_id: str) -> _Held:
        expires_at_ms = self._clock.unix_ms() + _LIFE_MS
        with SYSTEM.acts():  # nobody who asks has made a key
            made = await identity.create_key(
                self._db,
                self._keyring,
                self._ids,
                self._clock,
                tenant_id,
                name=KEY_NAME,
                scopes=[Scope.CHAT],
                models=[self._model],
                networks=self._networks,
                expires_at_ms=expires_at_ms,
                owner=OWNER,
            )
        asked = GatewayModel(self._url, made.secret.presented.decode(), self._model)
        return _Held(made.record.key_id, expires_at_ms, asked)

    def _forget(self, tenant_id: str, held: _Held) -> None:
        if self._held.get(tenant_id) is held:
            del self._held[tenant_id]

    async def _revoke(self, tenant_id: str, held: _Held) -> None:
        with suppress(Unavailable, NotFound), SYSTEM.acts():
            await identity.revoke_key(self._db, tenant_id, held.key_id)


@dataclass(frozen=True, slots=True)
class _TenantModel:
    models: QuestionModels = field(repr=False)
    tenant_id: str

    async def complete(self, messages: Sequence[Message]) -> str:
        return await self.models.complete(self.tenant_id, messages)
