"""The terms of a new key or tenant: what is asked for, checked before anything is written. Pure."""

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Final
from uuid import UUID
from zoneinfo import available_timezones

from meterr.core.errors import Invalid
from meterr.core.principal import Scope
from meterr.identity.authorisation import PATTERN_CHARS_MAX

NAME_CHARS_MAX: Final = 100
PATTERNS_MAX: Final = 100
OUTPUT_TOKENS_MAX: Final = 100_000_000
# 9999-12-31T00:00:00Z, the last day Python can name.
_EXPIRY_MS_MAX: Final = 253_402_214_400_000


def checked_name(name: str, param: str = "name") -> str:
    """Return ``name`` without surrounding space: 1 to 100 printable characters, else Invalid."""
    trimmed = name.strip()
    if not 1 <= len(trimmed) <= NAME_CHARS_MAX or not trimmed.isprintable():
        raise Invalid(f"{param} needs 1 to {NAME_CHARS_MAX} printable characters.", param=param)
    return trimmed


def checked_scopes(names: Iterable[str]) -> frozenset[Scope]:
    """Return the scopes called ``names``, at least one; Invalid names the nearest that exists."""
    scopes = frozenset(_scope_named(name) for name in names)
    if not scopes:
        raise Invalid(f"scopes needs at least one of {_all_scopes()}.", param="scopes")
    return scopes


def checked_models(patterns: Iterable[str] | None) -> tuple[str, ...] | None:
    """Return the model patterns, or None for every model. An empty list would allow nothing."""
    if patterns is None:
        return None
    checked = tuple(dict.fromkeys(pattern.strip() for pattern in patterns))
    if not 1 <= len(checked) <= PATTERNS_MAX:
        raise Invalid(
            f"models needs 1 to {PATTERNS_MAX} patterns; leave it out to allow every model.",
            param="models",
        )
    for pattern in checked:
        _check_pattern(pattern)
    return checked


def checked_expiry(expires_at_ms: int | None, now_ms: int) -> int | None:
    """Return the expiry in Unix milliseconds, None for never; Invalid unless it lies ahead."""
    if expires_at_ms is not None and not now_ms < expires_at_ms <= _EXPIRY_MS_MAX:
        raise Invalid(
            "expires_at must be in the future and before the year 10000.", param="expires_at"
        )
    return expires_at_ms


def checked_owner(owner: str) -> str:
    """Return who answers for a key, "" for nobody; else as ``checked_name``."""
    return checked_name(owner, "owner") if owner.strip() else ""


def checked_output_default(tokens: int | None, *, sent: bool) -> int | None:
    """Return the bound of answers whose callers set none, None for none; else Invalid."""
    if tokens is None and sent:
        raise Invalid(
            "send_output_default needs output_tokens_default: there is nothing to send.",
            param="send_output_default",
        )
    if tokens is not None and not 1 <= tokens <= OUTPUT_TOKENS_MAX:
        raise Invalid(
            f"output_tokens_default is 1 to {OUTPUT_TOKENS_MAX}.", param="output_tokens_default"
        )
    return tokens


def checked_time_zone(name: str) -> str:
    """
    Return ``name`` if it is an IANA time zone; Invalid names the nearest one.

    Looks at some 600 files: to be called in a worker thread where others wait.
    """
    if name == "UTC":
        return name  # also on a machine without a time zone database
    zones = sorted(available_timezones())
    if name not in zones:
        close = get_close_matches(name, zones, n=1)
        hint = f" Did you mean '{close[0]}'?" if close else ""
        raise Invalid(
            f"That is not an IANA time zone such as Europe/Berlin or UTC.{hint}", param="time_zone"
        )
    return name


def is_uuid(text: str) -> bool:
    """Return whether ``text`` is a UUID in the canonical form, the only one we hand out."""
    try:
        return str(UUID(text)) == text.lower()
    except ValueError:
        return False


def _scope_named(name: str) -> Scope:
    try:
        return Scope(name.strip())
    except ValueError:
        near = get_close_matches(name.strip().lower(), list(Scope), n=1, cutoff=0.5)
        hint = f" Did you mean '{near[0]}'?" if near else ""
        raise Invalid(
            f"There is no such scope; there are {_all_scopes()}.{hint}", param="scopes"
        ) from None


def _all_scopes() -> str:
    return ", ".join(Scope)


def _check_pattern(pattern: str) -> None:
    if not 1 <= len(pattern) <= PATTERN_CHARS_MAX:
        raise Invalid(f"a model pattern needs 1 to {PATTERN_CHARS_MAX} characters.", param="models")
    if not pattern.isprintable() or " " in pattern:
        raise Invalid("a model pattern has no spaces and no control characters.", param="models")
    if "[" in pattern:
        raise Invalid("a model pattern has no '['; only * and ? are special.", param="models")
