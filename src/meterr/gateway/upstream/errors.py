"""What can go wrong between us and an upstream. ``sent``: money may have been spent."""

from enum import StrEnum


class UpstreamError(Exception):
    """
    Base of every failure of the transport.

    ``sent`` is True when any byte of the request may have been processed by the peer: then the
    call may have cost money and must be neither repeated nor forgotten.
    """

    def __init__(self, message: str, *, sent: bool) -> None:
        super().__init__(message)
        self.sent = sent


class UnsendableRequest(UpstreamError):
    """The request cannot be written: a control character, a header of ours, a bad target."""

    def __init__(self, message: str) -> None:
        super().__init__(message, sent=False)


class ConnectFault(StrEnum):
    """Why no connection came about."""

    NAME = "name"  # the host name does not resolve
    ADDRESS = "address"  # the host leads to where meterr does not connect
    NETWORK = "network"  # refused, unreachable, reset
    CERTIFICATE = "certificate"  # TLS: not trusted, expired, or for another host
    TLS = "tls"  # TLS: anything else
    CLOSED = "closed"  # our pool was closed


class ConnectFailed(UpstreamError):
    """No connection could be made; nothing was sent."""

    def __init__(self, message: str, fault: ConnectFault) -> None:
        super().__init__(message, sent=False)
        self.fault = fault


class ConnectTimeout(UpstreamError):
    """No connection within ``connect_s``: the network, or our own ``connections_max``; not sent."""

    def __init__(self, message: str) -> None:
        super().__init__(message, sent=False)


class SendStalled(UpstreamError):
    """The peer took no byte of the request for ``write_s``."""

    def __init__(self) -> None:
        super().__init__("The upstream stopped taking the request.", sent=True)


class FirstByteTimeout(UpstreamError):
    """The head of the answer was not complete ``first_byte_s`` after the request had left."""

    def __init__(self) -> None:
        super().__init__("The upstream did not begin to answer in time.", sent=True)


class IdleTimeout(UpstreamError):
    """No byte of the body came for ``idle_s`` while it was waited for."""

    def __init__(self) -> None:
        super().__init__("The upstream stalled in the middle of its answer.", sent=True)


class UpstreamClosed(UpstreamError):
    """The connection ended before the answer: before its head or, ``in_body``, within its body."""

    def __init__(self, message: str, *, in_body: bool) -> None:
        super().__init__(message, sent=True)
        self.in_body = in_body


class AnswerTooLarge(UpstreamError):
    """The body is longer than the reader allows; the connection was closed."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"The upstream's answer is longer than {limit} bytes.", sent=True)
        self.limit = limit


class Refusal(StrEnum):
    """Why an answer was refused. Each is a shape by which two parsers can be made to disagree."""

    MALFORMED = (
        "malformed"  # llhttp, every leniency off, could not read it; its words are in the message
    )
    VERSION = "version"
    STATUS = "status"
    UPGRADE = "upgrade"
    LENGTH = "length"
    ENCODING = "encoding"
    INTERIM = "interim"
    HEAD_SIZE = "head-size"
    HEADER_COUNT = "header-count"
    CHUNK_EXCESS = "chunk-excess"
    TRAILERS = "trailers"


class UpstreamProtocolError(UpstreamError):
    """The answer breaks HTTP/1.1 or our limits; the connection was closed at that byte."""

    def __init__(self, refusal: Refusal, message: str) -> None:
        super().__init__(f"The upstream's answer was refused ({refusal}): {message}", sent=True)
        self.refusal = refusal
