"""The few facts we read from a request body. The body itself goes on to the provider as it came."""

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated

import msgspec

from meterr.core.errors import Invalid
from meterr.gateway.metering.ambiguity import (
    Tokens,
    refuse_ambiguity,
    refuse_ambiguous_options,
    tokens_of,
)
from meterr.gateway.metering.reading import COUNT_MAX
from meterr.gateway.metering.sse import BOM

# The longest model ids of today have 80 characters; fine-tunes and paths of local models more.
MODEL_CHARS_MAX = 256

_FIELD = re.compile(r"at `\$\.([a-z_]+)")

_Bound = Annotated[int, msgspec.Meta(ge=0, le=COUNT_MAX)] | msgspec.UnsetType | None
_Answers = Annotated[int, msgspec.Meta(ge=1, le=COUNT_MAX)] | msgspec.UnsetType | None
_Text = str | msgspec.UnsetType | None
_Flag = bool | msgspec.UnsetType | None


class RequestFacts(msgspec.Struct, frozen=True):
    """
    What a request asks for, as far as metering cares.

    ``max_output_tokens`` is the caller's bound on each of the ``n`` answers in the field of that
    meaning which every provider of the surface knows, ``max_completion_tokens`` the one that some
    chat providers know; None where it is not set. ``bounds.told_bound`` says which of them holds.
    ``service_tier`` is the caller's word, "" for none; the answer may name another.
    """

    model: str
    stream: bool = False
    wants_usage: bool = False
    max_output_tokens: int | None = None
    max_completion_tokens: int | None = None
    n: int = 1
    service_tier: str = ""


class StreamOptions(msgspec.Struct):
    """What we read of a chat request's ``stream_options``."""

    include_usage: _Flag = msgspec.UNSET


class Request(msgspec.Struct):
    """What we read of every request. An absent field is UNSET, so that doubles can be counted."""

    model: _Text = msgspec.UNSET

    def facts(self) -> RequestFacts:
        return RequestFacts(_model(self.model))


class ChatRequest(Request):
    """What we read of a chat completions request."""

    stream: _Flag = msgspec.UNSET
    stream_options: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    max_tokens: _Bound = msgspec.UNSET
    max_completion_tokens: _Bound = msgspec.UNSET
    n: _Answers = msgspec.UNSET
    service_tier: _Text = msgspec.UNSET

    def facts(self) -> RequestFacts:
        return RequestFacts(
            _model(self.model),
            self.stream is True,
            stream_options_of(self).include_usage is True,
            _bound(self.max_tokens),
            _bound(self.max_completion_tokens),
            self.n or 1,
            self.service_tier or "",
        )


class _ResponsesRequest(Request):
    stream: _Flag = msgspec.UNSET
    max_output_tokens: _Bound = msgspec.UNSET
    service_tier: _Text = msgspec.UNSET

    def facts(self) -> RequestFacts:
        return RequestFacts(
            _model(self.model),
            self.stream is True,
            max_output_tokens=_bound(self.max_output_tokens),
            service_tier=self.service_tier or "",
        )


class _MessagesRequest(Request):
    stream: _Flag = msgspec.UNSET
    max_tokens: _Bound = msgspec.UNSET
    service_tier: _Text = msgspec.UNSET
    speed: _Text = msgspec.UNSET

    def facts(self) -> RequestFacts:
        return RequestFacts(
            _model(self.model),
            self.stream is True,
            max_output_tokens=_bound(self.max_tokens),
            service_tier="fast" if self.speed == "fast" else self.service_tier or "",
        )


def _plan(shape: type[Request]) -> tuple[msgspec.json.Decoder[Request], Tokens]:
    return msgspec.json.Decoder(shape), tokens_of(shape)


_PLANS = MappingProxyType(
    {
        "openai.chat": _plan(ChatRequest),
        "openai.embeddings": _plan(Request),
        "openai.responses": _plan(_ResponsesRequest),
        "anthropic.messages": _plan(_MessagesRequest),
        "anthropic.count_tokens": _plan(Request),
    }
)
_OPTIONS = msgspec.json.Decoder(StreamOptions | None)
_NO_OPTIONS = StreamOptions()

_SHAPES: Mapping[str, str] = MappingProxyType(
    {
        "model": "a string",
        "stream": "true or false",
        "service_tier": "a string",
        "speed": "a string",
        "n": f"a whole number from 1 to {COUNT_MAX}",
    }
)
_COUNT_SHAPE = f"a whole number from 0 to {COUNT_MAX}"


def read_request(surface: str, body: bytes) -> RequestFacts:
    """
    Return the facts of ``body``, a request of ``surface`` (KeyError when there is none such).

    Raises ``Invalid`` (400), with the field in ``param``, when the body is not one JSON object in
    UTF-8, when a field we read has the wrong shape or two readings, and when the model is missing,
    longer than ``MODEL_CHARS_MAX`` or unprintable. All other fields are the provider's affair.
    """
    decoder, tokens = _PLANS[surface]
    request = _decoded(decoder, body)
    refuse_ambiguity(body, request, tokens)
    return request.facts()


def _decoded(decoder: msgspec.json.Decoder[Request], body: bytes) -> Request:
    """Decode ``body``; every reason why it cannot be is an ``Invalid`` in plain words."""
    try:
        request = decoder.decode(body)
        if not body.isascii():
            body.decode()  # the decoder does not look into strings that we do not read
        return request
    except msgspec.ValidationError as error:
        raise _misshapen(error) from None
    except UnicodeDecodeError as error:
        detail = f"The request body is not UTF-8: invalid byte at position {error.start}."
    except msgspec.DecodeError as error:
        detail = _malformed(body, error)
    except RecursionError:
        detail = "The request body is nested too deeply."
    raise Invalid(detail)


def stream_options_of(request: ChatRequest) -> StreamOptions:
    """Return the stream options that ``request`` carries, empty ones when there are none."""
    if isinstance(request.stream_options, msgspec.UnsetType):
        return _NO_OPTIONS
    raw = bytes(request.stream_options)
    try:
        options = _OPTIONS.decode(raw) or _NO_OPTIONS
    except msgspec.ValidationError:
        raise Invalid(
            "stream_options must be an object, and its include_usage true or false.",
            param="stream_options",
        ) from None
    refuse_ambiguous_options(raw, given=options.include_usage is not msgspec.UNSET)
    return options


def _misshapen(error: msgspec.ValidationError) -> Invalid:
    found = _FIELD.search(str(error))
    if found is None:
        return Invalid("The request body must be a JSON object.")
    name = found[1]
    return Invalid(f"{name} must be {_SHAPES.get(name, _COUNT_SHAPE)}.", param=name)


def _malformed(body: bytes, error: msgspec.DecodeError) -> str:
    if not body.strip():
        return "The request body is empty."
    if body.startswith(BOM):
        return "The request body must not start with a byte order mark."
    return f"The request body is not valid JSON: {error}."


def _bound(value: int | msgspec.UnsetType | None) -> int | None:
    return value if isinstance(value, int) else None


def _model(name: str | msgspec.UnsetType | None) -> str:
    if not isinstance(name, str) or not name:
        raise Invalid("model is missing: name the model to call.", param="model")
    if len(name) > MODEL_CHARS_MAX:
        raise Invalid(f"model is longer than {MODEL_CHARS_MAX} characters.", param="model")
    if not name.isprintable():
        raise Invalid("model holds control or unprintable characters.", param="model")
    return name
