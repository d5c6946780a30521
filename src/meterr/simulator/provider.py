"""The provider's side: from a request to a packed answer, without any I/O."""

from collections.abc import Mapping
from dataclasses import dataclass

from meterr.simulator import catalogue, reading, shapes, sse
from meterr.simulator.compose import compose
from meterr.simulator.credentials import Credentials
from meterr.simulator.delivery import Parcel, pack_events, pack_whole
from meterr.simulator.model import Dialect, Piece, Refused, Whole
from meterr.simulator.routes import Place, Surface
from meterr.simulator.script import Script
from meterr.simulator.steering import UNSTEERED, Steering

_STEERED_MESSAGE = "Simulated error."


@dataclass(frozen=True, slots=True)
class Request:
    """One request as it arrived; header names in lower case."""

    id: str
    method: str
    path: str
    query: bytes
    headers: Mapping[str, str]
    body: bytes
    unix_ms: int
    place: Place


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do about a request."""

    status: int
    parcel: Parcel
    steering: Steering


def plan(request: Request, credentials: Credentials) -> Plan:
    """Return the answer to ``request``; whatever is wrong with it becomes a provider's error."""
    try:
        return _planned(request, credentials)
    except Refused as refused:
        kind = shapes.error_type(request.place.dialect, refused.status)
        body = _error(request, kind, refused.message, param=refused.param, code=refused.code)
        return Plan(refused.status, pack_whole(body, UNSTEERED), UNSTEERED)


def _planned(request: Request, credentials: Credentials) -> Plan:
    place = request.place
    surface = place.surface if request.method == "POST" else None
    model = place.model if request.method == "GET" else None
    if surface is None and model is None:
        raise Refused(404, f"Invalid URL ({request.method} {request.path})")
    credentials.check(place.dialect, request.headers)
    if place.dialect is Dialect.ANTHROPIC and "anthropic-version" not in request.headers:
        raise Refused(400, "anthropic-version: header is required")
    if surface is not None:
        return _surface_plan(request, surface)
    found = catalogue.found(place.dialect, model) if model else catalogue.listed(place.dialect)
    return Plan(200, pack_whole(Whole(found), UNSTEERED), UNSTEERED)


def _surface_plan(request: Request, surface: Surface) -> Plan:
    body, steering = reading.read(request.body)
    prompt = surface.read(body)
    status = steering.status or 200
    if status >= 300:
        error = _error(request, _steered_type(request, steering), steering.text or _STEERED_MESSAGE)
        return Plan(status, pack_whole(error, steering), steering)
    answer = compose(
        prompt,
        steering,
        answer_id=request.id.removeprefix("req_"),
        created=request.unix_ms // 1000,
    )
    script = Script(body, prompt, steering, answer)
    if prompt.stream and surface.events is not None:
        error_event = _error_event(request, steering)
        return Plan(status, pack_events(surface.events(script), error_event, steering), steering)
    return Plan(status, pack_whole(surface.whole(script), steering), steering)


def _steered_type(request: Request, steering: Steering) -> str:
    # In a stream the status is 200; an error there is the provider's own failure.
    status = steering.status if steering.status and steering.status >= 300 else 529
    return steering.error_type or shapes.error_type(request.place.dialect, status)


def _error(
    request: Request, kind: str, message: str, *, param: str | None = None, code: str | None = None
) -> Whole:
    return Whole(
        shapes.error_body(
            request.place.dialect, kind, message, request_id=request.id, param=param, code=code
        )
    )


def _error_event(request: Request, steering: Steering) -> Piece:
    kind = _steered_type(request, steering)
    if request.place.tail == "responses":
        payload = {"type": "error", "code": kind, "message": _STEERED_MESSAGE, "param": None}
        return sse.named({**payload, "sequence_number": steering.error_after or 0})
    body = _error(request, kind, _STEERED_MESSAGE).body
    return shapes.error_event(request.place.dialect, body)
