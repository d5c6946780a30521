"""Which models a verified key may use: questions about a Principal. Pure; denies by default."""

from typing import Final

from meterr.core.principal import Principal

PATTERN_CHARS_MAX: Final = 128


def allows_model(principal: Principal, model: str) -> bool:
    """Return whether the key may use ``model``: no list, or one pattern of it matches."""
    if principal.models is None:
        return True
    return any(matches(pattern, model) for pattern in principal.models)


def matches(pattern: str, model: str) -> bool:
    """
    Match the whole of ``model`` against a glob: ``*`` is any run of characters, ``?`` is one.

    Case counts and nothing else is special (``[`` is a ``[``). Needs no compiled form: the usual
    ``name`` and ``name*`` are one comparison, the rest takes at most ``len(pattern) * len(model)``
    steps, so no pattern can be made to explode.
    """
    if "?" not in pattern:
        head, star, tail = pattern.partition("*")
        if not star:
            return pattern == model
        if not tail:
            return model.startswith(head)
    return _matches_slowly(pattern, model)


def matches_in_any_case(pattern: str, model: str) -> bool:
    """
    Match ``model`` as ``matches`` does, but for case.

    Prices do not care for case, nor do many providers: neither may a way around a limit.
    """
    return matches(pattern.casefold(), model.casefold())


def _matches_slowly(pattern: str, model: str) -> bool:
    at = here = 0
    star_at, resume = -1, 0
    while here < len(model):
        wanted = pattern[at] if at < len(pattern) else ""
        if wanted == "*":
            star_at, resume = at, here
            at += 1
        elif wanted and wanted in ("?", model[here]):
            at += 1
            here += 1
        elif star_at >= 0:
            # Only the last star can still grow: what earlier stars took is never worth revisiting.
            at, resume = star_at + 1, resume + 1
            here = resume
        else:
            return False
    return not pattern[at:].strip("*")
