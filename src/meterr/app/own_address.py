"""Where this gateway is asked by itself, for the model that turns questions into SQL."""

from pathlib import Path
from typing import Final

import msgspec

from meterr.core.configuration import ConfigurationError
from meterr.core.http.origin import is_address, is_loopback
from meterr.core.settings import Settings

_EVERY: Final = ("", "0.0.0.0", "localhost")  # noqa: S104 (compared, not listened on)


def own_address(settings: Settings, port: int | None = None) -> str:
    """
    Return the base URL: the one of the settings, else where the gateway listens on this machine.

    ``port`` is the one that it really has. Raises ConfigurationError where a key would travel in
    clear beyond this machine.
    """
    if settings.query.gateway_url is not None:
        return settings.query.gateway_url
    told = settings.server.host
    if told in _EVERY:
        host = "127.0.0.1"
    else:
        host = "[::1]" if told == "::" else f"[{told}]" if ":" in told else told
    if not (is_address(host) and is_loopback(host)):
        raise ConfigurationError(
            f"query.model needs query.gateway_url: the gateway listens on {told} alone, and is "
            "asked for the model over https, or over http on this machine"
        )
    return f"http://{host}:{port or settings.server.port}"


class Running(msgspec.Struct, frozen=True):
    """What a running ``meterr up`` leaves for commands: where it is asked, and for which model."""

    gateway_url: str
    model: str


def running_file(data_dir: Path) -> Path:
    """Return where it leaves that."""
    return data_dir / "questions.json"


def with_running(settings: Settings) -> Settings:
    """Return settings with the address and model of the ``meterr up`` that runs, where unset."""
    try:
        left = msgspec.json.decode(running_file(settings.data_dir).read_bytes(), type=Running)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return settings
    query = settings.query
    found = {
        "gateway_url": query.gateway_url or left.gateway_url,
        "model": query.model or left.model,
    }
    return settings.model_copy(update={"query": query.model_copy(update=found)})


def check(settings: Settings) -> None:
    """Refuse a model that nobody could ask, before anything starts."""
    if settings.query.model is not None:
        own_address(settings)
