"""``meterr user``: people, for whoever runs the database."""

import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import click

from meterr import identity
from meterr.cli.context import DEFAULT_TENANT, configuration, open_database, run, with_settings
from meterr.cli.output import choose, note, write_list
from meterr.cli.times import iso
from meterr.core.clock import SystemClock
from meterr.core.db import Database, Role
from meterr.core.ids import IdFactory
from meterr.core.policy import PLATFORM
from meterr.core.policy import Role as MemberRole
from meterr.core.settings import Settings
from meterr.identity import people
from meterr.identity.people.model import NewClaim, Operator, Person, RoleChange
from meterr.identity.people.service import find_user, issue_reset

_COLUMNS = ("email", "user_id", "state", "joined", "roles", "created_at")
_OPERATOR = Operator(name="command line")
_ROLES = (MemberRole.USER.value, MemberRole.ADMIN.value)
_tenant_option = click.option(
    "--tenant", default=DEFAULT_TENANT, show_default=True, help="Tenant, by name."
)


@dataclass(frozen=True, slots=True)
class _Place:
    """Where people are changed: both views of the database, and the tenant that was named."""

    people: Database
    tenants: Database
    tenant_id: str


@click.group("user")
def command() -> None:
    """Invite, list and disable people; set their roles."""


@command.command("create")
@with_settings
@click.argument("email")
@_tenant_option
@click.option("--role", type=click.Choice(_ROLES), default="user", show_default=True)
@click.option("--super-admin", is_flag=True, help="Invite to the platform, into no tenant.")
@click.option("--json", "as_json", is_flag=True, help="Write JSON.")
def create(
    config_file: Path | None,
    data_dir: Path | None,
    email: str,
    tenant: str,
    role: str,
    super_admin: bool,
    as_json: bool,
) -> None:
    """
    Invite EMAIL and write the one-time claim to standard output: the only time it can be seen.

    There is no membership before the claim is taken up. A new invitation ends the one before.
    """
    settings = configuration(config_file, data_dir).settings
    wanted = MemberRole.SUPER_ADMIN if super_admin else MemberRole(role)
    claim = run(_invite(settings, None if super_admin else tenant, email, wanted))
    _write_claim(claim, as_json=as_json)


@command.command("reset")
@with_settings
@click.argument("email")
@click.option(
    "--without-factors", is_flag=True, help="Ask for no second factor, and leave none. Be sure who."
)
@click.option("--json", "as_json", is_flag=True, help="Write JSON.")
def reset(
    config_file: Path | None,
    data_dir: Path | None,
    email: str,
    without_factors: bool,
    as_json: bool,
) -> None:
    """
    Write a one-time claim with which EMAIL sets a new password.

    An account with a second factor gives it with the claim, and keeps all it has.
    """
    settings = configuration(config_file, data_dir).settings
    claim = run(_reset(settings, email, without_factors=without_factors))
    _write_claim(claim, as_json=as_json)


@command.command("list")
@with_settings
@click.option("--json", "as_json", is_flag=True, help="Write JSON.")
def list_(config_file: Path | None, data_dir: Path | None, as_json: bool) -> None:
    """List all people with their roles, newest first, disabled ones included."""
    settings = configuration(config_file, data_dir).settings
    write_list("meterr.users/1", run(_list(settings)), _COLUMNS, choose(as_json=as_json))


@command.command("disable")
@with_settings
@click.argument("email")
@click.option(
    "--leaving-no-admin", is_flag=True, help="Even if a tenant is left without an administrator."
)
def disable(
    config_file: Path | None, data_dir: Path | None, email: str, leaving_no_admin: bool
) -> None:
    """Disable EMAIL at once, in every process: no sign-in, no session."""
    settings = configuration(config_file, data_dir).settings
    run(_disable(settings, email, leaving_no_admin=leaving_no_admin))
    note(f"{email} is disabled.")


@command.command("enable")
@with_settings
@click.argument("email")
def enable(config_file: Path | None, data_dir: Path | None, email: str) -> None:
    """Let EMAIL sign in again, as what they were."""
    settings = configuration(config_file, data_dir).settings
    run(_enable(settings, email))
    note(f"{email} is active.")


@command.command("role")
@with_settings
@click.argument("email")
@click.argument("role", type=click.Choice([*_ROLES, "none"]))
@_tenant_option
def role(
    config_file: Path | None, data_dir: Path | None, email: str, role: str, tenant: str
) -> None:
    """Give EMAIL, a member of the tenant, another ROLE; none ends the membership."""
    settings = configuration(config_file, data_dir).settings
    change = run(_role(settings, tenant, email, None if role == "none" else MemberRole(role)))
    note(f"{email} is {change.after or 'no member'} in {tenant}, was {change.before}.")


@asynccontextmanager
async def _open(settings: Settings, tenant: str | None) -> AsyncIterator[_Place]:
    async with (
        open_database(settings, Role.IDENTITY) as found_people,
        open_database(settings) as tenants,
    ):
        tenant_id = PLATFORM
        if tenant is not None:
            tenant_id = (await identity.find_tenant(tenants, tenant)).tenant_id
        yield _Place(people=found_people, tenants=tenants, tenant_id=tenant_id)


async def _invite(settings: Settings, tenant: str | None, email: str, role: MemberRole) -> NewClaim:
    clock = SystemClock()
    async with _open(settings, tenant) as place:
        return await people.invite_user(
            place.people,
            IdFactory(clock),
            clock,
            by=_OPERATOR,
            email=email,
            tenant_id=place.tenant_id,
            role=role,
            randomness=os.urandom,
        )


async def _reset(settings: Settings, email: str, *, without_factors: bool) -> NewClaim:
    async with _open(settings, None) as place:
        user = await find_user(place.people, email)
        return await issue_reset(
            place.people,
            SystemClock(),
            by=_OPERATOR,
            user_id=user.user_id,
            without_factors=without_factors,
        )


async def _list(settings: Settings) -> list[dict[str, object]]:
    items: list[dict[str, object]] = []
    async with _open(settings, None) as place:
        tenants = await identity.list_tenants(place.tenants)
        names = {tenant.tenant_id: tenant.name for tenant in tenants}
        after: str | None = None
        while True:
            page = await people.list_users(
                place.people, SystemClock(), by=_OPERATOR, after=after, limit=200
            )
            items += [_item(person, names) for person in page.people]
            after = page.after
            if after is None:
                return items


async def _disable(settings: Settings, email: str, *, leaving_no_admin: bool) -> None:
    async with _open(settings, None) as place:
        user = await find_user(place.people, email)
        await people.disable_user(
            place.people,
            SystemClock(),
            by=_OPERATOR,
            user_id=user.user_id,
            leaving_no_admin=leaving_no_admin,
        )


async def _enable(settings: Settings, email: str) -> None:
    async with _open(settings, None) as place:
        user = await find_user(place.people, email)
        await people.enable_user(place.people, SystemClock(), by=_OPERATOR, user_id=user.user_id)


async def _role(settings: Settings, tenant: str, email: str, role: MemberRole | None) -> RoleChange:
    clock = SystemClock()
    async with _open(settings, tenant) as place:
        user = await find_user(place.people, email)
        member = {"tenant_id": place.tenant_id, "user_id": user.user_id}
        if role is None:
            return await people.remove_member(place.people, clock, by=_OPERATOR, **member)
        return await people.set_role(place.people, clock, by=_OPERATOR, role=role, **member)


def _write_claim(claim: NewClaim, *, as_json: bool) -> None:
    token = claim.token.get_secret_value()
    if as_json:
        item = {"email": claim.email, "claim": token, "expires_at": iso(claim.expires_at_ms)}
        write_list("meterr.claims/1", [item], tuple(item), choose(as_json=True))
        return
    note(f"Claim for {claim.email}, good once until {iso(claim.expires_at_ms)}. It is shown once.")
    click.echo(token)


def _item(person: Person, tenants: Mapping[str, str]) -> dict[str, object]:
    return {
        "email": person.user.shown_email,
        "user_id": person.user.user_id,
        "state": person.user.state.value,
        "joined": person.user.joined,
        "roles": [
            role.value if tenant_id == PLATFORM else f"{tenants.get(tenant_id, tenant_id)}:{role}"
            for tenant_id, role in sorted(person.roles.items())
        ],
        "created_at": iso(person.user.created_at_ms),
    }
