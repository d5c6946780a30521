"""Keys that follow each other: one by one, all at once, and those that wait to be collected."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import partial
from typing import Annotated, Final

from pydantic import Field, SecretStr

from meterr.core.api import Asked, Caller, CallerHere, Operation, Shown, instant
from meterr.core.policy import Open, Permission, Route
from meterr.identity.api.keys import PATH, KeyMade, KeyShown, made_key, shown_key
from meterr.identity.api.services import IdentityServices
from meterr.identity.grants import GrantExceeded
from meterr.identity.rotation import (
    AlreadyRotated,
    Asker,
    CodeRefused,
    Handover,
    KeyEnded,
    Rotated,
    collect,
    issue_page,
    rotate_all,
    rotate_key,
)
from meterr.identity.rotation.model import Emergency

_GRACE_S_MAX: Final = 90 * 86400
_Reason = Annotated[str, Field(max_length=500)]
_Grace = Annotated[int, Field(ge=0, le=_GRACE_S_MAX, description="Seconds.")]


class RotateAsked(Asked):
    """Why a key is rotated, and how long the old one goes on."""

    reason: _Reason
    grace_s: _Grace = 86400


class RotateAllAsked(Asked):
    """Why every key ends. With ``dry_run`` nothing changes and the answer says how many would."""

    reason: _Reason
    grace_s: _Grace = 0
    dry_run: bool = False


class ClaimsAsked(Asked):
    """For which keys to make codes: those that an emergency ended, or that are due by policy."""

    reason: _Reason
    emergency_id: str | None = Field(None, max_length=36)
    valid_s: int = Field(7 * 86400, ge=300, le=30 * 86400)
    after: str | None = Field(None, max_length=36)
    limit: int = Field(200, ge=1, le=1000)


class CollectAsked(Asked):
    """The code somebody was given."""

    code: Annotated[SecretStr, Field(max_length=128)]


class RotatedShown(Shown):
    """The key that follows, with its secret, and what became of the old one."""

    old: KeyShown
    new: KeyMade


class StruckShown(Shown):
    """How many keys of a tenant end, and how many codes that were open before are over."""

    tenant_id: str
    keys: int
    codes: int


class EmergencyShown(Shown):
    """What an emergency did or, dry, would do; ``emergency_id`` is then null."""

    emergency_id: str | None
    dry_run: bool
    keys: int
    codes: int = Field(description="Codes that were open before, for other successors.")
    tenants: list[StruckShown]


class HandoverShown(Shown):
    """A successor that waits: whoever hands in ``code`` first gets its secret, once."""

    key_id: str
    successor_id: str
    name: str
    owner: str
    last4: str
    expires_at: datetime | None
    code: str


class HandoverList(Shown):
    """
    One page of codes, each for a key that awaits a successor; codes of before have ended.

    ``after`` asks for the next page; null on the last.
    """

    items: list[HandoverShown]
    after: str | None


class RotationRoutes:
    """Rotation, by hand and in an emergency."""

    def __init__(self, services: IdentityServices) -> None:
        self._at = services

    async def rotate(
        self, tenant_id: str, key_id: str, asked: RotateAsked, caller: CallerHere
    ) -> RotatedShown:
        """Give a key a successor with the same terms; both count for the grace."""
        rotated = await rotate_key(
            self._at.db,
            self._at.keyring,
            self._at.ids,
            self._at.clock,
            tenant_id,
            key_id,
            grace=timedelta(seconds=asked.grace_s),
            asker=_asker(caller, asked.reason),
        )
        return _rotated(rotated)

    async def rotate_all(
        self, tenant_id: str, asked: RotateAllAsked, caller: CallerHere
    ) -> EmergencyShown:
        """End every key of a tenant at once. Make codes for the successors afterwards."""
        return await self._struck(tenant_id, asked, caller)

    async def rotate_everything(self, asked: RotateAllAsked, caller: CallerHere) -> EmergencyShown:
        """End every key of every tenant at once."""
        return await self._struck(None, asked, caller)

    async def issue_claims(
        self, tenant_id: str, asked: ClaimsAsked, caller: CallerHere
    ) -> HandoverList:
        """Make one-time codes for keys that await a successor, page by page, for their owners."""
        page = await issue_page(
            self._at.db,
            self._at.keyring,
            self._at.ids,
            self._at.clock,
            tenant_id,
            emergency_id=asked.emergency_id,
            valid=timedelta(seconds=asked.valid_s),
            asker=_asker(caller, asked.reason),
            after=asked.after,
            limit=asked.limit,
        )
        return HandoverList(items=[_handover(each) for each in page.items], after=page.after)

    async def collect(self, asked: CollectAsked, caller: CallerHere) -> RotatedShown:
        """Collect a successor with a code: its secret, once, to who comes first."""
        code = asked.code.get_secret_value()
        return _rotated(await collect(self._at.db, self._at.keyring, self._at.clock, code))

    def operations(self) -> Iterator[Operation]:
        """Yield the routes."""
        every, rotate = Permission.TENANT_KEY_ROTATE_ALL, Permission.TENANT_KEY_ROTATE
        of = partial(Operation.of, "keys")
        yield of("POST", f"{PATH}/rotate-all", every, self.rotate_all)
        # Who has the codes gets the keys, so this is not for whoever may only end them.
        yield of("POST", f"{PATH}/claims", rotate, self.issue_claims)
        yield of(
            "POST",
            f"{PATH}/{{key_id}}/rotate",
            rotate,
            self.rotate,
            AlreadyRotated,
            KeyEnded,
            GrantExceeded,
            status=201,
        )
        yield Operation.of(
            "platform",
            "POST",
            "/api/v1/platform/keys/rotate-all",
            Permission.PLATFORM_KEY_ROTATE_ALL,
            self.rotate_everything,
        )
        yield Operation(
            Route("POST", "/api/v1/key-claims/collect"),
            Open("The one-time code, as strong as a key, is the proof."),
            self.collect,
            "keys.collect",
            cookie=False,
            errors=(CodeRefused,),
        )

    async def _struck(
        self, tenant_id: str | None, asked: RotateAllAsked, caller: Caller
    ) -> EmergencyShown:
        found = await rotate_all(
            self._at.db,
            self._at.ids,
            tenant_id=tenant_id,
            asker=_asker(caller, asked.reason),
            grace=timedelta(seconds=asked.grace_s),
            dry_run=asked.dry_run,
        )
        return _emergency(found)


def _asker(caller: Caller, reason: str) -> Asker:
    return Asker(author=caller.author, reason=reason, user_id=caller.who.user_id)


def _rotated(rotated: Rotated) -> RotatedShown:
    return RotatedShown(old=shown_key(rotated.old), new=made_key(rotated.new))


def _emergency(found: Emergency) -> EmergencyShown:
    return EmergencyShown(
        emergency_id=found.emergency_id or None,
        dry_run=found.dry_run,
        keys=found.keys,
        codes=found.codes,
        tenants=[
            StruckShown(tenant_id=each.tenant_id, keys=each.keys, codes=each.codes)
            for each in found.struck
        ],
    )


def _handover(handover: Handover) -> HandoverShown:
    return HandoverShown(
        key_id=handover.key_id,
        successor_id=handover.successor_id,
        name=handover.name,
        owner=handover.owner,
        last4=handover.last4,
        expires_at=instant(handover.expires_at_ms),
        code=handover.code.reveal(),
    )
