"""The two edits that meterr makes to a request: asking for usage, and bounding the answer."""

import re
from itertools import islice

import msgspec

from meterr.core.errors import Invalid
from meterr.gateway.metering.request import ChatRequest, RequestFacts, stream_options_of

_ASK = b'"include_usage":true'
_VALUE_OF_OPTIONS = re.compile(rb'"stream_options"[ \t\r\n]*:[ \t\r\n]*')
_NOT_ASKED = re.compile(rb'("include_usage"[ \t\r\n]*:[ \t\r\n]*)(?:false|null)')

# Where the name of this option occurs more than once, the others are text inside the prompt or
# tools; each is tried in turn, and nobody needs more.
_PLACES_MAX = 16

_CHAT = msgspec.json.Decoder(ChatRequest)
_MEMBERS = msgspec.json.Decoder(dict[str, msgspec.Raw])


def inject_include_usage(body: bytes, facts: RequestFacts) -> bytes:
    """
    Return ``body``, a chat request read as ``facts``, asking for usage at the end of its stream.

    All other bytes stay as they are. A body that does not stream, or asks already, is returned as
    it is. Raises ``Invalid`` when the place of ``stream_options`` cannot be told.
    """
    if not facts.stream or facts.wants_usage:
        return body
    request = _CHAT.decode(body)
    if isinstance(request.stream_options, msgspec.UnsetType):
        start = body.index(b"{") + 1
        return body[:start] + b'"stream_options":{' + _ASK + b"}," + body[start:]
    old = bytes(request.stream_options)
    new = _asking(old, given=stream_options_of(request).include_usage is not msgspec.UNSET)
    for place in _places(body, old):
        edited = body[:place] + new + body[place + len(old) :]
        # The field occurs once at the top level, so only there does an edit change its value.
        if bytes(_decoded_options(edited)) == new:
            return edited
    raise Invalid(
        "Set stream_options.include_usage to true: the body names stream_options too often for "
        "meterr to set it.",
        param="stream_options",
    )


def inject_output_bound(body: bytes, field: str, tokens: int) -> bytes:
    """
    Return ``body``, a request that sets no bound on its answer, with ``field`` set to ``tokens``.

    All other bytes stay as they are; a ``field`` that is null is written over. Raises ``Invalid``
    when the place of that null cannot be told.
    """
    name, value = field.encode(), b"%d" % tokens
    if b'"%b"' % name not in body or field not in _MEMBERS.decode(body):
        start = body.index(b"{") + 1
        return body[:start] + b'"%b":%b,' % (name, value) + body[start:]
    unset = re.finditer(rb'"%b"[ \t\r\n]*:[ \t\r\n]*(null|-?0)' % name, body)
    for place in islice(unset, _PLACES_MAX):
        edited = body[: place.start(1)] + value + body[place.end(1) :]
        if bytes(_MEMBERS.decode(edited)[field]) == value:
            return edited
    raise Invalid(
        f"Leave {field} out or set it: the body names it too often for meterr to set it.",
        param=field,
    )


def _asking(options: bytes, *, given: bool) -> bytes:
    """Return the text of ``options`` with ``include_usage`` true and everything else as it was."""
    if options == b"null":
        return b"{" + _ASK + b"}"
    if given:
        return _NOT_ASKED.sub(rb"\1true", options, count=1)
    rest = options[1:]
    return b"{" + _ASK + (b"" if rest.lstrip() == b"}" else b",") + rest


def _places(body: bytes, value: bytes) -> list[int]:
    places: list[int] = []
    for found in _VALUE_OF_OPTIONS.finditer(body):
        if body.startswith(value, found.end()):
            places.append(found.end())
            if len(places) == _PLACES_MAX:
                break
    return places


def _decoded_options(body: bytes) -> bytes | memoryview:
    options = _CHAT.decode(body).stream_options
    return b"" if isinstance(options, msgspec.UnsetType) else memoryview(options)
