"""``meterr session``: sessions of people, and the keys that access tokens are signed with."""

from pathlib import Path

import click

from meterr.app import encryption
from meterr.app.sessions import token_rules
from meterr.cli.context import configuration, open_database, run, with_settings
from meterr.cli.output import choose, note, write_list
from meterr.cli.times import iso
from meterr.core.clock import SystemClock
from meterr.core.crypto import DataKeys
from meterr.core.db import Role
from meterr.core.policy import PLATFORM
from meterr.core.settings import Settings
from meterr.identity.people.model import Operator
from meterr.identity.people.service import find_user
from meterr.identity.sessions import SigningKeys
from meterr.identity.sessions.administration import end_of_everybody, end_of_member
from meterr.identity.sessions.signing_keys import Rotation, list_signing_keys

_COLUMNS = ("key_id", "state", "created_at", "accepted_to")
_OPERATOR = Operator(name="command line")


@click.group("session")
def command() -> None:
    """End sessions; list and rotate the keys that access tokens are signed with."""


@command.command("end")
@with_settings
@click.argument("email", required=False)
@click.option("--everybody", is_flag=True, help="All sessions of all people.")
def end(
    config_file: Path | None, data_dir: Path | None, email: str | None, everybody: bool
) -> None:
    """End all sessions of EMAIL at once, in every process. They may sign in again."""
    if (email is None) != everybody:
        raise click.UsageError("Say whose sessions: an e-mail address, or --everybody.")
    settings = configuration(config_file, data_dir).settings
    ended = run(_end_all(settings) if email is None else _end(settings, email))
    note(f"{email or 'everybody'}: {ended} sessions ended.")


@command.group("keys")
def keys() -> None:
    """List and rotate the keys that access tokens are signed with."""


@keys.command("list")
@with_settings
@click.option("--json", "as_json", is_flag=True, help="Write JSON.")
def list_(config_file: Path | None, data_dir: Path | None, as_json: bool) -> None:
    """List all keys there ever were in the order of their lives, without the keys themselves."""
    settings = configuration(config_file, data_dir).settings
    write_list("meterr.session_keys/1", run(_list(settings)), _COLUMNS, choose(as_json=as_json))


@keys.command("rotate")
@with_settings
@click.option(
    "--at-once", is_flag=True, help="Also refuse every token of the keys before, from now on."
)
def rotate(config_file: Path | None, data_dir: Path | None, at_once: bool) -> None:
    """
    Let the next key sign and make another one; nobody notices.

    Tokens of the key before count until they are over. With --at-once they do not, for a key that
    somebody may have seen: browsers and programs then renew their token, and nobody signs in again.
    """
    settings = configuration(config_file, data_dir).settings
    rotation = run(_rotate(settings, at_once=at_once))
    note(f"The key {rotation.current} signs from now on; {rotation.next} is next.")
    for key in rotation.previous:
        note(f"Tokens of {key.kid} count until {iso(key.accepted_to_ms)}.")


async def _end(settings: Settings, email: str) -> int:
    clock = SystemClock()
    async with open_database(settings, Role.IDENTITY) as db:
        user = await find_user(db, email)
        return await end_of_member(
            db, clock, by=_OPERATOR, tenant_id=PLATFORM, user_id=user.user_id
        )


async def _end_all(settings: Settings) -> int:
    async with open_database(settings, Role.IDENTITY) as db:
        return await end_of_everybody(db, SystemClock())


async def _list(settings: Settings) -> list[dict[str, object]]:
    now_ms = SystemClock().unix_ms()
    async with open_database(settings) as db:
        return [
            {
                "key_id": key.kid,
                "state": key.state_at(now_ms).value,
                "created_at": iso(key.created_at_ms),
                "accepted_to": iso(key.accepted_to_ms),
            }
            for key in await list_signing_keys(db)
        ]


async def _rotate(settings: Settings, *, at_once: bool) -> Rotation:
    clock = SystemClock()
    data_keys = DataKeys(encryption.required(settings), clock)
    async with open_database(settings) as db:
        keys = SigningKeys(db, data_keys, clock, token_rules(settings))
        return await keys.rotate(at_once=at_once)
