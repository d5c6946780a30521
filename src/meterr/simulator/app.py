"""The simulator as a plain ASGI application."""

import hashlib
from collections.abc import Collection
from pathlib import Path

from meterr.core.clock import Clock, SystemClock
from meterr.core.errors import MeterrError
from meterr.core.http.asgi import Application, Receive, Scope, Send
from meterr.core.http.body import BodyTooLarge, BodyTooSlow, read_body
from meterr.core.http.body import ClientGone as GoneBeforeTheEnd
from meterr.core.ids import IdFactory
from meterr.simulator import control, reading, routes, shapes
from meterr.simulator.call_log import CALLS_KEPT, FORWARDED_HEADERS, CallLog, Ended, Received
from meterr.simulator.credentials import Credentials, digests
from meterr.simulator.delivery import deliver
from meterr.simulator.exchange import ClientGone, End, Exchange
from meterr.simulator.provider import Plan, Request, plan

_BODY_BYTES_MAX = 64 * 1024 * 1024
_BODY_TIMEOUT_S = 600.0
_CALLER_ID = "x-meterr-request-id"


def create_app(
    log_path: Path | None,
    *,
    credential_required: bool = True,
    refused_credentials: Collection[str] = (),
    calls_kept: int = CALLS_KEPT,
    clock: Clock | None = None,
) -> Application:
    """
    Return a provider that answers offline, in both dialects.

    Args:
        log_path: The append-only call log, opened here and closed at lifespan shutdown; None keeps
            calls in memory alone. One process per file.
        credential_required: Answer 401 to a request without a credential in the provider's style.
        refused_credentials: Answer 401 to these.
        calls_kept: How many calls GET /_simulator/calls can look back on.
        clock: Where times and ids come from; the machine's own by default.

    Raises:
        OSError: ``log_path`` cannot be opened for appending.
    """
    log = CallLog(log_path, calls_kept=calls_kept)
    credentials = Credentials(required=credential_required, refused=frozenset(refused_credentials))
    return _Simulator(log, credentials, clock or SystemClock())


class _Simulator:
    def __init__(self, log: CallLog, credentials: Credentials, clock: Clock) -> None:
        self._log = log
        self._credentials = credentials
        self._clock = clock
        self._ids = IdFactory(clock)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope["type"] == "http" and scope["path"].startswith(control.PREFIX):
            await control.answer_control(scope, send, self._log)
        elif scope["type"] == "http":
            await self._call(scope, receive, send)

    async def _live(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            await send({"type": f"{message['type']}.complete"})
            if message["type"] == "lifespan.shutdown":
                self._log.close()
                return

    async def _call(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = self._clock.monotonic()
        headers = _headers(scope)
        place = routes.find(scope["path"], headers)
        try:
            body = await read_body(
                scope, receive, bytes_max=_BODY_BYTES_MAX, timeout_s=_BODY_TIMEOUT_S
            )
        except GoneBeforeTheEnd:
            return
        except (BodyTooLarge, BodyTooSlow) as error:
            await _refuse_body(send, place, error)
            return
        request = Request(
            id=f"req_{self._ids.new().replace('-', '')}",
            method=scope["method"],
            path=scope["path"],
            query=scope["query_string"],
            headers=headers,
            body=body,
            unix_ms=self._clock.unix_ms(),
            place=place,
        )
        sequence = self._record(request)
        exchange = Exchange(receive, send)
        end = End.CUT
        try:
            end = await self._answer(exchange, request, started)
        except ClientGone:
            end = End.CLIENT_GONE
        finally:
            self._log.ended(self._ended(request, exchange, end, sequence))
            await exchange.close()

    def _record(self, request: Request) -> int:
        model, stream = reading.peek(request.body)
        sequence = self._log.next_sequence
        self._log.received(
            Received(
                sequence=sequence,
                id=request.id,
                at_unix_ms=request.unix_ms,
                method=request.method,
                path=request.path,
                query_sha256=hashlib.sha256(request.query).hexdigest() if request.query else "",
                headers={
                    name: request.headers[name]
                    for name in FORWARDED_HEADERS
                    if name in request.headers
                },
                caller_id=request.headers.get(_CALLER_ID),
                body_sha256=hashlib.sha256(request.body).hexdigest(),
                body_bytes=len(request.body),
                model=model,
                stream=stream,
                credentials=digests(request.headers),
            )
        )
        return sequence

    async def _answer(self, exchange: Exchange, request: Request, started: float) -> End:
        planned: Plan = plan(request, self._credentials)
        steering = planned.steering
        if steering.never_answer:
            await exchange.until_client_leaves()
        await exchange.pause(steering.delay_ms)
        headers = shapes.headers(
            request.place.dialect,
            request_id=request.id,
            processing_ms=int((self._clock.monotonic() - started) * 1000),
            unix_ms=request.unix_ms,
        )
        gzipped = steering.gzip and "gzip" in request.headers.get("accept-encoding", "")
        return await deliver(
            exchange,
            planned.parcel,
            steering,
            status=planned.status,
            headers=headers,
            gzipped=gzipped,
        )

    def _ended(self, request: Request, exchange: Exchange, end: End, sequence: int) -> Ended:
        return Ended(
            event=end,
            sequence=sequence,
            id=request.id,
            at_unix_ms=self._clock.unix_ms(),
            status=exchange.status,
            usage=exchange.usage,
            answer_sha256=exchange.sha256,
            answer_bytes=exchange.bytes_sent,
            events_sent=exchange.pieces_sent,
        )


def _headers(scope: Scope) -> dict[str, str]:
    """Return the headers, those sent twice joined by a comma, so that no second value hides."""
    headers: dict[str, str] = {}
    for name, value in scope["headers"]:
        key, text = name.decode("latin-1"), value.decode("latin-1")
        headers[key] = f"{headers[key]}, {text}" if key in headers else text
    return headers


async def _refuse_body(send: Send, place: routes.Place, error: MeterrError) -> None:
    """Refuse a body that was not read whole: it is no call, so it is not in the log either."""
    kind = shapes.error_type(place.dialect, error.status)
    body = shapes.error_body(place.dialect, kind, error.detail, request_id="")
    await control.send_json(send, error.status, body, close=True)
