"""What is left of a caller's rates, in the headers that its SDK and its back-off read. Pure."""

from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from math import ceil
from typing import Final, NamedTuple

from meterr.core.clock import as_datetime
from meterr.core.http.asgi import Headers
from meterr.core.limits import Measure
from meterr.gateway.surfaces import Family
from meterr.ledger.limits import LimitState

SHOWN: Final = (Measure.REQUESTS, Measure.TOKENS)
"""The measures that have headers."""


class _Names(NamedTuple):
    limit: bytes
    remaining: bytes
    reset: bytes


def rate_headers(family: Family, states: Iterable[LimitState], at_unix_ms: int) -> Headers:
    """
    Return the headers of the tightest hard limit on requests and on tokens, none without any.

    ``at_unix_ms`` is the time that ``states`` were true at. Nothing is promised to the next call:
    other processes draw from the same limits.
    """
    tightest: dict[Measure, LimitState] = {}
    for state in states:
        limit = state.limit
        if limit.hard and limit.measure in SHOWN:
            known = tightest.get(limit.measure)
            if known is None or state.remaining < known.remaining:
                tightest[limit.measure] = state
    headers: Headers = []
    names, reset = _FAMILIES[family]
    for measure, (limit, remaining, resets_in_s) in tightest.items():
        name = names[measure]
        headers.append((name.limit, b"%d" % limit.amount))
        headers.append((name.remaining, b"%d" % max(int(remaining), 0)))
        headers.append((name.reset, reset(at_unix_ms, resets_in_s)))
    return headers


def _moment(at_unix_ms: int, in_s: float) -> bytes:
    """Return RFC 3339 in whole seconds, rounded up: never before the room is there."""
    at = as_datetime(at_unix_ms) + timedelta(seconds=max(in_s, 0), microseconds=999_999)
    return at.strftime("%Y-%m-%dT%H:%M:%SZ").encode()


def _duration(_: int, in_s: float) -> bytes:
    """Return a span as OpenAI writes it: ``120ms``, ``7s``, ``6m0s``, ``1h0m0s``; rounded up."""
    if in_s < 1:
        return b"%dms" % max(ceil(in_s * 1000), 0)
    minutes, seconds = divmod(ceil(in_s), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return b"%dh%dm%ds" % (hours, minutes, seconds)
    return b"%dm%ds" % (minutes, seconds) if minutes else b"%ds" % seconds


def _names(pattern: str) -> Mapping[Measure, _Names]:
    return {
        measure: _Names._make(
            pattern.format(measure=measure, of=of).encode() for of in _Names._fields
        )
        for measure in SHOWN
    }


_Reset = Callable[[int, float], bytes]
_FAMILIES: Final[Mapping[Family, tuple[Mapping[Measure, _Names], _Reset]]] = {
    Family.OPENAI: (_names("x-ratelimit-{of}-{measure}"), _duration),
    Family.ANTHROPIC: (_names("anthropic-ratelimit-{measure}-{of}"), _moment),
}
