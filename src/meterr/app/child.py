"""A child process's standard input: first what it must know, then its lifeline to the parent."""

import asyncio
import sys
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Any

import msgspec
from pydantic import BaseModel, SecretStr

from meterr.core.event_settings import NotifySettings
from meterr.core.secrets import PLAIN
from meterr.core.secrets.setting import SecretSetting
from meterr.core.settings import SecretsSettings, Settings


class Part(StrEnum):
    """What a child process is."""

    GATEWAY = "gateway"
    SIMULATOR = "simulator"


class Instructions(msgspec.Struct):
    """
    Everything a child is told. It travels by a pipe: secrets stay out of arguments and environment.

    ``socket`` is the number of an inherited listening socket. ``turns`` is that of the memory by
    which ``workers`` processes share it, ``slot`` this one's place there; one alone has none.
    """

    part: Part
    socket: int
    turns: int = -1
    slot: int = 0
    workers: int = 1
    dsn: str = ""
    settings: dict[str, Any] = {}
    call_log: str = ""


READY = b"ready\n"
"""What a child writes to its standard output once it serves."""


def exposed(value: Any) -> Any:
    """Return settings as plain JSON values, secrets readable: for the pipe and nothing else."""
    if isinstance(value, BaseModel):
        return {name: exposed(getattr(value, name)) for name in type(value).model_fields}
    if isinstance(value, SecretSetting):
        return PLAIN + value.get_secret_value()  # whatever it looks like, it is no reference now
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    if isinstance(value, dict):
        return {name: exposed(inner) for name, inner in value.items()}
    if isinstance(value, tuple):
        return [exposed(inner) for inner in value]
    return str(value) if isinstance(value, Path) else value


def for_gateway(settings: Settings) -> Settings:
    """
    Return the settings that a gateway process is told: those of them that it uses.

    A gateway faces strangers. It gets what it shows or checks at each call (pepper, credentials,
    keys that stored credentials are sealed under), with every reference read already. It reads no
    other secret while it runs, so the way to more of them (``secrets``: Vault's token) stays with
    its parent, as do the administrator's login, which only commands use, the mail server's, and the
    database's address, which travels as ``dsn``.
    """
    kept = {
        "secrets": SecretsSettings(),
        "notify": NotifySettings(),
        "database_url": None,
        "database_admin_url": None,
    }
    return settings.model_copy(update=kept)


def encode(instructions: Instructions) -> bytes:
    """Return the line that ``read_instructions`` reads."""
    return msgspec.json.encode(instructions) + b"\n"


def read_instructions() -> tuple[Instructions, Settings | None]:
    """Read this process's instructions from its standard input."""
    instructions = msgspec.json.decode(sys.stdin.buffer.readline(), type=Instructions)
    settings = Settings.model_validate(instructions.settings) if instructions.settings else None
    return instructions, settings


def when_parent_is_gone(stop: Callable[[], None]) -> None:
    """Call ``stop`` once the parent's end of the lifeline closes, however the parent ended."""
    loop = asyncio.get_running_loop()
    lifeline = sys.stdin.fileno()

    def heard() -> None:
        loop.remove_reader(lifeline)
        stop()

    loop.add_reader(lifeline, heard)


def say_ready() -> None:
    """Tell the parent that this process serves."""
    sys.stdout.buffer.write(READY)
    sys.stdout.buffer.flush()
