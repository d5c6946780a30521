"""``/api/v1/tenants/{tenant_id}/keys``: API keys of a tenant, but for their rotation."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Annotated, Final, Literal

from pydantic import Field

from meterr import identity
from meterr.core.api import After, Asked, CallerHere, Instant, Limit, Operation, Shown, instant
from meterr.core.policy import Permission, Route
from meterr.identity.api.services import IdentityServices
from meterr.identity.grants import GrantExceeded
from meterr.identity.key_reading import find_key
from meterr.identity.model import KeyRecord, NewKey
from meterr.identity.uses import CallerRecord, list_callers

PATH: Final = "/api/v1/tenants/{tenant_id}/keys"
_EPOCH: Final = datetime.fromisoformat("1970-01-01T00:00:00+00:00")
_MS: Final = timedelta(milliseconds=1)

_Text = Annotated[str, Field(max_length=256)]


class KeyAsked(Asked):
    """The terms of a new key. What is left out is not restricted, but for the scopes."""

    name: str = Field(max_length=200)
    scopes: list[_Text] = Field(max_length=16)
    environment: Literal["live", "test"] = "live"
    models: list[_Text] | None = Field(None, max_length=1000)
    networks: list[_Text] | None = Field(None, max_length=1000)
    expires_at: Instant | None = None
    owner: str = Field("", max_length=200)
    owner_user_id: str | None = Field(None, max_length=36)
    output_tokens_default: int | None = None
    send_output_default: bool = False


class KeyShown(Shown):
    """A key as its tenant sees it: everything but the key. ``shown`` is what may be seen of it."""

    key_id: str
    name: str
    shown: str
    environment: str
    scopes: list[str]
    models: list[str] | None
    networks: list[str] | None
    state: str
    owner: str
    owner_user_id: str | None
    output_tokens_default: int | None
    send_output_default: bool
    successor_id: str | None
    created_at: datetime | None
    expires_at: datetime | None
    revoked_at: datetime | None
    grace_until: datetime | None
    due_at: datetime | None
    last_used_at: datetime | None


class KeyMade(Shown):
    """A key that was just made. Its secret is here and nowhere else, and never again."""

    secret: str
    key: KeyShown


class KeyList(Shown):
    """One page of keys, newest first, revoked ones included."""

    items: list[KeyShown]
    after: str | None


class CallerShown(Shown):
    """Somebody who still calls with a key that has a successor."""

    address: str | None
    user_agent: str
    calls: int
    first_at: datetime | None
    last_at: datetime | None


class CallerList(Shown):
    """The last callers with a key, newest first; at most 50."""

    items: list[CallerShown]


class KeyRoutes:
    """API keys of a tenant."""

    def __init__(self, services: IdentityServices) -> None:
        self._at = services

    async def list(
        self, tenant_id: str, caller: CallerHere, after: After = None, limit: Limit = 50
    ) -> KeyList:
        """List the keys of a tenant."""
        page = await identity.list_keys(self._at.db, tenant_id, after=after, limit=limit)
        return KeyList(items=[shown_key(each) for each in page.keys], after=page.after)

    async def create(self, tenant_id: str, asked: KeyAsked, caller: CallerHere) -> KeyMade:
        """Create a key. The answer holds its secret; nothing else ever will."""
        made = await identity.create_key(
            self._at.db,
            self._at.keyring,
            self._at.ids,
            self._at.clock,
            tenant_id,
            name=asked.name,
            scopes=asked.scopes,
            environment=identity.Environment(asked.environment),
            models=asked.models,
            networks=asked.networks,
            expires_at_ms=_unix_ms(asked.expires_at),
            owner=asked.owner,
            owner_user_id=asked.owner_user_id,
            output_tokens_default=asked.output_tokens_default,
            send_output_default=asked.send_output_default,
        )
        return made_key(made)

    async def show(self, tenant_id: str, key_id: str, caller: CallerHere) -> KeyShown:
        """Show one key."""
        return shown_key(await find_key(self._at.db, tenant_id, key_id))

    async def revoke(self, tenant_id: str, key_id: str, caller: CallerHere) -> KeyShown:
        """Revoke a key for good; doing it again changes nothing."""
        return shown_key(await identity.revoke_key(self._at.db, tenant_id, key_id))

    async def callers(self, tenant_id: str, key_id: str, caller: CallerHere) -> CallerList:
        """List who still calls with a key that has a successor."""
        found = await list_callers(self._at.db, tenant_id, key_id)
        return CallerList(items=[_caller(each) for each in found])

    def operations(self) -> Iterator[Operation]:
        """Yield the routes."""
        read, new = Permission.TENANT_KEY_READ, Permission.TENANT_KEY_CREATE
        one, revoke = f"{PATH}/{{key_id}}", Permission.TENANT_KEY_REVOKE
        yield Operation(Route("GET", PATH), read, self.list, "keys.list")
        yield Operation(
            Route("POST", PATH),
            new,
            self.create,
            "keys.create",
            status=201,
            errors=(GrantExceeded,),
        )
        yield Operation(Route("GET", one), read, self.show, "keys.show")
        yield Operation(Route("POST", f"{one}/revoke"), revoke, self.revoke, "keys.revoke")
        yield Operation(Route("GET", f"{one}/callers"), read, self.callers, "keys.callers")


def made_key(made: NewKey) -> KeyMade:
    """Return a key with its secret, for the one answer that has it."""
    return KeyMade(secret=made.secret.reveal(), key=shown_key(made.record))


def shown_key(record: KeyRecord) -> KeyShown:
    """Return a key as its tenant sees it."""
    return KeyShown(
        key_id=record.key_id,
        name=record.name,
        shown=record.shown,
        environment=record.environment.value,
        scopes=sorted(scope.value for scope in record.scopes),
        models=None if record.models is None else list(record.models),
        networks=None if record.networks is None else list(record.networks),
        state=record.state.value,
        owner=record.owner,
        owner_user_id=record.owner_user_id,
        output_tokens_default=record.output_tokens_default,
        send_output_default=record.send_output_default,
        successor_id=record.successor_id,
        created_at=instant(record.created_at_ms),
        expires_at=instant(record.expires_at_ms),
        revoked_at=instant(record.revoked_at_ms),
        grace_until=instant(record.grace_until_ms),
        due_at=instant(record.due_at_ms),
        last_used_at=instant(record.last_used_at_ms),
    )


def _caller(record: CallerRecord) -> CallerShown:
    return CallerShown(
        address=record.address,
        user_agent=record.user_agent,
        calls=record.calls,
        first_at=instant(record.first_at_ms),
        last_at=instant(record.last_at_ms),
    )


def _unix_ms(at: datetime | None) -> int | None:
    return None if at is None else (at - _EPOCH) // _MS
