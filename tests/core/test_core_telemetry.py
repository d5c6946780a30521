"""Logs: whole lines of known fields, and never at the cost of a call."""

import json
import os

import pytest

from meterr.core.clock import SystemClock
from meterr.core.telemetry import Event, EventLine, Level, RequestLine, Telemetry


def request_line(request_id: str) -> RequestLine:
    return RequestLine(request_id, "POST", "openai.chat", 200, 1.5)


def test_a_line_has_no_field_for_a_name_an_address_or_a_secret() -> None:
    """S1:205: what has no field needs no mask, and a person is an id; new fields go here first."""
    # An account's id is no name and no address: who changed something must be found afterwards.
    about_a_call = "request_id method route status duration_ms tenant_id key_id user_id"
    about_its_end = "upstream model outcome tokens_in tokens_out cost_usd error_code reason"
    about_us = "event message error_code error_type where count pid request_id outcome"
    assert f"{about_a_call} {about_its_end}".split() == list(RequestLine.__struct_fields__)
    assert f"{about_us} reference version".split() == list(EventLine.__struct_fields__)


def test_a_stalled_reader_delays_nobody_and_breaks_no_line() -> None:
    """DESIGN 7: logging never holds up a call; what is lost is lost in whole lines."""
    reading, writing = os.pipe()
    telemetry = Telemetry(SystemClock(), fd=writing)
    for number in range(5_000):  # far more than a pipe holds; nobody reads meanwhile
        telemetry.request(request_line(str(number)))
    os.close(writing)

    with os.fdopen(reading, "rb") as reader:
        lines = reader.read().splitlines()

    assert 100 < len(lines) < 5_000
    assert [str(number) for number in range(len(lines))] == [
        json.loads(line)["request_id"] for line in lines
    ]


def test_a_closed_reader_fails_nobody() -> None:
    """A log pipe that breaks is not a reason to stop serving."""
    reading, writing = os.pipe()
    os.close(reading)
    telemetry = Telemetry(SystemClock(), fd=writing)

    telemetry.event(Level.ERROR, EventLine(event=Event.DRAIN_FAILED))
    telemetry.flush()

    with pytest.raises(BrokenPipeError):  # it was broken indeed
        os.write(writing, b"x")
    os.close(writing)


def test_lines_of_one_turn_leave_together() -> None:
    """DESIGN 9: writes of the same event-loop turn are joined."""
    reading, writing = os.pipe()
    deferred = []
    telemetry = Telemetry(SystemClock(), fd=writing, defer=deferred.append)
    telemetry.request(request_line("a"))
    telemetry.request(request_line("b"))

    (flush,) = deferred
    flush()

    written = os.read(reading, 65_536).splitlines()
    os.close(reading)
    os.close(writing)
    assert ["a", "b"] == [json.loads(line)["request_id"] for line in written]


def test_levels_below_the_wanted_one_stay_out() -> None:
    """The setting log.level."""
    reading, writing = os.pipe()
    telemetry = Telemetry(SystemClock(), fd=writing, level=Level.ERROR)
    telemetry.request(request_line("quiet"))
    telemetry.event(Level.ERROR, EventLine(event=Event.POSTGRES_DIED))
    os.close(writing)

    with os.fdopen(reading, "rb") as reader:
        (line,) = reader.read().splitlines()

    assert ("postgres_died", "error") == (json.loads(line)["event"], json.loads(line)["level"])
