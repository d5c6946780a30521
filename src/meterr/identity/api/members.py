"""Members of a tenant or, under ``PLATFORM``, super_admins: what routes do with both."""

from dataclasses import dataclass
from datetime import datetime

from pydantic import Field

from meterr.core.api import Asked, Caller, Shown, instant
from meterr.core.policy import Role
from meterr.identity.api.services import IdentityServices
from meterr.identity.people import Member, NewClaim, invite_user, list_members, remove_member
from meterr.identity.sessions.administration import end_of_member


class Invitation(Asked):
    """Whom to invite. The role is the route's: nothing here can raise it."""

    email: str = Field(max_length=320)


class Invited(Shown):
    """A one-time token for the person that was invited. Shown once."""

    token: str
    email: str
    expires_at: datetime | None


class MemberShown(Shown):
    """Somebody in a tenant."""

    user_id: str
    email: str
    role: Role
    state: str
    joined: bool
    since: datetime | None


class MemberList(Shown):
    """One page of members, newest accounts first."""

    items: list[MemberShown]
    after: str | None


class SessionsEnded(Shown):
    """How many sessions ended."""

    ended: int


@dataclass(frozen=True, slots=True)
class Members:
    """What a caller does with members; the services judge whether they may."""

    at: IdentityServices

    async def page(
        self, tenant_id: str, caller: Caller, after: str | None, limit: int
    ) -> MemberList:
        """Return one page of members."""
        page = await list_members(
            self.at.people_db,
            self.at.clock,
            by=caller.who,
            tenant_id=tenant_id,
            reason=caller.reason,
            after=after,
            limit=limit,
        )
        return MemberList(items=[_shown(each) for each in page.members], after=page.after)

    async def invite(
        self, tenant_id: str, asked: Invitation, caller: Caller, role: Role
    ) -> Invited:
        """Invite somebody as ``role``."""
        claim = await invite_user(
            self.at.people_db,
            self.at.ids,
            self.at.clock,
            by=caller.who,
            email=asked.email,
            tenant_id=tenant_id,
            role=role,
            reason=caller.reason,
        )
        return shown_claim(claim)

    async def remove(self, tenant_id: str, user_id: str, caller: Caller) -> None:
        """End a membership."""
        await remove_member(
            self.at.people_db,
            self.at.clock,
            by=caller.who,
            tenant_id=tenant_id,
            user_id=user_id,
            reason=caller.reason,
        )

    async def end_sessions(self, tenant_id: str, user_id: str, caller: Caller) -> SessionsEnded:
        """End all sessions of a member or, under ``PLATFORM``, of anybody."""
        ended = await end_of_member(
            self.at.people_db,
            self.at.clock,
            by=caller.who,
            tenant_id=tenant_id,
            user_id=user_id,
            reason=caller.reason,
        )
        return SessionsEnded(ended=ended)


def shown_claim(claim: NewClaim) -> Invited:
    """Return a claim as whoever made it sees it, once."""
    return Invited(
        token=claim.token.get_secret_value(),
        email=claim.email,
        expires_at=instant(claim.expires_at_ms),
    )


def _shown(member: Member) -> MemberShown:
    return MemberShown(
        user_id=member.user.user_id,
        email=member.user.shown_email,
        role=member.role,
        state=member.user.state.value,
        joined=member.user.joined,
        since=instant(member.since_ms),
    )
