"""What every refusal of meterr looks like to the family that it refuses."""

import re
import uuid

from support.conversation import MESSAGES
from support.meterr_house import PEPPER, PROVIDER_SECRET
from support.simulator import Answer

# What a stranger must not learn: code, addresses, files, libraries, secrets.
_INTERNALS = re.compile(
    "|".join(
        [
            r"Traceback|\.py\b|\bmeterr\.\w|psycopg|msgspec|uvicorn|asyncio|httptools",
            r"127\.0\.0\.1|localhost|/tmp|/usr|Error\(",
            re.escape(PROVIDER_SECRET),
            re.escape(PEPPER),
        ]
    )
)

ANTHROPIC_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    405: "invalid_request_error",
    408: "timeout_error",
    413: "request_too_large",
    415: "invalid_request_error",
    502: "api_error",
    503: "overloaded_error",
    504: "timeout_error",
}


def assert_refused(path: str, answer: Answer, status: int, *words: str) -> None:
    """Hold status, shape, request id and text; ``words`` are what the text must name."""
    assert status == answer.status, answer.body[:300]
    assert "application/json" == answer.headers["content-type"]
    call_id = answer.headers["x-meterr-request-id"]
    assert uuid.UUID(call_id).version == 7
    message = _anthropic(answer, call_id) if path.startswith(MESSAGES) else _openai(answer, call_id)
    for word in words:
        assert word in message
    assert_tells_no_internals(answer.body)


def assert_tells_no_internals(body: bytes) -> None:
    """Hold that a text for callers says nothing about how meterr is made or where it runs."""
    assert not (found := _INTERNALS.search(body.decode())), found


def message_of(path: str, body: bytes) -> str:
    """Return the message of a refusal whose head does not matter."""
    answer = Answer(0, {}, body)
    message: str = answer.json()["error"]["message"]
    assert message.rstrip().endswith(".")
    assert (path.startswith(MESSAGES)) is ("type" in answer.json())
    return message


def _openai(answer: Answer, call_id: str) -> str:
    told = answer.json()
    assert {"error"} == told.keys()
    assert {"message", "type", "param", "code"} == told["error"].keys()
    assert call_id == answer.headers["x-request-id"]
    assert told["error"]["code"]
    return message_of("", answer.body)


def _anthropic(answer: Answer, call_id: str) -> str:
    told = answer.json()
    assert {"type", "error", "request_id"} == told.keys()
    assert {"type", "message"} == told["error"].keys()
    assert ("error", call_id) == (told["type"], told["request_id"])
    assert call_id == answer.headers["request-id"]
    assert ANTHROPIC_TYPES[answer.status] == told["error"]["type"]
    return message_of(MESSAGES, answer.body)
