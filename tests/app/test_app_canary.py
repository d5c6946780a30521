"""A canary key, prompt and provider secret go every way there is, and are found nowhere after."""

import json
import os
import signal
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql

from meterr.core.postgres import EmbeddedPostgres
from support.conversation import (
    BODIES,
    CHAT,
    EMBEDDINGS,
    MESSAGES,
    RESPONSES,
    STREAMING,
    Conversation,
    keyless,
    shared_house,
)
from support.meterr_house import PROVIDER_SECRET
from support.simulator import Answer

PROMPT = "canary-prompt-4be1c07f"
_LOUD = '[log]\nlevel = "debug"\nrequests = "all"\n'
_TABLES = "select format('%I.%I', schemaname, tablename) from pg_tables where schemaname = 'meterr'"
_SLOW = {"chunks": 20, "chunk_delay_ms": 100}


def speaking(path: str, **more: Any) -> dict[str, Any]:
    """Return the usual body of ``path`` with the canary in every place where a prompt may be."""
    turns = [{"role": "user", "content": PROMPT}]
    said = {"input": PROMPT} if path in (EMBEDDINGS, RESPONSES) else {"messages": turns}
    return {**BODIES[path], **said, "metadata": {"note": PROMPT}, "new_field": PROMPT, **more}


def served(talk: Conversation) -> Iterator[Answer]:
    """Make calls that work, on every surface."""
    for path in BODIES:
        yield talk.post(path, speaking(path), {"x-note": PROMPT, "cookie": PROMPT})
        yield talk.post(f"{path}?q={PROMPT}", speaking(path))
    for path in STREAMING:
        yield talk.post(path, speaking(path, stream=True))


def failed_upstream(talk: Conversation) -> Iterator[Answer]:
    """Make calls that the provider fails, echoing what it was told."""
    ways: list[Mapping[str, Any]] = [
        {"status": 401, "text": f"bad key {PROVIDER_SECRET}"},
        {"status": 500},
        {"malformed": "html"},
        {"malformed": "truncated"},
        {"usage": {"prompt_tokens": -1}},
        {"headers": {"x-echo": PROMPT, "content-type": "text/html"}},
    ]
    for path in (CHAT, MESSAGES, RESPONSES):
        for way in ways:
            yield talk.post(path, speaking(path, simulate=way))
        yield talk.post(path, speaking(path, stream=True, simulate={"cut_after": 2}))
        yield talk.post(path, speaking(path, stream=True, simulate={"error_after": 2}))


def refused(talk: Conversation) -> Iterator[Answer]:
    """Make calls that meterr refuses, with the canaries in the wrong places."""
    key = talk.house.key
    wrong = key[:-1] + ("0" if key[-1] != "0" else "1")
    for path in (CHAT, MESSAGES):
        yield talk.post(path, speaking(path), key=wrong)
        yield talk.post(path, speaking(path), {"content-type": PROMPT})
        yield talk.post(path, speaking(path), {"content-encoding": PROMPT})
        yield talk.post(path, json.dumps(speaking(path)).encode()[:-1])
        yield talk.post(path, {**speaking(path), "model": ["x", PROMPT]})
        yield talk.post(path, {**speaking(path), "stream": PROMPT})
        yield talk.post(path, {**speaking(path), "Model": PROMPT})
        yield talk.wire.send("POST", f"{path}/{PROMPT}/{key}", speaking(path), keyless(path))
        yield talk.wire.send("DELETE", f"{path}?key={key}", None, keyless(path))
        yield talk.wire.send("POST", path, speaking(path), {**keyless(path), "authorization": key})


def bad_http(talk: Conversation) -> None:
    """Send the canaries where they break HTTP itself."""
    for sent in (
        f"{PROMPT} {talk.house.key}\r\n\r\n",
        f"GET /{PROMPT} HTTP/1.1\r\n{talk.house.key}\r\n\r\n",
        f"GET / HTTP/1.1\r\nx: {talk.house.key}\0{PROMPT}\r\n\r\n",
    ):
        with talk.raw(sent.encode()) as connection, suppress(ConnectionError):
            connection.recv(65536)


def killed(talk: Conversation) -> str:
    """Kill the gateway in the middle of a stream; return the call's id once it is in the ledger."""
    body = json.dumps(speaking(CHAT, stream=True, simulate=_SLOW)).encode()
    house, pid = talk.house, talk.house.gateway_pid
    with talk.open(CHAT, body) as connection:
        received = b""
        while b"data: " not in received:
            received += connection.recv(65536)
        os.kill(pid, signal.SIGKILL)
        house.wait_for_restart(pid)
    call_id = received.partition(b"x-meterr-request-id: ")[2][:36].decode()
    assert "interrupted" == talk.entry(call_id)["state"]
    return call_id


def without_provider(talk: Conversation) -> Answer:
    """Make a call after the provider was killed."""
    talk.house.simulator.popen.kill()
    talk.house.simulator.popen.wait()
    answer = talk.post(CHAT, speaking(CHAT))
    assert 502 == answer.status
    talk.entry(answer)
    return answer


def rows(dsn: str) -> bytes:
    """Return every table of the schema as text."""
    with psycopg.connect(dsn) as connection, connection.cursor() as cursor:
        dumped = []
        for (table,) in connection.execute(_TABLES).fetchall():
            schema, _, name = table.partition(".")
            with cursor.copy(
                sql.SQL("copy (select * from {}) to stdout").format(sql.Identifier(schema, name))
            ) as copy:
                dumped += [bytes(block) for block in copy]
    return b"".join(dumped)


def files(root: Path) -> Iterator[tuple[str, bytes]]:
    """Yield every file below ``root``; those that vanish meanwhile are not there."""
    for path in sorted(root.rglob("*")):
        with suppress(FileNotFoundError):
            if path.is_file():
                yield str(path.relative_to(root)), path.read_bytes()


@pytest.mark.attack
def test_canaries_are_found_nowhere(postgres: EmbeddedPostgres) -> None:
    """P6: 0 hits in logs, errors, journal, database and its files, however the calls went."""
    with shared_house(postgres, _LOUD) as talk:
        key = talk.house.key
        ours = [*refused(talk)]
        answers = [*served(talk), *failed_upstream(talk)]
        bad_http(talk)
        killed(talk)
        ready = talk.wire.send("GET", "/readyz").body
        ours.append(without_provider(talk))
        found = dict(files(talk.house.data_dir))
        found["logs"] = "\n".join(talk.house.meterr.lines).encode()
        found["tables"] = rows(talk.house.admin_dsn)
        found["readyz"] = ready
        found["errors"] = b"".join(answer.body + repr(answer.headers).encode() for answer in ours)
        found["answers' headers"] = repr([answer.headers for answer in answers]).encode()
        found["commands"] = b"".join(
            Path(f"/proc/{pid}/cmdline").read_bytes()
            for pid in (talk.house.meterr.popen.pid, talk.house.gateway_pid)
        )
        talk.execute("checkpoint")
        with psycopg.connect(talk.house.admin_dsn) as connection:
            (root,) = connection.execute("show data_directory").fetchone() or ("",)
        found |= {f"database {name}": data for name, data in files(Path(root))}
    assert "database PG_VERSION" in found
    assert {"logs", "tables"} < found.keys()
    assert b'"level":"info"' in found["logs"]
    assert any(name.endswith(".journal") for name in found)
    assert key[-4:].encode() in found["tables"]
    canaries = [key, key[len("sk-meterr_live_") : -6], PROMPT, PROVIDER_SECRET]
    assert [] == [
        (name, canary)
        for name, data in found.items()
        for canary in canaries
        if canary.encode() in data
    ]
