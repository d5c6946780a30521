"""The one client for addresses that others chose: judged, pinned, bounded, and never redirected."""

import asyncio
import ssl
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import httpcore2

from meterr.core.http.outbound.address import Address
from meterr.core.http.outbound.destination import Destination, Target
from meterr.core.http.outbound.errors import OutboundFailed, OutboundMalformed, OutboundRefused
from meterr.core.http.outbound.guard import Guard
from meterr.core.http.outbound.judge import Reason
from meterr.core.http.tls import verifying_context

METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT"})
_OURS: Final = frozenset(
    {b"connection", b"content-length", b"host", b"te", b"trailer", b"transfer-encoding", b"upgrade"}
)
"""Headers that decide where a message goes or ends: written here and nowhere else."""


@dataclass(frozen=True, slots=True)
class OutboundRequest:
    """One request. ``headers`` may not hold what decides where a message goes or ends."""

    method: str
    url: str
    headers: tuple[tuple[bytes, bytes], ...] = ()
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class OutboundResponse:
    """One whole answer, a redirect included: nobody has followed it. ``headers`` as they came."""

    status: int
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes

    def header(self, name: bytes) -> bytes | None:
        """Return the first header of this lower-case name."""
        return next((value for key, value in self.headers if key.lower() == name), None)


@dataclass(frozen=True, slots=True)
class OutboundLimits:
    """What one fetch may cost: seconds in all (look-up and TLS included), and bytes of the body."""

    total_s: float = 10.0
    connect_s: float = 5.0
    body_bytes_max: int = 1024 * 1024


class Outbound:
    """
    Fetches over one fresh connection each, so every fetch is judged.

    Certificates are always verified, against the name in the URL. No proxy, cookie, retry,
    redirect or decompression; the head of an answer is bounded by the library (100 KiB).
    """

    def __init__(
        self,
        guard: Guard,
        *,
        limits: OutboundLimits | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._guard = guard
        self._limits = limits or OutboundLimits()
        self._tls = tls or verifying_context()

    async def fetch(
        self, request: OutboundRequest, limits: OutboundLimits | None = None
    ) -> OutboundResponse:
        """
        Send a request and return the answer, whatever its status.

        Raises:
            OutboundMalformed: the URL, the method or a header cannot be sent.
            OutboundRefused: meterr does not connect there.
            OutboundFailed: no whole answer within the limits; it may have arrived all the same.
        """
        target = _parsed(request)
        limits = limits or self._limits
        try:
            async with asyncio.timeout(limits.total_s):
                addresses = await self._located(target.destination)
                return await self._exchange(request, target, addresses, limits)
        except TimeoutError as fault:
            raise _failed("timeout", fault) from None
        except httpcore2.LocalProtocolError as fault:
            message = "A header of the request holds a character that cannot be sent."
            raise OutboundMalformed(message, private=str(fault)) from None
        except httpcore2.TimeoutException as fault:
            raise _failed("timeout", fault) from None
        except httpcore2.ConnectError as fault:
            raise _failed("connect", fault) from None
        except (httpcore2.NetworkError, httpcore2.ProtocolError, OSError) as fault:
            raise _failed("broken", fault) from None

    async def _located(self, to: Destination) -> tuple[Address, ...]:
        try:
            return await self._guard.locate(to)
        except OSError as fault:
            raise OutboundRefused(reason=Reason.NO_ADDRESS, private=repr(fault)) from None

    async def _exchange(
        self,
        request: OutboundRequest,
        target: Target,
        addresses: tuple[Address, ...],
        limits: OutboundLimits,
    ) -> OutboundResponse:
        to = target.destination
        scheme = b"https" if to.tls else b"http"
        url = httpcore2.URL(scheme=scheme, host=to.host, port=to.port, target=target.path)
        connection = httpcore2.AsyncHTTPConnection(
            url.origin, ssl_context=self._tls, network_backend=_Pinned(addresses)
        )
        sent = httpcore2.Request(
            request.method,
            url,
            headers=_headers(to, request),
            content=request.body,
            extensions={"timeout": {"connect": limits.connect_s}},
        )
        async with connection:
            answer = await connection.handle_async_request(sent)
            body = await _read(answer, limits.body_bytes_max)
            return OutboundResponse(answer.status, tuple(answer.headers), body)


class _Pinned(httpcore2.AsyncNetworkBackend):
    """Connects to the judged addresses, in order, whatever name the library asks for."""

    def __init__(self, addresses: tuple[Address, ...]) -> None:
        self._addresses = addresses
        self._network = httpcore2.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        fault: httpcore2.ConnectError | httpcore2.ConnectTimeout | None = None
        for address in self._addresses:
            try:
                return await self._network.connect_tcp(
                    str(address), port, timeout, local_address, socket_options
                )
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout) as refused:
                fault = refused
        raise fault or httpcore2.ConnectError("no address")


def _parsed(request: OutboundRequest) -> Target:
    if request.method not in METHODS:
        raise OutboundMalformed(f"The method is none of {', '.join(sorted(METHODS))}.")
    if any(name.lower() in _OURS for name, _ in request.headers):
        raise OutboundMalformed("A header of the request is one that meterr alone writes.")
    try:
        return Target.parse(request.url)
    except ValueError as fault:
        raise OutboundMalformed(f"The URL cannot be used: {fault}.", param="url") from None


def _headers(to: Destination, request: OutboundRequest) -> list[tuple[bytes, bytes]]:
    ours = [(b"Host", to.authority.encode("ascii")), (b"Connection", b"close")]
    if request.body or request.method in ("POST", "PUT"):
        ours.append((b"Content-Length", b"%d" % len(request.body)))
    return [*ours, *request.headers]


async def _read(answer: httpcore2.Response, bytes_max: int) -> bytes:
    body = bytearray()
    async for part in answer.aiter_stream():
        body += part
        if len(body) > bytes_max:
            raise OutboundFailed(
                f"The answer is longer than {bytes_max} bytes.", reason="answer-too-large"
            )
    return bytes(body)


def _failed(reason: str, fault: Exception) -> OutboundFailed:
    return OutboundFailed(
        "The URL's server did not give a whole answer in time.",
        reason=f"outbound-{reason}",
        private=repr(fault),
    )
