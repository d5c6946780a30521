"""Errors of our own API: RFC 9457, complete, and silent about everything inside."""

import importlib
import pkgutil
import uuid
from collections.abc import Iterator

import msgspec
import pytest

import meterr
from meterr.core.errors import Invalid, MeterrError, Unavailable
from meterr.core.http.problem import problem, render
from support.small_door import API, SDK, SESSION, SmallDoor, open_door

ID = "01a20675-254d-7467-997c-7a635c51349b"


def every_error() -> Iterator[type[MeterrError]]:
    """Yield every kind of error that the product has."""
    for module in pkgutil.walk_packages(meterr.__path__, "meterr."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    waiting = [MeterrError]
    while waiting:
        kind = waiting.pop()
        yield kind
        waiting += kind.__subclasses__()


def test_every_error_of_ours_renders_as_a_problem() -> None:
    """RFC 9457, 3.1: type, title, status, detail, instance; and our code, which never changes."""
    for kind in every_error():
        error = MeterrError.__new__(kind)
        MeterrError.__init__(error, "Said.", private="canary-7d1f", reason="canary-7d1f")
        told = problem(error, ID)
        assert (f"urn:meterr:error:{kind.code}", kind.code) == (told["type"], told["code"])
        assert (kind.status, kind.title, "Said.") == (told["status"], told["title"], told["detail"])
        assert uuid.UUID(ID).urn == told["instance"]
        assert b"canary" not in msgspec.json.encode(told)


def test_the_field_at_fault_is_named_only_where_there_is_one() -> None:
    """An extension member of ours, as in the dialects."""
    assert "param" not in problem(Invalid("No."), ID)
    assert "limit" == problem(Invalid("No.", param="limit"), ID)["param"]


def test_what_passes_by_itself_says_when() -> None:
    """429 and 503 always carry Retry-After, one second unless the error knows better."""
    assert (b"retry-after", b"1") in render({}, Unavailable("Wait."), ID)[0]
    assert (b"retry-after", b"7") in render({}, Unavailable("Wait.", retry_after_s=7), ID)[0]
    assert b"retry-after" not in dict(render({}, Invalid("No."), ID)[0])


@pytest.fixture(scope="module")
def door() -> Iterator[SmallDoor]:
    with open_door() as running:
        yield running


@pytest.mark.parametrize(
    ("method", "path", "status", "kind"),
    [
        ("GET", "/nothing", 404, "application/problem+json"),
        ("TRACE", API, 405, "application/problem+json"),
        ("TRACE", SESSION, 405, "application/problem+json"),
        ("GET", SDK, 405, "application/json"),
        ("GET", "/v1/nothing", 404, "application/json"),
        ("GET", "/v1x", 404, "application/problem+json"),
        ("GET", "/V1/nothing", 404, "application/problem+json"),
    ],
)
def test_the_shape_follows_the_path(
    door: SmallDoor, method: str, path: str, status: int, kind: str
) -> None:
    """S1:60, S1:319: a status of its own and a stable code, in the shape the caller can read."""
    answer = door.ask(method, path)
    assert (status, kind) == (answer.status, answer.one("content-type"))
    assert answer.one("x-meterr-request-id") in answer.json()["instance"]
