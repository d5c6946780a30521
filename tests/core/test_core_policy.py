"""Who may do what: one table, deny by default, and what is still needed."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meterr.core.errors import NotFound
from meterr.core.policy import (
    PLATFORM,
    Actor,
    Forbidden,
    Need,
    Permission,
    ProofNeeded,
    Role,
    allowed,
)
from meterr.core.policy.permission import Plane
from meterr.core.policy.table import STEP_UP, TABLE, TableError, read_table
from meterr.core.policy.verdict import STEP_UP_MS, must_have_factor

NOW_MS = 1_800_000_000_000
A = "0199aaaa-0000-7000-8000-00000000000a"
B = "0199bbbb-0000-7000-8000-00000000000b"
REASON = "on call, incident 4711"

permissions = st.sampled_from(Permission)
roles = st.sampled_from(Role)


def person(*, factor_at_ms: int | None = NOW_MS, began_at_ms: int = NOW_MS, **held: Role) -> Actor:
    """Return an actor with roles in the tenants ``a`` and ``b`` and on the ``platform``."""
    places = {"a": A, "b": B, "platform": PLATFORM}
    roles = {places[name]: role for name, role in held.items()}
    return Actor("u", roles, factor_at_ms, began_at_ms)


def tenant_for(permission: Permission, tenant_id: str = A) -> str | None:
    return tenant_id if permission.plane is Plane.TENANT else None


def rows() -> dict[str, list[str]]:
    return {role.value: [each.value for each in granted] for role, granted in TABLE.items()}


# S1:312-321, row 54: an unknown role or permission lets everybody pass -------------------------


@pytest.mark.parametrize("name", ["owner", "billing_admin", "undefined", "", "ADMIN", "-1"])
def test_a_table_with_an_unknown_role_does_not_load(name: str) -> None:
    """S1:312: indexOf gives -1 for a role that does not exist, and everybody passes. Here: boot."""
    with pytest.raises(TableError, match="no role"):
        read_table({**rows(), name: ["self:profile:read"]})


@pytest.mark.parametrize("name", ["tenant:key:destroy", "", "*", "tenant:*:*", "SELF_PROFILE_READ"])
def test_a_table_with_an_unknown_permission_does_not_load(name: str) -> None:
    """S1:312-321: a permission that was mistyped is an error at import, not a door."""
    with pytest.raises(TableError, match="no permission"):
        read_table({**rows(), "admin": [*rows()["admin"], name]})


def test_a_table_without_a_row_or_with_a_permission_nobody_has_does_not_load() -> None:
    """Row 54: a hole in the table is found at import as well."""
    without_user = {name: row for name, row in rows().items() if name != "user"}
    with pytest.raises(TableError, match="no row"):
        read_table(without_user)
    nobody = {
        name: [each for each in row if each != "platform:tenant:read"]
        for name, row in rows().items()
    }
    with pytest.raises(TableError, match="nobody may"):
        read_table(nobody)


def test_a_tenants_admin_can_be_given_nothing_of_the_platform() -> None:
    """Row 55: the planes do not mix by a slip in the table."""
    with pytest.raises(TableError, match="no role of the platform"):
        read_table({**rows(), "admin": [*rows()["admin"], "platform:tenant:read"]})


@pytest.mark.parametrize("asked", ["tenant:usage:read", None, 1, "owner", Role.ADMIN])
def test_what_is_no_permission_is_an_error_and_no_answer(asked: object) -> None:
    """S1:312: a text is not a permission, even when it has the name of one."""
    with pytest.raises(TypeError):
        allowed(person(a=Role.ADMIN), asked, A, now_ms=NOW_MS)  # type: ignore[arg-type]  # the point


def test_a_role_that_is_none_grants_nothing() -> None:
    """S1:312: whatever put a stray text where a role belongs."""
    stray = Actor("u", {A: "owner", PLATFORM: "root"}, NOW_MS, 0)  # type: ignore[dict-item]  # the point
    for permission in Permission:
        verdict = allowed(stray, permission, tenant_for(permission), now_ms=NOW_MS, reason=REASON)
        assert not verdict.allowed


@given(permission=permissions, role=roles)
def test_what_the_table_does_not_say_is_denied(permission: Permission, role: Role) -> None:
    """Deny by default: for each permission and role, a yes only where the table has the pair."""
    holder = person(platform=role) if role is Role.SUPER_ADMIN else person(a=role)
    verdict = allowed(holder, permission, tenant_for(permission), now_ms=NOW_MS, reason=REASON)
    assert (permission in TABLE[role]) == verdict.allowed


@given(permission=permissions)
def test_a_person_without_a_role_may_nothing(permission: Permission) -> None:
    """Row 54, 56: no role anywhere is not a role."""
    verdict = allowed(person(), permission, tenant_for(permission), now_ms=NOW_MS, reason=REASON)
    assert not verdict.allowed
    assert verdict.refusal() is not None


def test_a_verdict_is_not_taken_for_a_yes() -> None:
    """`if allowed(...)` would be true for every refusal."""
    with pytest.raises(TypeError, match=r"verdict\.allowed"):
        bool(allowed(person(), Permission.SELF_PROFILE_READ, None, now_ms=NOW_MS))


# S1:314, row 55: roles are global --------------------------------------------------------------


@given(permission=permissions, role=st.sampled_from([Role.USER, Role.ADMIN]))
def test_a_role_in_one_tenant_is_nothing_in_another(permission: Permission, role: Role) -> None:
    """S1:314: there, an admin of tenant A outranks a user of tenant B."""
    if permission.plane is not Plane.TENANT:
        return
    verdict = allowed(person(a=role), permission, B, now_ms=NOW_MS, reason=REASON)
    assert not verdict.allowed
    assert isinstance(verdict.refusal(), NotFound)


@given(permission=permissions)
def test_a_second_membership_does_not_lend_its_rights_to_the_first(permission: Permission) -> None:
    """S1:314: admin here and user there is user there."""
    if permission.plane is Plane.TENANT:
        mixed = allowed(person(a=Role.USER, b=Role.ADMIN), permission, A, now_ms=NOW_MS)
        assert (permission in TABLE[Role.USER]) == mixed.allowed


def test_super_admin_is_a_plane_of_its_own_and_no_higher_admin() -> None:
    """Row 55: break-glass reaches every tenant, and still not what only its admins may."""
    breaking = person(platform=Role.SUPER_ADMIN)
    make = allowed(breaking, Permission.TENANT_KEY_CREATE, A, now_ms=NOW_MS, reason=REASON)
    stop = allowed(breaking, Permission.TENANT_KEY_REVOKE, A, now_ms=NOW_MS, reason=REASON)
    assert (False, True) == (make.allowed, stop.allowed)
    assert isinstance(make.refusal(), Forbidden)
    assert TABLE[Role.ADMIN] - TABLE[Role.SUPER_ADMIN]


def test_the_platform_is_no_tenant_to_act_on() -> None:
    """The nil id is a place for memberships only."""
    with pytest.raises(TypeError):
        allowed(
            person(platform=Role.SUPER_ADMIN), Permission.TENANT_KEY_READ, PLATFORM, now_ms=NOW_MS
        )


@pytest.mark.parametrize(
    ("permission", "tenant_id"),
    [(Permission.TENANT_KEY_READ, None), (Permission.SELF_PROFILE_READ, A)],
)
def test_a_tenant_that_is_missing_or_out_of_place_is_an_error(
    permission: Permission, tenant_id: str | None
) -> None:
    """S1:325-328, row 56: there undefined === undefined is true. Nothing stands for nothing."""
    with pytest.raises(TypeError):
        allowed(person(a=Role.ADMIN), permission, tenant_id, now_ms=NOW_MS)


# Row 57: how a refusal looks -------------------------------------------------------------------


def test_a_refusal_is_403_and_says_no_more_than_it_must() -> None:
    """S1:319: there, a plain Error becomes a 500. Here 403, or 404 for what is foreign."""
    refused = allowed(person(a=Role.USER), Permission.TENANT_KEY_CREATE, A, now_ms=NOW_MS).refusal()
    assert isinstance(refused, Forbidden)
    assert (403, "forbidden") == (refused.status, refused.code)
    assert "tenant:key:create" not in refused.detail
    with pytest.raises(Forbidden):
        allowed(person(a=Role.USER), Permission.TENANT_KEY_CREATE, A, now_ms=NOW_MS).require()


def test_a_foreign_tenant_looks_like_one_that_does_not_exist() -> None:
    """S1:325-328, row 56: 404 for foreign ids, the same text as for no tenant."""
    foreign = allowed(person(a=Role.ADMIN), Permission.TENANT_KEY_READ, B, now_ms=NOW_MS).refusal()
    absent = allowed(
        person(a=Role.ADMIN), Permission.TENANT_KEY_READ, "no-such", now_ms=NOW_MS
    ).refusal()
    assert foreign is not None
    assert absent is not None
    assert (404, str(foreign)) == (absent.status, str(absent))


# What is still needed ---------------------------------------------------------------------------


def check(actor: Actor, permission: Permission, expected: set[Need], reason: str = "") -> None:
    verdict = allowed(actor, permission, tenant_for(permission), now_ms=NOW_MS, reason=reason)
    assert verdict.role is not None
    assert expected == set(verdict.needs)
    assert verdict.allowed == (not expected)
    assert isinstance(verdict.refusal(), ProofNeeded) == bool(expected)


def test_admins_need_a_second_factor_and_users_do_not() -> None:
    """S2:77: MFA for admins; one's own account stays open, or nobody could add the first factor."""
    check(person(a=Role.ADMIN, factor_at_ms=None), Permission.TENANT_KEY_READ, {Need.MFA})
    check(person(a=Role.ADMIN, factor_at_ms=None), Permission.SELF_FACTOR_CHANGE, set())
    check(person(a=Role.USER, factor_at_ms=None), Permission.TENANT_KEY_READ, set())
    assert [False, True, True] == [must_have_factor(frozenset({role})) for role in Role]


def test_the_first_factor_needs_a_session_that_just_began() -> None:
    """A stolen token of minutes became a factor of the thief's; the password is asked anew."""
    for at_ms, needs in (
        (NOW_MS, set()),
        (NOW_MS - STEP_UP_MS, set()),
        (NOW_MS - STEP_UP_MS - 1, {Need.SIGN_IN}),
        (NOW_MS + 1, {Need.SIGN_IN}),
    ):
        for role in (Role.USER, Role.ADMIN):
            holder = person(a=role, factor_at_ms=None, began_at_ms=at_ms)
            check(holder, Permission.SELF_FACTOR_CHANGE, needs)
    old = person(a=Role.USER, factor_at_ms=None, began_at_ms=0)
    # It asks for the password itself.
    check(old, Permission.SELF_PASSWORD_CHANGE, set())
    check(old, Permission.SELF_FACTOR_READ, set())
    refusal = allowed(old, Permission.SELF_FACTOR_CHANGE, None, now_ms=NOW_MS).refusal()
    assert "sign in again" in str(refusal)


def test_a_session_with_a_factor_may_be_as_old_as_it_is() -> None:
    """The positive space: what counts there is the factor."""
    check(person(a=Role.USER, began_at_ms=0), Permission.SELF_FACTOR_CHANGE, set())


def test_rotation_and_role_changes_want_a_fresh_factor() -> None:
    """Issue 4, item 4: step-up, also for each one to come, exports too; the future is not fresh."""
    named = re.compile(r"\w+:(\w+:(rotate\w*|export)|role:change)")
    fresh = {each for each in Permission if named.fullmatch(each)}
    assert {
        Permission.TENANT_KEY_ROTATE,
        Permission.TENANT_KEY_ROTATE_ALL,
        Permission.TENANT_ROLE_CHANGE,
        Permission.PLATFORM_ROLE_CHANGE,
        Permission.PLATFORM_KEY_ROTATE_ALL,
    } == fresh
    assert fresh <= STEP_UP
    for at_ms, needs in (
        (NOW_MS, set()),
        (NOW_MS - STEP_UP_MS, set()),
        (NOW_MS - STEP_UP_MS - 1, {Need.STEP_UP}),
        (NOW_MS + 1, {Need.STEP_UP}),
    ):
        check(person(a=Role.ADMIN, factor_at_ms=at_ms), Permission.TENANT_KEY_ROTATE, needs)
    stale = person(a=Role.ADMIN, factor_at_ms=NOW_MS - STEP_UP_MS - 1)
    check(stale, Permission.TENANT_KEY_READ, set())


def test_breaking_glass_needs_a_factor_and_a_reason_each_time() -> None:
    """Issue 4, item 1: super_admin is MFA and a reason each time, for reading too."""
    breaking = person(platform=Role.SUPER_ADMIN)
    check(breaking, Permission.TENANT_USAGE_READ, {Need.REASON})
    check(breaking, Permission.TENANT_USAGE_READ, {Need.REASON}, reason="  because ")
    check(breaking, Permission.TENANT_USAGE_READ, {Need.REASON}, reason="x" * 501)
    check(breaking, Permission.TENANT_USAGE_READ, set(), reason=REASON)
    check(
        person(platform=Role.SUPER_ADMIN, factor_at_ms=None),
        Permission.PLATFORM_TENANT_READ,
        {Need.MFA, Need.REASON},
    )
    old = person(platform=Role.SUPER_ADMIN, factor_at_ms=NOW_MS - STEP_UP_MS - 1)
    check(old, Permission.PLATFORM_TENANT_READ, {Need.STEP_UP}, reason=REASON)


def test_a_super_admin_acts_at_home_as_what_they_are_there() -> None:
    """No glass is broken by an admin of the tenant who is a super_admin too."""
    both = person(a=Role.ADMIN, platform=Role.SUPER_ADMIN)
    check(both, Permission.TENANT_USAGE_READ, set())


@given(permission=permissions, at_ms=st.none() | st.integers(NOW_MS - 10**9, NOW_MS + 10**6))
def test_more_proof_never_allows_less(permission: Permission, at_ms: int | None) -> None:
    """Monotone: what an old or missing factor may, a fresh one may."""
    tenant_id = tenant_for(permission)
    for held in ({"a": Role.ADMIN}, {"a": Role.USER}, {"platform": Role.SUPER_ADMIN}):
        before = allowed(person(factor_at_ms=at_ms, **held), permission, tenant_id, now_ms=NOW_MS)
        after = allowed(person(**held), permission, tenant_id, now_ms=NOW_MS, reason=REASON)
        assert after.allowed or not before.allowed


def test_every_permission_names_its_plane_resource_and_action() -> None:
    """The enum is `scope:resource:action`, three parts, without doubles."""
    assert all(len(each.value.split(":")) == 3 and each.plane for each in Permission)
