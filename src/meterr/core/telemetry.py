"""
Logs: one canonical line per request, and events with names from a closed list.

What may be logged is a matter of type: ``RequestLine`` and ``EventLine`` have the loggable fields
and no others, so a prompt, a header, a key or a SQL parameter has no field to go into. What carries
one all the same, by mistake or by a caller's wit, meets ``redaction`` before it is written.
"""

import logging
import os
import select
from collections.abc import Callable
from enum import StrEnum

import msgspec

from meterr.core.clock import Clock, as_datetime
from meterr.core.redaction import Redactor

_BUFFERED_BYTES_MAX = 64 * 1024
"""Write at the latest when this much has gathered, so a busy turn does not hold memory."""


class Level(StrEnum):
    """How bad it is; in rising order."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class Event(StrEnum):
    """Every event that meterr logs outside a request."""

    LIBRARY_MESSAGE = "library_message"
    PROCESS_STARTED = "process_started"
    PROCESS_DIED = "process_died"
    POSTGRES_DIED = "postgres_died"
    DRAIN_FAILED = "drain_failed"
    JOURNAL_DAMAGED = "journal_damaged"
    JOURNAL_ROW_REJECTED = "journal_row_rejected"
    JOURNAL_ROW_CLEANED = "journal_row_cleaned"
    JOURNAL_DRAIN_STUCK = "journal_drain_stuck"
    LEDGER_PARTITION_MISSING = "ledger_partition_missing"
    LEDGER_DAY_DROPPED = "ledger_day_dropped"
    SECURITY_EVENTS_DROPPED = "security_events_dropped"
    ROLLUPS_STUCK = "rollups_stuck"
    UNEXPECTED_ERROR = "unexpected_error"
    PRICES_RELOADED = "prices_reloaded"
    CREDENTIAL_LOADED = "credential_loaded"
    CREDENTIAL_UNREADABLE = "credential_unreadable"
    SECRET_READ = "secret_read"  # noqa: S105 (the name of an event)
    KEY_DUE = "key_due"
    MAIL_FAILED = "mail_failed"
    SIGNING_KEY_ROTATED = "signing_key_rotated"


_ORDER = {level: position for position, level in enumerate(Level)}
_NAMES = {level: level.value.encode() for level in Level}


class RequestLine(msgspec.Struct, omit_defaults=True):
    """The canonical line of one request."""

    request_id: str
    method: str
    route: str
    status: int
    duration_ms: float
    tenant_id: str = ""
    key_id: str = ""
    user_id: str = ""
    upstream: str = ""
    model: str = ""
    outcome: str = ""
    tokens_in: int = 0
    tokens_out: int = 0
    cost_usd: str = ""
    error_code: str = ""
    reason: str = ""


class EventLine(msgspec.Struct, omit_defaults=True):
    """Something that happened outside a request. ``message`` never holds a caller's bytes."""

    event: Event
    message: str = ""
    error_code: str = ""
    error_type: str = ""
    where: str = ""
    count: int = 0
    pid: int = 0
    request_id: str = ""
    outcome: str = ""
    reference: str = ""
    version: str = ""


class Telemetry:
    """
    Write lines as JSON to a file descriptor, joined per event-loop turn.

    A line that the descriptor does not take at once (a stalled or closed pipe, a full disk) is
    dropped: logging neither fails nor delays a call. Lines buffered in this turn are lost with the
    process; the ledger does not depend on them. ``pid`` goes into each line of a process that has
    others like it; 0 leaves it out. Whatever has the shape of a credential, or is one of the
    ``redactor``'s secrets, is taken out of every line.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        level: Level = Level.INFO,
        fd: int = 2,
        pid: int = 0,
        defer: Callable[[Callable[[], None]], object] | None = None,
        redactor: Redactor | None = None,
    ) -> None:
        self._clock = clock
        self._level = _ORDER[level]
        self._fd = fd
        self._writer = b'"pid":%d,' % pid if pid else b""
        self._defer = defer
        self._redactor = redactor or Redactor()
        self._redacted = self._redactor.line
        self._taker = select.poll()
        self._taker.register(fd, select.POLLOUT)
        self._encoder = msgspec.json.Encoder()
        self._buffer = bytearray()
        self._scheduled = False
        self._stamped_ms = -1
        self._stamp = b""

    def redact(self, secret: str) -> None:
        """Take ``secret`` out of every later line: one that this process came to know meanwhile."""
        self._redactor = self._redactor.knowing(secret)
        self._redacted = self._redactor.line

    def request(self, line: RequestLine) -> None:
        """Log the canonical line of a request."""
        self._write(Level.ERROR if line.status >= 500 else Level.INFO, line)

    def event(self, level: Level, line: EventLine) -> None:
        """Log an event."""
        self._write(level, line)

    def flush(self) -> None:
        """Write what has gathered."""
        self._scheduled = False
        if not self._buffer:
            return
        waiting, self._buffer = bytes(self._buffer), bytearray()
        try:
            self._put(waiting)
        except OSError:
            return

    def _put(self, waiting: bytes) -> None:
        """Write whole lines, as much as is taken at once: a reader that stalls stalls no call."""
        while waiting and self._taker.poll(0):
            end = waiting.rfind(b"\n", 0, select.PIPE_BUF) + 1 or waiting.find(b"\n") + 1
            os.write(self._fd, waiting[:end])
            waiting = waiting[end:]

    def _write(self, level: Level, line: RequestLine | EventLine) -> None:
        if _ORDER[level] < self._level:
            return
        unix_ms = self._clock.unix_ms()
        if unix_ms != self._stamped_ms:  # a busy process logs many lines in a millisecond
            self._stamped_ms = unix_ms
            self._stamp = _stamp(unix_ms)
        self._buffer += b'{"timestamp":"%b","level":"%b",%b%b\n' % (
            self._stamp,
            _NAMES[level],
            self._writer,
            self._redacted(self._encoder.encode(line))[1:],
        )
        if self._defer is None or len(self._buffer) > _BUFFERED_BYTES_MAX:
            self.flush()
        elif not self._scheduled:
            self._scheduled = True
            self._defer(self.flush)


def _stamp(unix_ms: int) -> bytes:
    at = as_datetime(unix_ms).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{at}.{unix_ms % 1000:03d}Z".encode()


class LibraryHandler(logging.Handler):
    """Carry warnings of libraries into our lines, by logger and exception type only."""

    def __init__(self, telemetry: Telemetry) -> None:
        super().__init__(logging.WARNING)
        self._telemetry = telemetry

    def emit(self, record: logging.LogRecord) -> None:
        failure = record.exc_info[0].__name__ if record.exc_info and record.exc_info[0] else ""
        level = Level.ERROR if record.levelno >= logging.ERROR else Level.WARNING
        where = f"{record.name}:{record.module}:{record.lineno}"
        self._telemetry.event(
            level, EventLine(event=Event.LIBRARY_MESSAGE, where=where, error_type=failure)
        )
