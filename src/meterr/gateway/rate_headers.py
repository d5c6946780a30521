"""What is left of a caller's rates, in the headers that its SDK and its back-off read. Pure."""

from collections.abc import Iterable
from datetime import timedelta
from math import ceil

from meterr.core.clock import as_datetime
from meterr.core.http.asgi import Headers
from meterr.core.limits import Measure
from meterr.gateway.surfaces import Family
from meterr.ledger.limits import LimitState

_SHOWN = (Measure.REQUESTS, Measure.TOKENS)


def rate_headers(family: Family, states: Iterable[LimitState], at_unix_ms: int) -> Headers:
    """
    Return the headers of the tightest hard limit on requests and on tokens, none without any.

    ``at_unix_ms`` is the time that ``states`` were true at. Nothing is promised to the next call:
    other processes draw from the same limits.
    """
    tightest: dict[Measure, LimitState] = {}
    for state in states:
        measure = state.limit.measure
        if measure in _SHOWN and state.limit.hard:
            known = tightest.get(measure)
            if known is None or state.remaining < known.remaining:
                tightest[measure] = state
    headers: Headers = []
    for measure, state in tightest.items():
        headers += _of(family, measure.value.encode(), state, at_unix_ms)
    return headers


def _of(family: Family, measure: bytes, state: LimitState, at_unix_ms: int) -> Headers:
    limit, remaining = b"%d" % state.limit.amount, b"%d" % max(int(state.remaining), 0)
    if family is Family.ANTHROPIC:
        name = b"anthropic-ratelimit-" + measure
        return [
            (name + b"-limit", limit),
            (name + b"-remaining", remaining),
            (name + b"-reset", _moment(at_unix_ms, state.resets_in_s)),
        ]
    return [
        (b"x-ratelimit-limit-" + measure, limit),
        (b"x-ratelimit-remaining-" + measure, remaining),
        (b"x-ratelimit-reset-" + measure, _duration(state.resets_in_s)),
    ]


def _moment(at_unix_ms: int, in_s: float) -> bytes:
    """Return RFC 3339 in whole seconds, rounded up: never before the room is there."""
    at = as_datetime(at_unix_ms) + timedelta(seconds=max(in_s, 0), microseconds=999_999)
    return at.strftime("%Y-%m-%dT%H:%M:%SZ").encode()


def _duration(in_s: float) -> bytes:
    """Return a span as OpenAI writes it: ``120ms``, ``7s``, ``6m0s``, ``1h0m0s``; rounded up."""
    if in_s < 1:
        return b"%dms" % max(ceil(in_s * 1000), 0)
    minutes, seconds = divmod(ceil(in_s), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return b"%dh%dm%ds" % (hours, minutes, seconds)
    return b"%dm%ds" % (minutes, seconds) if minutes else b"%ds" % seconds
