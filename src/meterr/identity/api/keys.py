"""``/api/v1/tenants/{tenant_id}/keys``: API keys of a tenant, but for their rotation."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import partial
from typing import Annotated, Final, Literal

from fastapi import Query
from pydantic import Field

from meterr import identity
from meterr.core.api import After, Asked, CallerHere, Instant, Limit, Operation, Shown, instant
from meterr.core.policy import Permission
from meterr.identity.api.services import IdentityServices
from meterr.identity.changes import (
    KEEP,
    ChangedMeanwhile,
    KeyChange,
    Revoked,
    change_key,
    revoke_of_author,
    revoke_with_made,
)
from meterr.identity.grants import GrantExceeded
from meterr.identity.model import KeyRecord, NewKey
from meterr.identity.rotation import KeyEnded
from meterr.identity.service import find_key
from meterr.identity.uses import CallerRecord, list_callers

PATH: Final = "/api/v1/tenants/{tenant_id}/keys"
_EPOCH: Final = datetime.fromisoformat("1970-01-01T00:00:00+00:00")
_MS: Final = timedelta(milliseconds=1)

_Text = Annotated[str, Field(max_length=256)]
_Descend = Annotated[bool, Query(description="Also every key that this one has made.")]


class KeyAsked(Asked):
    """
    The terms of a new key. What is left out is not restricted, but for the scopes.

    ``created_by`` is a key of the tenant that the new one never exceeds: not in its terms now, and
    later not in its scopes. Revoking that one can take this one along.
    """

    name: str = Field(max_length=200)
    scopes: list[_Text] = Field(max_length=16)
    environment: Literal["live", "test"] = "live"
    models: list[_Text] | None = Field(None, max_length=1000)
    networks: list[_Text] | None = Field(None, max_length=1000)
    expires_at: Instant | None = None
    owner: str = Field("", max_length=200)
    owner_user_id: str | None = Field(None, max_length=36)
    created_by: str | None = Field(None, max_length=36)
    output_tokens_default: int | None = None
    send_output_default: bool = False


class KeyChangeAsked(Asked):
    """
    What to change of a key's terms; what is left out stays, and null lifts a restriction.

    ``version`` is the one that the key was read with: a change since then is not overwritten.
    """

    version: int
    name: str = Field("", max_length=200)
    scopes: list[_Text] = Field(default_factory=list, max_length=16)
    models: list[_Text] | None = Field(None, max_length=1000)
    networks: list[_Text] | None = Field(None, max_length=1000)
    expires_at: Instant | None = None


class KeyShown(Shown):
    """
    A key as its tenant sees it: everything but the key. ``shown`` is what may be seen of it.

    ``author`` asked for it, and ``created_by`` is the key that made it, if one did.
    """

    key_id: str
    version: int
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
    author: str
    created_by: str | None
    successor_id: str | None
    created_at: datetime | None
    expires_at: datetime | None
    revoked_at: datetime | None
    grace_until: datetime | None
    due_at: datetime | None
    last_used_at: datetime | None


class RevokeMadeAsked(Asked):
    """Whose keys to revoke: the ``author`` that lists show. With ``dry_run`` nothing changes."""

    author: str = Field(max_length=200)
    dry_run: bool = False


class KeysRevoked(Shown):
    """The ids of keys that are revoked or, dry, would be."""

    keys: list[str]


class KeyRevoked(KeyShown):
    """A revoked key, and the ids of those that it had made and that ended with it."""

    descendants: list[str]


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
            created_by=asked.created_by,
            author=caller.author,
        )
        return made_key(made)

    async def show(self, tenant_id: str, key_id: str, caller: CallerHere) -> KeyShown:
        """Show one key."""
        return shown_key(await find_key(self._at.db, tenant_id, key_id))

    async def change(
        self, tenant_id: str, key_id: str, asked: KeyChangeAsked, caller: CallerHere
    ) -> KeyShown:
        """Change a key's terms; its secret stays. A key that has ended is not changed."""
        changed = await change_key(
            self._at.db, self._at.clock, tenant_id, key_id, _change(asked), version=asked.version
        )
        return shown_key(changed)

    async def revoke(
        self, tenant_id: str, key_id: str, caller: CallerHere, with_descendants: _Descend = False
    ) -> KeyRevoked:
        """Revoke a key for good; doing it again changes nothing."""
        if with_descendants:
            done = await revoke_with_made(self._at.db, tenant_id, key_id)
        else:
            done = Revoked(await identity.revoke_key(self._at.db, tenant_id, key_id), ())
        return KeyRevoked(**shown_key(done.key).model_dump(), descendants=list(done.made))

    async def revoke_made_by(
        self, tenant_id: str, asked: RevokeMadeAsked, caller: CallerHere
    ) -> KeysRevoked:
        """Revoke every key that somebody asked for, and what those have made."""
        ended = await revoke_of_author(self._at.db, tenant_id, asked.author, dry_run=asked.dry_run)
        return KeysRevoked(keys=[*ended])

    async def callers(self, tenant_id: str, key_id: str, caller: CallerHere) -> CallerList:
        """List who still calls with a key that has a successor."""
        found = await list_callers(self._at.db, tenant_id, key_id)
        return CallerList(items=[_caller(each) for each in found])

    def operations(self) -> Iterator[Operation]:
        """Yield the routes."""
        read, new = Permission.TENANT_KEY_READ, Permission.TENANT_KEY_CREATE
        one, revoke = f"{PATH}/{{key_id}}", Permission.TENANT_KEY_REVOKE
        of = partial(Operation.of, "keys")
        yield of("GET", PATH, read, self.list)
        yield of("POST", PATH, new, self.create, GrantExceeded, status=201)
        yield of("GET", one, read, self.show)
        yield of(
            "PATCH",
            one,
            Permission.TENANT_KEY_CHANGE,
            self.change,
            ChangedMeanwhile,
            KeyEnded,
            GrantExceeded,
        )
        yield of("POST", f"{PATH}/revoke-made-by", revoke, self.revoke_made_by)
        yield of("POST", f"{one}/revoke", revoke, self.revoke)
        yield of("GET", f"{one}/callers", read, self.callers)


def made_key(made: NewKey) -> KeyMade:
    """Return a key with its secret, for the one answer that has it."""
    return KeyMade(secret=made.secret.reveal(), key=shown_key(made.record))


def shown_key(record: KeyRecord) -> KeyShown:
    """Return a key as its tenant sees it."""
    return KeyShown(
        key_id=record.key_id,
        version=record.version,
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
        author=record.author,
        created_by=record.created_by,
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


def _change(asked: KeyChangeAsked) -> KeyChange:
    said = asked.model_fields_set
    return KeyChange(
        name=asked.name if "name" in said else KEEP,
        scopes=asked.scopes if "scopes" in said else KEEP,
        models=asked.models if "models" in said else KEEP,
        networks=asked.networks if "networks" in said else KEEP,
        expires_at_ms=_unix_ms(asked.expires_at) if "expires_at" in said else KEEP,
    )


def _unix_ms(at: datetime | None) -> int | None:
    return None if at is None else (at - _EPOCH) // _MS
