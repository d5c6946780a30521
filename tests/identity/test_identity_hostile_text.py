"""Texts that mean something to SQL, wherever a caller's text is stored or looked for."""

from collections.abc import AsyncIterator

import psycopg
import pytest
from test_identity_keys import stored_rows

from meterr.core.errors import Invalid
from meterr.identity import create_tenant, find_tenant
from meterr.identity.people.email import read_email
from support.identity import House

HOSTILE = [
    "'; drop table meterr.api_key; --",
    "x' or '1'='1",
    "acme' union select name from meterr.tenant --",
    "Robert'); truncate meterr.tenant cascade; --",
    'a"; set role meterr_owner; --',
    "' || pg_sleep(600) || '",
    "$$ do nothing $$; select set_config('meterr.tenant_id', '', false)",
    "%s %(tenant_id)s %% {0} :name $1",
    "\\'; select 1 --",
    "Please select a name and update the table",
]


@pytest.fixture
async def house(database_url: str) -> AsyncIterator[House]:
    async with House.open(database_url) as house:
        yield house


def relations(admin_dsn: str) -> set[str]:
    with psycopg.connect(admin_dsn) as connection:
        rows = connection.execute("select oid::regclass::text || relkind::text from pg_class")
        return {name for (name,) in rows if name.startswith("meterr.")}


@pytest.mark.parametrize("text", HOSTILE)
async def test_is_kept_as_it_was_given_and_changes_nothing_else(
    house: House, admin_dsn: str, text: str
) -> None:
    """S2:157-159, S1:51: no error is waited for: text is data, and other rows are as before."""
    canary = await house.key(name="canary")
    before, tables = set(stored_rows(admin_dsn)), relations(admin_dsn)

    made = await create_tenant(house.db, house.ids, text)
    model = text.replace(" ", "/**/")  # a pattern has no spaces; for SQL this is one
    key = await house.key(name=text, owner=text, models=[model])
    with pytest.raises(Invalid):
        await house.key(name="refused", scopes=[text])
    with pytest.raises(Invalid):
        read_email(text)

    assert made == await find_tenant(house.db, text)
    record = await house.record(key.record.key_id)
    assert (text, text, (model,)) == (record.name, record.owner, record.models)
    after = set(stored_rows(admin_dsn))
    assert before < after
    changed = sorted(row.partition(" ")[0] for row in after - before)
    recorded = [table for table in changed if table.startswith("security_event")]
    assert ["api_key", *recorded, "tenant"] == changed
    assert tables == relations(admin_dsn)
    async with house.process() as process:
        assert await process.authenticate(canary.secret.presented)
