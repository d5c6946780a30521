"""One request on a metered surface, from its key to its ledger entry."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

from meterr import identity, ledger
from meterr.core.errors import MeterrError
from meterr.core.http.asgi import ON_CLIENT_GONE, Receive, Scope, Send
from meterr.core.http.body import read_body
from meterr.core.ids import unix_ms_of
from meterr.core.principal import Principal
from meterr.core.settings import GatewaySettings, ServerSettings
from meterr.core.telemetry import RequestLine
from meterr.gateway.admission import (
    Admission,
    Admitted,
    authenticated,
    require_json,
    require_key_scope,
)
from meterr.gateway.call import Books, Call
from meterr.gateway.endpoint import Endpoint
from meterr.gateway.headers import accepts_gzip, forwarded, value_of
from meterr.gateway.metering import (
    Reading,
    RequestFacts,
    StreamMeter,
    inject_include_usage,
    read_request,
)
from meterr.gateway.relay import StreamRelay, is_event_stream, relay_whole
from meterr.gateway.surfaces import CHAT, Family, Surface
from meterr.gateway.upstream import Answer, UpstreamError
from meterr.gateway.upstream_errors import told
from meterr.ledger.model import Settled, State

_NOTHING_REPORTED = Reading()


@dataclass(frozen=True, slots=True)
class Limits:
    """What one call may take: sizes in bytes, times in seconds."""

    server: ServerSettings
    gateway: GatewaySettings


class MeteredSurface:
    """The handler of one metered endpoint. ``handle`` answers every request exactly once."""

    def __init__(
        self,
        surface: Surface,
        *,
        authenticator: identity.Authenticator,
        admission: Admission,
        endpoints: Mapping[tuple[str, Family], Endpoint],
        books: Books,
        limits: Limits,
    ) -> None:
        self._surface = surface
        self._authenticator = authenticator
        self._admission = admission
        self._endpoints = endpoints
        self._books = books
        self._limits = limits

    async def handle(self, scope: Scope, receive: Receive, send: Send, line: RequestLine) -> None:
        """Serve one request; ``line`` collects what the canonical log line says about it."""
        principal = await authenticated(self._authenticator, scope, line)
        require_key_scope(principal, self._surface.scope)
        require_json(scope["headers"])
        server = self._limits.server
        body = await read_body(
            scope, receive, bytes_max=server.body_bytes_max, timeout_s=server.body_timeout_s
        )
        facts = read_request(self._surface.name, body)
        line.model = facts.model
        try:
            admitted = self._admission.admit(
                principal, self._surface, facts, unix_ms_of(line.request_id)
            )
        except MeterrError as error:
            self._record_refusal(line, principal, facts, error)
            raise
        line.upstream = admitted.upstream.name
        await self._call(Call(self._books, line, admitted, len(body)), scope, body, send)

    async def _call(self, call: Call, scope: Scope, body: bytes, send: Send) -> None:
        call.open()
        try:
            await self._books.journal.durable()
            await self._serve(call, scope, body, send)
        except ledger.JournalFull as error:
            call.settle(None, status=error.status, outcome="refused", error=error)
            raise
        finally:
            # Whatever came between, also a cancellation: an opened call gets its end.
            call.settle(_NOTHING_REPORTED, status=0, outcome="gateway_stopped", final=False)

    async def _serve(self, call: Call, scope: Scope, body: bytes, send: Send) -> None:
        try:
            got = await self._sent(call, scope, body)
            call.answered(_provider_request_id(got))
            if is_event_stream(got):
                await self._stream(call, got, scope, send)
            else:
                await relay_whole(call, got, send, bytes_max=self._limits.gateway.answer_bytes_max)
        except UpstreamError as failure:
            error = told(failure)
            # What may have reached the provider may be billed: estimated. What did not is free.
            reading = _NOTHING_REPORTED if failure.sent else None
            call.settle(
                reading, status=error.status, outcome="upstream_error", error=error, final=False
            )
            raise error from failure
        except MeterrError as error:
            call.settle(None, status=error.status, outcome="upstream_error", error=error)
            raise

    async def _sent(self, call: Call, scope: Scope, body: bytes) -> Answer:
        admitted = call.admitted
        headers = scope["headers"]
        gzip = not admitted.facts.stream and accepts_gzip(headers)
        block = forwarded(
            headers, call_id=call.call_id, accept_encoding=b"gzip" if gzip else b"identity"
        )
        if _asks_usage_for_the_client(admitted):
            body = inject_include_usage(body, admitted.facts)
        endpoint = self._endpoints[admitted.upstream.name, admitted.surface.family]
        return await endpoint.send(admitted.surface, scope["query_string"], block, body)

    async def _stream(self, call: Call, got: Answer, scope: Scope, send: Send) -> None:
        meter = StreamMeter(
            self._surface.name, strip_usage_chunk=_asks_usage_for_the_client(call.admitted)
        )
        gateway = self._limits.gateway
        loop = asyncio.get_running_loop()
        deadline: list[asyncio.TimerHandle] = []

        def client_gone() -> None:
            call.client_gone = True
            if gateway.on_client_gone == "cancel":
                got.abort()
            else:
                deadline.append(loop.call_later(gateway.drain_timeout_s, got.abort))

        scope[ON_CLIENT_GONE] = client_gone
        try:
            await StreamRelay(call, got, meter, send).run()
        finally:
            for timer in deadline:
                timer.cancel()

    def _record_refusal(
        self, line: RequestLine, principal: Principal, facts: RequestFacts, error: MeterrError
    ) -> None:
        """Enter a call that a known key was refused, for its owner to see."""
        self._books.journal.settled(
            Settled(
                id=line.request_id,
                tenant=principal.tenant_id,
                key=principal.key_id,
                surface=self._surface.name,
                upstream="",
                provider="",
                model=facts.model,
                state=State.REFUSED,
                stream=facts.stream,
                status=error.status,
                outcome="refused",
                error=error.code,
            )
        )


def _asks_usage_for_the_client(admitted: Admitted) -> bool:
    facts = admitted.facts
    return admitted.surface is CHAT and facts.stream and not facts.wants_usage


def _provider_request_id(got: Answer) -> str:
    found = value_of(got.headers, b"x-request-id") or value_of(got.headers, b"request-id")
    return found[:128].decode("latin-1")
