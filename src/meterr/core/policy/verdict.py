"""The rule: may this person do this, here, now, and what is still missing? Pure."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from meterr.core.errors import MeterrError, NotFound
from meterr.core.policy.actor import PLATFORM, Actor, Role
from meterr.core.policy.errors import Forbidden, ProofNeeded
from meterr.core.policy.permission import Permission, Plane
from meterr.core.policy.table import SIGN_IN, STEP_UP, TABLE

STEP_UP_MS: Final = 10 * 60 * 1000
REASON_CHARS_MIN: Final = 10
REASON_CHARS_MAX: Final = 500


class Need(StrEnum):
    """What a person who may has yet to give."""

    MFA = "mfa"
    STEP_UP = "step_up"
    SIGN_IN = "sign_in"
    REASON = "reason"


@dataclass(frozen=True, slots=True)
class Verdict:
    """
    The answer. Only ``allowed`` is a yes; there is no truth value to take by mistake.

    ``role`` is the one that grants it, None when none does. ``foreign`` says that the tenant is not
    the caller's, so it must not even be told apart from one that does not exist.
    """

    permission: Permission
    role: Role | None
    foreign: bool
    needs: tuple[Need, ...]

    @property
    def allowed(self) -> bool:
        return self.role is not None and not self.needs

    @property
    def breaks_glass(self) -> bool:
        """Whether it is a super_admin's role that counts, over something that is not their own."""
        return _breaks_glass(self.role, self.permission)

    def __bool__(self) -> bool:
        raise TypeError("ask verdict.allowed: a verdict is not a yes")

    def refusal(self) -> MeterrError | None:
        """Return the error to answer with: 404 for what is foreign, 403 otherwise; None for yes."""
        if self.role is not None:
            return ProofNeeded(self.needs) if self.needs else None
        if self.foreign:
            return NotFound("There is no such tenant.")
        return Forbidden(f"permission={self.permission}")

    def require(self) -> None:
        """Raise ``refusal`` unless it is a yes."""
        refused = self.refusal()
        if refused is not None:
            raise refused


def allowed(
    actor: Actor,
    permission: Permission,
    tenant_id: str | None,
    *,
    now_ms: int,
    reason: str = "",
    step_up_ms: int = STEP_UP_MS,
) -> Verdict:
    """
    Judge one act of one person.

    Args:
        actor: Who acts. An actor without a role anywhere may do nothing, not even in ``self``.
        permission: What the route declared.
        tenant_id: Whose it is for permissions of the tenant plane, else None.
        now_ms: Unix milliseconds.
        reason: What a super_admin says it is for.
        step_up_ms: How fresh a factor must be where one is asked for once more, or the session
            of somebody who has none.

    Raises:
        TypeError: the permission is none (a text is not), or a tenant is missing or out of place:
            a slip of ours, and never a yes.
    """
    if not isinstance(permission, Permission):
        raise TypeError(f"{permission!r} is no permission")
    if (permission.plane is Plane.TENANT) != (tenant_id is not None):
        raise TypeError(f"{permission} and tenant_id do not go together")
    if tenant_id == PLATFORM:
        raise TypeError("the platform is no tenant")
    role = _granting(actor, permission, tenant_id)
    foreign = tenant_id is not None and role is None and actor.role_in(tenant_id) is None
    foreign = foreign and Role.SUPER_ADMIN not in actor.roles.values()
    needs = () if role is None else _needs(actor, permission, role, now_ms, reason, step_up_ms)
    return Verdict(permission=permission, role=role, foreign=foreign, needs=needs)


def must_have_factor(roles: frozenset[Role]) -> bool:
    """Return whether a person with ``roles`` may sign in only with a second factor."""
    return bool(roles & {Role.ADMIN, Role.SUPER_ADMIN})


def _granting(actor: Actor, permission: Permission, tenant_id: str | None) -> Role | None:
    """Return the role by which ``actor`` may, the ordinary one before the one that breaks glass."""
    if permission.plane is Plane.SELF:
        held = [role for role in Role if role in actor.roles.values()]
    else:
        at_home = None if tenant_id is None else actor.role_in(tenant_id)
        held = [role for role in (at_home, actor.role_in(PLATFORM)) if role is not None]
    return next((role for role in held if permission in TABLE.get(role, ())), None)


def _needs(
    actor: Actor, permission: Permission, role: Role, now_ms: int, reason: str, step_up_ms: int
) -> tuple[Need, ...]:
    needs = []
    breaks_glass = _breaks_glass(role, permission)
    # One's own account stays open without a factor, or nobody could ever add the first one.
    must = must_have_factor(frozenset({role})) and permission.plane is not Plane.SELF
    if actor.factor_at_ms is None:
        if must:
            needs.append(Need.MFA)
        elif permission in SIGN_IN and not _fresh(actor.began_at_ms, now_ms, step_up_ms):
            needs.append(Need.SIGN_IN)
    elif (breaks_glass or permission in STEP_UP) and not _fresh(
        actor.factor_at_ms, now_ms, step_up_ms
    ):
        needs.append(Need.STEP_UP)
    if breaks_glass and not REASON_CHARS_MIN <= len(reason.strip()) <= REASON_CHARS_MAX:
        needs.append(Need.REASON)
    return tuple(needs)


def _breaks_glass(role: Role | None, permission: Permission) -> bool:
    return role is Role.SUPER_ADMIN and permission.plane is not Plane.SELF


def _fresh(at_ms: int, now_ms: int, step_up_ms: int) -> bool:
    # A factor from the future is no fresh one: the clock or the session is wrong.
    return 0 <= now_ms - at_ms <= step_up_ms
