"""People and keys that ask questions of a running meterr, and a second tenant with a canary."""

import asyncio
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg

from meterr.core.postgres import EmbeddedPostgres
from meterr.query.walls import harden
from support.api_house import ApiHouse, shared_api_house
from support.rows import insert, row_of
from support.simulator import Answer

CANARY = "foreign-row-of-globex"
ENTRIES = 7


@dataclass
class AskingHouse:
    """An ``ApiHouse`` whose database has its walls up and rows in both tenants."""

    api: ApiHouse

    @property
    def own(self) -> str:
        return self.api.tenants["own"]

    @property
    def other(self) -> str:
        return self.api.tenants["other"]

    def key(self, *scopes: str, **terms: Any) -> tuple[str, str]:
        """Return a new key of the own tenant, and its id."""
        return self.api.house.new_key_with_id(scopes=list(scopes) or ["query"], **terms)

    def ask(
        self, body: Any, *, key: str = "", path: str = "/v1/query", **sent: Any
    ) -> tuple[int, Any]:
        """POST a question; return status and document."""
        if key:
            sent["headers"] = {"authorization": f"Bearer {key}", **sent.get("headers", {})}
        answer = self.api.send("POST", path, body, **sent)
        return answer.status, json.loads(answer.body)

    def answer(self, body: Any, **sent: Any) -> Answer:
        """POST a question as the admin; return the whole answer."""
        return self.api.send("POST", "/v1/query", body, who="admin", **sent)

    def rows(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        """Run a statement as superuser."""
        with psycopg.connect(self.api.house.admin_dsn, autocommit=True) as connection:
            cursor = connection.execute(statement.encode(), values)
            return cursor.fetchall() if cursor.description else []

    def events(self, kind: str, actor: str = "") -> list[tuple[Any, ...]]:
        """Return (actor kind, target kind, target, detail) of this kind's events, oldest first."""
        return self.rows(
            """select actor_kind, target_kind, target_id, detail, tenant_id::text
                 from meterr.security_event
                where kind = %s and actor_id like %s || '%%' order by at, id""",
            kind,
            actor,
        )


@contextmanager
def asking_house(postgres: EmbeddedPostgres, config: str = "") -> Iterator[AskingHouse]:
    """Start a house of its own, put its walls up, and give two tenants calls."""
    with shared_api_house(postgres, config) as api:
        admin = api.house.admin_dsn
        asyncio.run(harden(admin, apply=True))
        with psycopg.connect(admin) as connection:
            for name, model in (("own", "own-model"), ("other", CANARY)):
                for _ in range(ENTRIES):
                    row = row_of("ledger_entry", api.tenants[name])
                    insert(connection, "ledger_entry", {**row, "model": model, "cost_usd": "0.10"})
        yield AskingHouse(api)
