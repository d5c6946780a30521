"""A shared house seen by one test: what it sent, what the witness saw, what the ledger holds."""

import asyncio
import json
import socket
import uuid
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from typing import Any
from urllib.parse import urlsplit

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.rows import dict_row

from meterr import identity
from meterr.core.clock import SystemClock
from meterr.core.db import Database, Role
from meterr.core.ids import IdFactory
from meterr.core.postgres import EmbeddedPostgres
from meterr.core.principal import UnknownPrice
from meterr.ledger.model import PRICED_CLASSES, REQUEST_CLASSES
from support import meterr_house, server
from support.meterr_house import House, open_house
from support.simulator import Answer, Wire, sent_to

CHAT, EMBEDDINGS, RESPONSES = "/v1/chat/completions", "/v1/embeddings", "/v1/responses"
MESSAGES, COUNT_TOKENS = "/v1/messages", "/v1/messages/count_tokens"
OPENAI_MODEL, ANTHROPIC_MODEL = "gpt-4o-mini", "claude-haiku-4-5"
USER = [{"role": "user", "content": "How long is the coast of Britain?"}]
BODIES: Mapping[str, Mapping[str, Any]] = {
    CHAT: {"model": OPENAI_MODEL, "messages": USER},
    EMBEDDINGS: {"model": "text-embedding-3-small", "input": "a dozen words"},
    RESPONSES: {"model": OPENAI_MODEL, "input": "How long is the coast of Britain?"},
    MESSAGES: {"model": ANTHROPIC_MODEL, "max_tokens": 200, "messages": USER},
    COUNT_TOKENS: {"model": ANTHROPIC_MODEL, "messages": USER},
}
STREAMING = (CHAT, RESPONSES, MESSAGES)
ANTHROPIC_VERSION = {"anthropic-version": "2023-06-01"}

_RECENT = 200
_ENTRY = "select e.*, e.id::text as id from meterr.ledger_entry e where e.id = %s"
_IDS = "select id::text as id from meterr.ledger_entry"
_COUNT = "select count(*) as count from meterr.ledger_entry"
_RATES = "select rates from meterr.price_version where price_id = %s"


@dataclass
class Conversation:
    """One test's view of a shared house: the tests run one after the other."""

    house: House
    _call_count: int = 0

    @cached_property
    def wire(self) -> Wire:
        """Raw requests to meterr."""
        return Wire(urlsplit(self.house.base_url).port or 0)

    @cached_property
    def witness(self) -> Wire:
        """The simulator itself."""
        return Wire(urlsplit(self.house.simulator_url).port or 0)

    def post(
        self,
        path: str,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        *,
        key: str | None = None,
    ) -> Answer:
        """POST with the house's key and the headers that every SDK of the path's family sends."""
        return self.wire.send("POST", path, body, {**self.own(path, key), **(headers or {})})

    def simulated(self, path: str, simulate: Mapping[str, Any], **more: Any) -> Answer:
        """POST the usual body of ``path`` with the simulator steered."""
        return self.post(path, {**BODIES[path], **more, "simulate": simulate})

    def own(self, path: str, key: str | None = None) -> dict[str, str]:
        """Return the headers of a usual request."""
        key = self.house.key if key is None else key
        name, value = ("authorization", f"Bearer {key}")
        if path.startswith(MESSAGES):
            name, value = ("x-api-key", key)
        return {**keyless(path), name: value}

    def open(self, path: str, body: bytes, *, headers: str = "") -> socket.socket:
        """Send a POST and return the open socket, nothing of the answer read."""
        return self.raw(
            "".join(
                [
                    f"POST {path} HTTP/1.1\r\nhost: meterr\r\n{headers}",
                    *(f"{name}: {value}\r\n" for name, value in self.own(path).items()),
                    f"content-length: {len(body)}\r\n\r\n",
                ]
            ).encode()
            + body
        )

    def raw(self, sent: bytes) -> socket.socket:
        """Send bytes as they are and return the open socket."""
        return sent_to(self.wire.port, sent)

    def call_count(self) -> int:
        """Return how many calls the witness has received."""
        self._call_count += len(self.calls_after(self._call_count))
        return self._call_count

    def calls_after(self, count: int) -> list[dict[str, Any]]:
        """Return the calls that the witness received after its first ``count``."""
        return self.witness.calls(count)

    def call(self, answer: Answer) -> dict[str, Any]:
        """Return what the witness saw of the call that got ``answer``."""
        (found,) = self.calls_of(answer.headers["x-meterr-request-id"])
        return found

    def calls_of(self, call_id: str) -> list[dict[str, Any]]:
        """Return the witness's calls of one recent request of ours."""
        recent = self.calls_after(max(0, self.call_count() - _RECENT))
        return [call for call in recent if call["caller_id"] == call_id]

    def entry(self, call: Answer | str) -> dict[str, Any]:
        """Wait for the entry of a call and return it: there is exactly one."""
        call_id = call if isinstance(call, str) else call.headers["x-meterr-request-id"]
        found: list[dict[str, Any]] = []

        def there() -> bool:
            found[:] = self._query(_ENTRY, call_id)
            return bool(found)

        self.house.until(there)
        (entry,) = found
        return entry

    def no_entry(self, call: Answer) -> bool:
        """Return whether a call has no entry, once a later call's is there."""
        self.entry(self.post(CHAT, BODIES[CHAT]))
        return not self._query(_ENTRY, call.headers["x-meterr-request-id"])

    def recomputed(self, entry: Mapping[str, Any]) -> Decimal:
        """Return what ``entry`` costs by the price version that it names."""
        (row,) = self._query(_RATES, entry["price_id"])
        prompt = sum(entry[each] for each in PRICED_CLASSES if _goes_in(each))
        parts = (
            entry[each] * _usd(row["rates"][each], prompt) / _unit(each)
            for each in PRICED_CLASSES
            if entry[each]
        )
        return sum(parts, Decimal(0))

    def tenant_key(self, name: str, unknown_price: UnknownPrice) -> str:
        """Return a key of another tenant in the same house."""
        return asyncio.run(_tenant_key(self.house.database_url, name, unknown_price))

    def execute(self, statement: str, *parameters: object) -> None:
        """Run a statement beside all walls."""
        self.ledger.execute(statement.encode(), parameters)

    def entry_count(self) -> int:
        """Return how many entries the ledger holds."""
        (row,) = self._query(_COUNT)
        return int(row["count"])

    def assert_booked_once(self) -> None:
        """Hold P2 over everything that was ever sent here: one entry for each call received."""
        received = Counter(call["caller_id"] for call in self.calls_after(0))
        self.house.until(lambda: received.keys() <= self._booked(), 20)
        assert {1} >= set(received.values())

    def _booked(self) -> set[str]:
        rows = self._query(_IDS)
        booked = {row["id"] for row in rows}
        assert len(rows) == len(booked)
        return booked

    def faults(self) -> list[str]:
        """Return the log lines that say that something happened which nobody thought of."""
        marks = ('"event":"unexpected_error"', '"event":"process_died"', '"error_type"')
        return [line for line in self.house.meterr.lines if any(mark in line for mark in marks)]

    def _query(self, statement: str, *parameters: object) -> list[dict[str, Any]]:
        return self.ledger.execute(statement.encode(), parameters).fetchall()

    @cached_property
    def ledger(self) -> psycopg.Connection[dict[str, Any]]:
        """The tests' own view of the database, beside all walls."""
        return psycopg.connect(self.house.admin_dsn, row_factory=dict_row, autocommit=True)


def keyless(path: str) -> dict[str, str]:
    """Return the headers of a usual request, without a key."""
    usual = {"content-type": "application/json"}
    return usual | (ANTHROPIC_VERSION if path.startswith(MESSAGES) else {})


def _goes_in(token_class: str) -> bool:
    return token_class.startswith(("input", "cache"))


def _unit(token_class: str) -> int:
    return 1_000 if token_class in REQUEST_CLASSES else 1_000_000


def _usd(rate: Mapping[str, Any], prompt_tokens: int) -> Decimal:
    """Return the rate of a whole call: the highest tier that its prompt is above."""
    usd = rate["usd"]
    for tier in rate.get("tiers", ()):
        usd = tier["usd"] if prompt_tokens > tier["above"] else usd
    return Decimal(usd)


def json_of(stream: bytes) -> list[dict[str, Any]]:
    """Return the decoded events of a stream, without ``[DONE]``."""
    data = [line[6:] for line in stream.splitlines() if line.startswith(b"data: ")]
    return [json.loads(each) for each in data if each != b"[DONE]"]


@contextmanager
def shared_house(postgres: EmbeddedPostgres, config: str = "") -> Iterator[Conversation]:
    """Open a house with a database of its own, for many tests."""
    name = f"shared_{uuid.uuid4().hex}"
    server.create_database(postgres.admin_dsn, name, server.TEMPLATE)
    dsn = make_conninfo(postgres.dsn, dbname=name)
    admin_dsn = make_conninfo(postgres.admin_dsn, dbname=conninfo_to_dict(dsn)["dbname"])
    try:
        with server.open_directory() as root, open_house(dsn, admin_dsn, root, config=config) as it:
            talk = Conversation(it)
            with talk.ledger:
                yield talk
    finally:
        server.drop_database(postgres.admin_dsn, name)


async def _tenant_key(database_url: str, name: str, unknown_price: UnknownPrice) -> str:
    async with Database.open(database_url, Role.APP) as db:
        ids = IdFactory(SystemClock())
        tenant = await identity.create_tenant(
            db, ids, name, unknown_price=unknown_price, existing_ok=True
        )
    return (await meterr_house._new_key(database_url, tenant.tenant_id))[0]
