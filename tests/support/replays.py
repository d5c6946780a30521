"""What the replays of published attacks share: raw requests, and what is looked at afterwards."""

import ast
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg

import meterr
from support.api_house import ApiHouse, told
from support.people import PASSWORD

CHAT = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "x"}]}
MODEL_PATHS = (
    "/v1/chat/completions",
    "/v1/embeddings",
    "/v1/responses",
    "/v1/messages",
    "/v1/messages/count_tokens",
)
PACKAGE = Path(meterr.__file__).parent


def own(at: ApiHouse, tail: str = "") -> str:
    return f"/api/v1/tenants/{at.tenants['own']}{tail}"


def rows(at: ApiHouse, statement: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(at.house.admin_dsn) as connection:
        return connection.execute(statement).fetchall()  # type: ignore[arg-type]  # of this file


def counted(at: ApiHouse) -> tuple[Any, ...]:
    """Return how much there is of everything that an attack would like to make."""
    return rows(
        at,
        """select (select count(*) from meterr.api_key), (select count(*) from meterr.tenant),
                  (select count(*) from meterr.user_account),
                  (select count(*) from meterr.membership)""",
    )[0]


def works(at: ApiHouse, secret: str) -> int:
    return at.send("POST", MODEL_PATHS[0], CHAT, {"authorization": f"Bearer {secret}"}).status


def made(at: ApiHouse, **terms: Any) -> tuple[str, str]:
    body = {"name": "x", "scopes": ["chat"], **terms}
    answer = at.send("POST", own(at, "/keys"), body, who="admin")
    assert 201 == answer.status, answer.body
    return told(answer)["secret"], told(answer)["key"]["key_id"]


def begun(at: ApiHouse, email: str) -> dict[str, str]:
    body = {"email": email, "password": PASSWORD.get_secret_value()}
    answer = at.send("POST", "/api/v1/sign-in/password", body)
    assert 200 == answer.status, answer.body
    return {"authorization": f"Bearer {told(answer)['access_token']}"}


def refused_everywhere(at: ApiHouse, headers: dict[str, str]) -> bool:
    """Tell whether a session is refused, asked often enough to meet every process."""
    asked = [at.send("GET", "/api/v1/me", headers=headers).status for _ in range(8)]
    return {401} == set(asked)


def raw(at: ApiHouse, request: str) -> str:
    """Send bytes as they are; return the status line."""
    with socket.create_connection(("127.0.0.1", at.wire.port), timeout=30) as line:
        line.sendall(request.encode("latin-1"))
        return line.recv(65536).decode("latin-1").partition("\r\n")[0]


SPELLINGS = (
    "",
    "Bearer",
    "Bearer ",
    "Bearer null",
    "Bearer undefined",
    "Bearer {}",
    "Bearer *",
    "Bearer %00",
    "Basic YWRtaW46YWRtaW4=",
    "Bearer sk-1234",
    "Bearer sk-meterr_live_" + "0" * 32,
    "Bearer sk-meterr_test_" + "z" * 32,
    "Bearer Bearer x",
    "bearer\tx",
    "Token x",
    "Bearer x, Bearer y",
    "Bearer eyJhbGciOiJub25lIn0.e30.",
    "Bearer " + "x" * 10_000,
    "admin",
    "internal",
    "health",
    "Bearer \xff\xfe",
    "Digest username=admin",
)


_RUNS = {"eval", "exec", "compile", "__import__", "system", "popen", "run_path", "run_module"}
_PATTERNS = {"re.compile", "re2.compile"}


def runs_text(source: str, name: str) -> Iterator[str]:
    """Yield each call that would run a text as a program, or load one that a text names."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            if called.rpartition(".")[2] in _RUNS and called not in _PATTERNS:
                yield f"{name}:{node.lineno} {called}"
