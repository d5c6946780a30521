"""The transport to the providers: HTTP/1.1 on kept-alive connections, strict and cheap."""

from meterr.gateway.upstream.answer import Answer
from meterr.gateway.upstream.errors import (
    AnswerTooLarge,
    ConnectFailed,
    ConnectFault,
    ConnectTimeout,
    FirstByteTimeout,
    IdleTimeout,
    SendStalled,
    UnsendableRequest,
    UpstreamClosed,
    UpstreamError,
    UpstreamProtocolError,
)
from meterr.gateway.upstream.limits import Timeouts
from meterr.gateway.upstream.origin import Origin
from meterr.gateway.upstream.pool import UpstreamPool
from meterr.gateway.upstream.request import HeaderBlock

__all__ = [
    "Answer",
    "AnswerTooLarge",
    "ConnectFailed",
    "ConnectFault",
    "ConnectTimeout",
    "FirstByteTimeout",
    "HeaderBlock",
    "IdleTimeout",
    "Origin",
    "SendStalled",
    "Timeouts",
    "UnsendableRequest",
    "UpstreamClosed",
    "UpstreamError",
    "UpstreamPool",
    "UpstreamProtocolError",
]
