"""What is left of a caller's rates, in the headers that its SDK and its back-off read. Pure."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import timedelta
from math import ceil
from typing import Final

from meterr.core.clock import as_datetime
from meterr.core.http.asgi import Headers
from meterr.core.limits import Measure
from meterr.gateway.surfaces import Family
from meterr.ledger.limits import LimitState

SHOWN: Final = (Measure.REQUESTS, Measure.TOKENS)
"""The measures that have headers."""


def rate_headers(family: Family, states: Iterable[LimitState], at_unix_ms: int) -> Headers:
    """
    Return the headers of the tightest hard limit on requests and on tokens, none without any.

    ``at_unix_ms`` is the time that ``states`` were true at. Nothing is promised to the next call:
    other processes draw from the same limits.
    """
    names, reset_of = _FAMILIES[family]
    tightest: dict[Measure, LimitState] = {}
    for state in states:
        limit, remaining, _ = state
        measure = limit.measure
        if (
            limit.hard
            and measure in names
            and (measure not in tightest or remaining < tightest[measure].remaining)
        ):
            tightest[measure] = state
    headers: Headers = []
    for measure, (limit, remaining, resets_in_s) in tightest.items():
        of_limit, of_remaining, of_reset = names[measure]
        headers += (
            (of_limit, b"%d" % limit.amount),
            (of_remaining, b"%d" % max(int(remaining), 0)),
            (of_reset, reset_of(at_unix_ms, resets_in_s)),
        )
    return headers


def _moment(at_unix_ms: int, in_s: float) -> bytes:
    """Return RFC 3339 in whole seconds, rounded up: never before the room is there."""
    at = as_datetime(at_unix_ms) + timedelta(seconds=max(in_s, 0), microseconds=999_999)
    return at.strftime("%Y-%m-%dT%H:%M:%SZ").encode()


def _duration(_: int, in_s: float) -> bytes:
    """Return a span as OpenAI writes it: ``120ms``, ``7s``, ``6m0s``, ``1h0m0s``; rounded up."""
    if in_s < 1:
        return b"%dms" % max(ceil(in_s * 1000), 0)
    whole = ceil(in_s)
    if whole < 60:
        return b"%ds" % whole
    minutes, seconds = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return b"%dh%dm%ds" % (hours, minutes, seconds)
    return b"%dm%ds" % (minutes, seconds) if minutes else b"%ds" % seconds


def _names(pattern: str) -> Mapping[Measure, Sequence[bytes]]:
    return {
        measure: [pattern.format(measure=measure, of=of).encode() for of in _OF]
        for measure in SHOWN
    }


_OF = ("limit", "remaining", "reset")
_FAMILIES: Final[
    Mapping[Family, tuple[Mapping[Measure, Sequence[bytes]], Callable[[int, float], bytes]]]
] = {
    Family.OPENAI: (_names("x-ratelimit-{of}-{measure}"), _duration),
    Family.ANTHROPIC: (_names("anthropic-ratelimit-{measure}-{of}"), _moment),
}
