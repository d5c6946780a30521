"""One request on a metered surface, from its key to its ledger entry."""

import asyncio
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

from meterr import identity
from meterr.core.errors import MeterrError
from meterr.core.http.asgi import ON_CLIENT_GONE, WHOLE_BODY, Receive, Scope, Send
from meterr.core.http.body import read_body
from meterr.core.http.settings import ServerSettings
from meterr.core.ids import unix_ms_of
from meterr.core.principal import Principal
from meterr.core.settings import GatewaySettings
from meterr.core.telemetry import RequestLine
from meterr.gateway.admission import (
    Admission,
    Admitted,
    require_json,
)
from meterr.gateway.call import Books, Call
from meterr.gateway.endpoint import Endpoint
from meterr.gateway.headers import Known, acted_on, forwarded
from meterr.gateway.holding import Hold, Holding
from meterr.gateway.metering import (
    Reading,
    RequestFacts,
    StreamMeter,
    inject_include_usage,
    inject_output_bound,
    read_request,
)
from meterr.gateway.model_name import repeatable
from meterr.gateway.relay import StreamRelay, is_plain_event_stream, relay_whole
from meterr.gateway.surfaces import CHAT, Family, Surface
from meterr.gateway.upstream import Answer, UpstreamError
from meterr.gateway.upstream_errors import told
from meterr.identity.presented import authenticated, require_key_scope
from meterr.ledger.model import Settled, State

_NOTHING_REPORTED = Reading()
_NOTHING_ASKED = RequestFacts(model="")


@dataclass(frozen=True, slots=True)
class Limits:
    """What one call may take: sizes in bytes, times in seconds."""

    server: ServerSettings
    gateway: GatewaySettings


class Outgoing(NamedTuple):
    """What the caller sent, on its way to the provider."""

    scope: Scope
    known: Known
    body: bytes
    line: RequestLine


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
        holding: Holding,
        limits: Limits,
    ) -> None:
        self._surface = surface
        self._authenticator = authenticator
        self._admission = admission
        self._endpoints = endpoints
        self._books = books
        self._holding = holding
        self._limits = limits

    async def handle(self, scope: Scope, receive: Receive, send: Send, line: RequestLine) -> None:
        """Serve one request; ``line`` collects what the canonical log line says about it."""
        known = acted_on(scope)
        principal = await authenticated(self._authenticator, scope, known, line)
        facts = _NOTHING_ASKED
        try:
            require_key_scope(principal, self._surface.scope)
            require_json(known)
            body = await self._body(scope, receive)
        except MeterrError as error:
            self._record_refusal(line, principal, facts, error)
            raise
        if WHOLE_BODY not in scope:  # it took its time: the key or its limits may have changed
            principal = await authenticated(self._authenticator, scope, known, line)
        while True:
            try:
                require_key_scope(principal, self._surface.scope)
                facts = read_request(self._surface.name, body)
                line.model = repeatable(facts.model)
                admitted = self._admission.admit(
                    principal, self._surface, facts, unix_ms_of(line.request_id)
                )
                sent = _edited(admitted, body)
                held = None
                if self._holding.applies(admitted):
                    held = await self._holding.hold(admitted, body, line.request_id)
            except MeterrError as error:
                self._record_refusal(line, principal, facts, error)
                raise
            if held is None or not held.waited:
                break
            # It waited for room under a limit: what it was judged by may have changed meanwhile.
            present = await self._known_still(principal, scope, known, line, held)
            if present == principal:
                break
            principal = present
        line.upstream = admitted.upstream.name
        call = Call(self._books, line, admitted, len(body), held)
        await self._call(call, Outgoing(scope, known, sent, line), send)

    async def _body(self, scope: Scope, receive: Receive) -> bytes:
        server = self._limits.server
        return await read_body(
            scope, receive, bytes_max=server.body_bytes_max, timeout_s=server.body_timeout_s
        )

    async def _known_still(
        self, judged: Principal, scope: Scope, known: Known, line: RequestLine, held: Hold
    ) -> Principal:
        """Return the key as it is now; unless it is as it was, what was reserved comes back."""
        principal = None
        try:
            principal = await authenticated(self._authenticator, scope, known, line)
            return principal
        finally:
            if principal != judged:
                held.release()

    async def _call(self, call: Call, outgoing: Outgoing, send: Send) -> None:
        call.open()
        try:
            await self._serve(call, outgoing, send)
        finally:
            # Whatever came between, also a cancellation: an opened call gets its end.
            left = call.has_left
            reading = _NOTHING_REPORTED if left else None
            call.settle(reading, status=0, outcome="gateway_stopped", final=False, left=left)

    async def _look_again(self, outgoing: Outgoing) -> None:
        """Refuse a key that was revoked while its opened call waited to leave."""
        await authenticated(self._authenticator, outgoing.scope, outgoing.known, outgoing.line)

    async def _serve(self, call: Call, outgoing: Outgoing, send: Send) -> None:
        outgoing.scope[ON_CLIENT_GONE] = call.note_client_gone
        try:
            if self._books.waits_for_disk:
                await self._books.journal.durable()
                await self._look_again(outgoing)
            endpoint = self._endpoint(call.admitted)
            got = await self._sent(call, outgoing, endpoint)
            call.answered(got.headers)
            if got.status < 300 and self._surface.streams and is_plain_event_stream(call):
                await self._stream(call, got, outgoing.scope, send)
            else:
                await relay_whole(
                    call,
                    got,
                    send,
                    bytes_max=self._limits.gateway.answer_bytes_max,
                    secret=endpoint.secret,
                )
        except UpstreamError as failure:
            error = told(failure)
            # What may have reached the provider may be billed: estimated. What did not is free.
            reading = _NOTHING_REPORTED if failure.sent else None
            call.settle(
                reading,
                status=error.status,
                outcome="upstream_error",
                error=error,
                final=False,
                left=failure.sent,
            )
            raise error from failure
        except MeterrError as error:
            outcome = "upstream_error" if call.has_left else "refused"
            call.settle(None, status=error.status, outcome=outcome, error=error, left=call.has_left)
            raise

    def _sent(
        self, call: Call, outgoing: Outgoing, endpoint: Endpoint
    ) -> Coroutine[None, None, Answer]:
        admitted = call.admitted
        headers = forwarded(
            outgoing.scope["headers"],
            outgoing.known,
            call_id=call.call_id,
            may_gzip=not admitted.facts.stream,
        )
        query: bytes = outgoing.scope["query_string"]
        return endpoint.send(
            admitted.surface,
            query,
            headers,
            outgoing.body,
            leave=call.leave,
            look_again=partial(self._look_again, outgoing),
        )

    def _endpoint(self, admitted: Admitted) -> Endpoint:
        return self._endpoints[admitted.upstream.name, admitted.surface.family]

    async def _stream(self, call: Call, got: Answer, scope: Scope, send: Send) -> None:
        meter = StreamMeter(
            self._surface.name, strip_usage_chunk=_asks_usage_for_the_client(call.admitted)
        )
        gateway = self._limits.gateway
        loop = asyncio.get_running_loop()
        deadline: list[asyncio.TimerHandle] = []

        def client_gone() -> None:
            call.note_client_gone()
            if gateway.on_client_gone == "cancel":
                got.abort()
            else:
                deadline.append(loop.call_later(gateway.drain_timeout_s, got.abort))

        scope[ON_CLIENT_GONE] = client_gone
        if call.client_gone:  # it did not even wait for the head
            client_gone()
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
                model=repeatable(facts.model),
                state=State.REFUSED,
                stream=facts.stream,
                status=error.status,
                outcome="refused",
                error=error.code,
            )
        )


def _edited(admitted: Admitted, body: bytes) -> bytes:
    """Return what goes to the provider: the caller's bytes, but for the two edits we declare."""
    if _asks_usage_for_the_client(admitted):
        body = inject_include_usage(body, admitted.facts)
    if (bound := admitted.output_default) is not None:
        body = inject_output_bound(body, admitted.output_field, bound)
    return body


def _asks_usage_for_the_client(admitted: Admitted) -> bool:
    facts = admitted.facts
    return admitted.surface is CHAT and facts.stream and not facts.wants_usage
