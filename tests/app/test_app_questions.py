"""The model that writes SQL is asked through the gateway itself, and so it is metered."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import date

import msgspec
import psycopg
import pytest

from meterr import identity
from meterr.app.question_model import KEY_NAME, OWNER, QuestionModels
from meterr.core.clock import SystemClock
from meterr.core.db import Database, Role
from meterr.core.errors import NotFound
from meterr.core.ids import IdFactory
from meterr.identity.keyring import Pepper
from meterr.identity.model import KeyRecord
from meterr.query import Catalogue, Column, Relation
from meterr.query.language import Answered, Asking, Message, Question
from meterr.query.language.gateway_model import GatewayModel
from meterr.query.language.visible import visible
from meterr.query.language.words import usage_words
from support.conversation import Conversation
from support.meterr_house import PEPPER

_CALLS_OF = "select count(*), min(cost_usd) from meterr.ledger_entry where key_id = %s"


class NoRows(msgspec.Struct, frozen=True):
    columns: tuple[()] = ()
    rows: tuple[()] = ()
    truncated: bool = False
    relations: tuple[()] = ()


class Nobody:
    """What the statement brings is not the point here."""

    async def run(self, tenant_id: str, sql: str) -> NoRows:
        return NoRows()


def test_a_question_is_one_entry_in_the_ledger(meterr: Conversation) -> None:
    """Issue 5, item 5: a call like any other, under a key of its own, with its exact cost."""
    house = meterr.house
    key, key_id = house.new_key_with_id(name="questions")
    words = usage_words()
    catalogue = Catalogue(
        [
            Relation(r.schema, r.name, tuple(Column(c.name) for c in r.columns))
            for r in words.relations
        ],
        ("usage",),
    )
    asking = Asking(GatewayModel(house.base_url, key, "gpt-4o-mini"), Nobody())
    shown = visible(words, catalogue)
    question = Question(house.tenant_id, "Cost by model", shown, catalogue, date(2026, 11, 23))
    outcome = asyncio.run(asking.ask(question))
    assert isinstance(outcome, Answered)

    def booked() -> tuple[object, ...]:
        with psycopg.connect(house.admin_dsn) as connection:
            return connection.execute(_CALLS_OF, [key_id]).fetchone() or (0, None)

    house.until(lambda: booked()[0] == 1)
    calls, cost = booked()
    assert 1 == calls
    assert cost


HELLO = [Message("user", "hi")]


@asynccontextmanager
async def question_models(meterr: Conversation) -> AsyncIterator[tuple[QuestionModels, Database]]:
    clock = SystemClock()
    keyring = identity.Keyring(Pepper(PEPPER.encode(), origin="test"))
    async with Database.open(meterr.house.database_url, Role.APP) as db:
        models = QuestionModels(
            db, keyring, IdFactory(clock), clock,
            gateway_url=meterr.house.base_url, model="gpt-4o-mini",
        )  # fmt: skip
        yield models, db
        await models.close()


async def made(db: Database, tenant_id: str) -> list[KeyRecord]:
    """Return the keys made for questions that still count, newest first."""
    page = await identity.list_keys(db, tenant_id, limit=200)
    return [key for key in page.keys if key.name == KEY_NAME and key.state == "active"]


async def test_a_tenant_gets_one_key_that_can_do_little(meterr: Conversation) -> None:
    """Least privilege: one model, chat, from this machine, for a day; gone with the process."""
    tenant_id = meterr.house.tenant_id
    async with question_models(meterr) as (models, db):
        model = models.of(tenant_id)
        assert ["You said: hi", "You said: hi"] == [await model.complete(HELLO) for _ in range(2)]
        (key,) = await made(db, tenant_id)
        assert (["chat"], ("gpt-4o-mini",), OWNER) == (sorted(key.scopes), key.models, key.owner)
        assert {"127.0.0.0/8", "::1/128"} == set(key.networks or ())
        assert key.expires_at_ms
        assert 24 * 3600 * 1000 >= key.expires_at_ms - key.created_at_ms
        assert "sk-meterr" not in f"{models!r}{model!r}{vars(models)!r}"
        await models.close()
        assert [] == await made(db, tenant_id)


async def test_a_key_that_was_revoked_is_replaced(meterr: Conversation) -> None:
    """An emergency revokes every key; questions go on with a new one."""
    tenant_id = meterr.house.tenant_id
    async with question_models(meterr) as (models, db):
        await models.of(tenant_id).complete(HELLO)
        (first,) = await made(db, tenant_id)
        await identity.revoke_key(db, tenant_id, first.key_id)
        await models.of(tenant_id).complete(HELLO)
        for _ in range(100):  # the gateway knows within 250 ms
            if (found := await made(db, tenant_id)) != []:
                break
            await asyncio.sleep(0.05)
            await models.of(tenant_id).complete(HELLO)
        assert [first.key_id] != [key.key_id for key in found]
        assert 1 == len(found)


async def test_nobody_asks_for_a_tenant_that_is_none(meterr: Conversation) -> None:
    """No key is made out of thin air."""
    async with question_models(meterr) as (models, _):
        with pytest.raises(NotFound):
            await models.of("0199aaaa-0000-7000-8000-0000000000ff").complete(HELLO)
