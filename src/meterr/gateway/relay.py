"""Bring the provider's answer to the caller: whole, or event by event as it comes."""

import asyncio
from collections.abc import Awaitable

from meterr.core.errors import MeterrError, Unavailable
from meterr.core.http.asgi import Headers, Send
from meterr.gateway import dialect
from meterr.gateway.begun import begin
from meterr.gateway.call import Call
from meterr.gateway.errors import UpstreamBroken, UpstreamCredential
from meterr.gateway.headers import returned
from meterr.gateway.metering import UNREADABLE, Reading, StreamMeter, decoded, read_answer
from meterr.gateway.upstream import Answer, AnswerTooLarge, UpstreamError
from meterr.gateway.upstream_errors import told

_UNREADABLE = Reading(problem=UNREADABLE)

_INFLATED_BYTES_MAX = 16 * 1024 * 1024
"""Of a packed answer, what is unpacked to be read; the loop stands still meanwhile (50 ms)."""

# Bytes without which no chunk ends a stream. A marker split over two chunks is only noticed at the
# very end; the entry is the same.
_END_MARKS = {
    "openai.chat": b"[DONE]",
    "openai.responses": b"response.completed",
    "anthropic.messages": b"message_stop",
}

# How often a running stream asks whether its progress is due: a fraction of the second that this
# is noted by, told by the loop's own clock, which costs next to nothing to read.
_LOOK_EVERY_S = 0.25


async def relay_whole(
    call: Call, answer: Answer, send: Send, *, bytes_max: int, secret: bytes
) -> None:
    """
    Read the answer to its end, settle the call, then pass the answer on untouched.

    Nothing has been sent before the provider's last byte is here, so whatever breaks on the way
    still becomes an error with a status of its own.
    """
    body = answer.body_now
    if body is None:
        try:
            body = await answer.read(bytes_max)
        except AnswerTooLarge as too_large:
            error = UpstreamBroken(f"The provider's answer is larger than {bytes_max} bytes.")
            # It did answer, so it bills: estimated.
            call.settle(
                _UNREADABLE, status=error.status, outcome="upstream_error", error=error, final=False
            )
            raise error from too_large
    call.answer_bytes = len(body)
    if answer.status >= 300:
        _refuse_what_the_operator_must_mend(answer.status)
        if secret and secret in body:
            raise UpstreamBroken("The provider's error repeats a credential, so it is kept back.")
        call.settle(None, status=answer.status, outcome="upstream_error")
    else:
        reading, chars, final = _read(call, body, bytes_max)
        call.settle(
            reading,
            status=answer.status,
            outcome=_ending(call),
            final=final,
            answer_chars=chars,
        )
    headers = _headers(call, answer)
    headers.append((b"content-length", b"%d" % len(body)))
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _refuse_what_the_operator_must_mend(status: int) -> None:
    """Keep back what no caller can act on: our credential was refused, or our base URL is wrong."""
    if status == 401:
        raise UpstreamCredential(
            "The provider refused meterr's credential for it. Your own key is fine; the operator "
            "must set the provider's key."
        )
    if status < 400:
        raise UpstreamBroken(
            "The provider redirects instead of answering. The operator must correct its base URL."
        )


def _read(call: Call, body: bytes, bytes_max: int) -> tuple[Reading, int, bool]:
    """Return what a whole body says, its characters, and whether that is the last word."""
    coding = call.answer_header(b"content-encoding").decode("latin-1")
    plain = decoded(body, coding, min(bytes_max, _INFLATED_BYTES_MAX)) if coding else body
    if plain is None:
        return _UNREADABLE, len(body), True
    surface = call.admitted.surface
    # A plain stream never comes here; this one was packed by a provider that was asked not to.
    if coding and surface.streams and _is_event_stream(call):
        meter = StreamMeter(surface.name)
        meter.feed(plain)
        meter.finish()
        final = meter.complete or meter.usage_is_final
        return meter.reading, meter.answer_chars, final
    return read_answer(surface.name, plain), len(plain), True


def is_plain_event_stream(call: Call) -> bool:
    """Say whether the answer is a stream of events that can be read as it passes."""
    coding = call.answer_header(b"content-encoding")
    return coding in (b"", b"identity") and _is_event_stream(call)


def _is_event_stream(call: Call) -> bool:
    return call.answer_header(b"content-type").lower().startswith(b"text/event-stream")


def _ending(call: Call) -> str:
    return "client_gone" if call.client_gone else "complete"


def _headers(call: Call, answer: Answer) -> Headers:
    headers = returned(answer.headers, call.rates())
    headers.append((b"x-meterr-request-id", call.call_id.encode()))
    entry = call.entry
    if entry is not None and entry.cost is not None:
        headers.append((b"x-meterr-cost-usd", entry.cost.encode()))
    return headers


class StreamRelay:
    """
    Pass a stream on as it comes, reading along; settle before its last event leaves.

    When the client leaves, the stream is read on to its usage without being sent anywhere; whoever
    owns the relay bounds that time or ends it at once by ``answer.abort``.
    """

    def __init__(self, call: Call, answer: Answer, meter: StreamMeter, send: Send) -> None:
        self._call = call
        self._answer = answer
        self._meter = meter
        self._send = send
        self._end_mark = _END_MARKS[call.admitted.surface.name]
        self._now = asyncio.get_running_loop().time
        self._next_look = 0.0

    async def run(self) -> None:
        """Relay to the end, however that comes."""
        headers = _headers(self._call, self._answer)
        await self._send(
            {"type": "http.response.start", "status": self._answer.status, "headers": headers}
        )
        last = b""
        try:
            end = await self._answer.pour(self._take)
            self._call.answer_bytes += len(end)
            last = self._meter.feed(end) + self._meter.finish()
            if not self._is_whole() and not self._meter.error_seen:
                last += self._broken(UpstreamBroken("The provider's stream ended before its end."))
            self._settle("complete")
        except UpstreamError as error:
            last = self._meter.finish() + self._broken(told(error))
        except asyncio.CancelledError:  # we are being stopped: what was reported still counts
            self._settle("gateway_stopped")
            last = self._meter.finish() + self._event(
                Unavailable("meterr is being stopped. Send the call again.")
            )
            await self._send({"type": "http.response.body", "body": last})
            raise
        await self._send({"type": "http.response.body", "body": last})

    def _take(self, chunk: bytes) -> Awaitable[None] | None:
        call, meter = self._call, self._meter
        call.answer_bytes += len(chunk)
        out = meter.feed(chunk)
        # Backwards, because CPython searches so at twice the speed.
        if chunk.rfind(self._end_mark) >= 0 and meter.complete:
            self._settle("complete")
        elif self._now() >= self._next_look:
            self._note_progress()
        if not out or call.client_gone:
            return None
        return begin(self._send({"type": "http.response.body", "body": out, "more_body": True}))

    def _note_progress(self) -> None:
        self._next_look = self._now() + _LOOK_EVERY_S
        call, meter = self._call, self._meter
        if call.progress_is_due():
            call.progress(meter.reading.usage, meter.answer_chars)

    def _is_whole(self) -> bool:
        # A server that forgets the end mark has still said all that is billed.
        return self._meter.complete or self._meter.usage_is_final

    def _broken(self, error: MeterrError) -> bytes:
        self._settle("upstream_cut", error)
        return self._event(error)

    def _event(self, error: MeterrError) -> bytes:
        call = self._call
        return dialect.event(call.admitted.surface, error, call.call_id)

    def _settle(self, outcome: str, error: MeterrError | None = None) -> None:
        call, meter = self._call, self._meter
        if call.entry is not None:
            return
        if call.client_gone:
            outcome = "client_gone"
        elif outcome == "complete" and meter.error_seen:
            outcome = "upstream_error"
        reading = meter.reading
        final = self._is_whole()
        known = final and reading.usage is not None
        chars = 0 if known else meter.answer_chars  # counted only for an estimate: it costs
        call.settle(
            reading,
            status=self._answer.status,
            outcome=outcome,
            error=error,
            final=final,
            answer_chars=chars,
        )
