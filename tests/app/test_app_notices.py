"""Notices by mail as the parent process sends them: from the settings to a letter."""

import asyncio
import os
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import pytest

from meterr.app.notices import keep_notices
from meterr.app.secret_settings import with_reader
from meterr.core.clock import SystemClock
from meterr.core.configuration import ConfigurationError, load
from meterr.core.policy import Role
from meterr.core.settings import Settings
from meterr.core.telemetry import Telemetry
from meterr.identity.people import set_role
from support.identity import until
from support.mail_server import open_mail_server
from support.people import OPERATOR, REASON, PeopleHouse

CANARY = "canary-of-the-mail-server"


@pytest.fixture
async def house(database_url: str) -> AsyncIterator[PeopleHouse]:
    async with PeopleHouse.open(database_url) as opened:
        yield opened


def settings(tmp_path: Path, **notify: str) -> Settings:
    named = {f"METERR_NOTIFY__{name.upper()}": value for name, value in notify.items()}
    environ: Mapping[str, str] = {"HOME": str(tmp_path), **named}
    return with_reader(load({}, environ, None).settings, environ)


async def test_a_change_becomes_a_letter(
    house: PeopleHouse, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """From a role to the person's mailbox; a server that is away is told and tried again."""
    user_id = (await house.person("ada@example.com")).user.user_id
    await set_role(
        house.db, house.clock, by=OPERATOR, tenant_id=house.tenant_id, user_id=user_id,
        role=Role.ADMIN, reason=REASON,
    )  # fmt: skip
    stop = asyncio.Event()
    async with open_mail_server(login=("me", CANARY)) as server:
        url_file = tmp_path / "smtp"
        url_file.write_text(f"smtp://me:{CANARY}@127.0.0.1:{server.port}\n")
        wanted = settings(tmp_path, smtp_url=f"file:{url_file}", sender="meterr@example.com")
        telemetry = Telemetry(SystemClock(), fd=os.dup(2))
        running = asyncio.create_task(keep_notices(stop, lambda: house.dsn, wanted, telemetry))
        await until(lambda: server.letters)
        stop.set()
        await running

    ((recipients, letter),) = server.letters
    assert ["ada@example.com"] == recipients
    assert "meterr: Your role was changed" == letter["Subject"]
    assert "What: admin" in letter.get_content()
    assert CANARY not in capfd.readouterr().err


def test_mail_needs_to_say_who_sends_it(tmp_path: Path) -> None:
    """Refused at the start, with the way out; a name or a second line is no address."""
    for sender in (None, "Meterr <meterr@example.com>", "a@b.example\nBcc: c@d.example"):
        more = {} if sender is None else {"sender": sender}
        with pytest.raises(ConfigurationError, match="sender"):
            settings(tmp_path, smtp_url="smtps://mail.example.com", **more)
