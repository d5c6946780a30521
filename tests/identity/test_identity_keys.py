"""Tenants and keys in a real database: made once, shown once, revoked for good."""

import json
import logging
import zoneinfo
from collections.abc import AsyncIterator
from pathlib import Path

import psycopg
import pytest
from psycopg import sql
from pydantic import SecretStr

from meterr.core.errors import Invalid, NotFound
from meterr.core.principal import Scope, UnknownPrice
from meterr.identity import (
    Environment,
    Keyring,
    create_key,
    create_tenant,
    find_tenant,
    list_keys,
    list_tenants,
    revoke_key,
)
from meterr.identity.errors import KeyRefused, NameTaken
from meterr.identity.model import KeyState
from meterr.identity.service import change_tenant
from support.identity import House, outcome

NOBODY = "0199d3a0-0000-7000-8000-000000000000"


@pytest.fixture
async def house(database_url: str) -> AsyncIterator[House]:
    async with House.open(database_url) as house:
        yield house


class TestTenants:
    async def test_a_tenant_is_found_by_its_trimmed_name(self, house: House) -> None:
        """The operator names tenants, not ids."""
        made = await create_tenant(house.db, house.ids, " blue ", unknown_price=UnknownPrice.FLAG)
        assert made == await find_tenant(house.db, "blue")
        assert ["acme", "blue"] == [tenant.name for tenant in await list_tenants(house.db)]

    async def test_a_name_is_taken_once(self, house: House) -> None:
        """`meterr up` may run twice; `tenant create` must not."""
        again = await create_tenant(house.db, house.ids, "acme", existing_ok=True)
        assert house.tenant_id == again.tenant_id
        with pytest.raises(NameTaken, match="'acme'"):
            await create_tenant(house.db, house.ids, "acme")

    async def test_a_zone_that_only_this_machine_knows_is_refused(
        self, house: House, tmp_path: Path
    ) -> None:
        """A host's files may be newer, or odd; the database's list is that of all hosts."""
        (tmp_path / "Home").write_bytes(b"TZif2")
        zoneinfo.reset_tzpath([str(tmp_path)])
        try:
            with pytest.raises(Invalid, match="database does not know the time zone 'Home'"):
                await create_tenant(house.db, house.ids, "blue", time_zone="Home")
            with pytest.raises(Invalid, match="Choose another") as refused:
                await change_tenant(house.db, house.tenant_id, time_zone="Home")
        finally:
            zoneinfo.reset_tzpath()
        assert "time_zone" == refused.value.param
        assert ["acme"] == [tenant.name for tenant in await list_tenants(house.db)]

    async def test_an_unknown_tenant_is_not_found(self, house: House) -> None:
        """For names and for ids alike."""
        with pytest.raises(NotFound):
            await find_tenant(house.db, "nobody")
        for tenant_id in (NOBODY, "x", ""):
            house.tenant_id = tenant_id
            with pytest.raises(NotFound):
                await house.key()


class TestANewKey:
    async def test_keeps_its_terms(self, house: House) -> None:
        """S1:139: typed columns for all of it."""
        expiry = house.clock.unix_ms() + 3_600_000
        made = await house.key(
            name=" ci ",
            scopes=["embeddings", "chat"],
            environment=Environment.TEST,
            models=["gpt-*", "kimi-k2"],
            expires_at_ms=expiry,
        )
        (stored,) = (await list_keys(house.db, house.tenant_id)).keys
        assert stored == made.record
        assert ("ci", {Scope.CHAT, Scope.EMBEDDINGS}) == (stored.name, stored.scopes)
        assert (("gpt-*", "kimi-k2"), expiry) == (stored.models, stored.expires_at_ms)
        assert f"sk-meterr_test_…{made.secret.reveal()[-4:]}" == stored.shown

    async def test_its_text_is_nowhere_but_in_the_answer(
        self,
        house: House,
        admin_dsn: str,
        caplog: pytest.LogCaptureFixture,
        capfd: pytest.CaptureFixture[str],
    ) -> None:
        """P6: the canary key is in no table, no statement, no log and no rendering."""
        caplog.set_level(logging.DEBUG)
        made = await house.key(name="canary")
        secret = made.secret.reveal()
        async with house.process() as process:
            await process.authenticate(made.secret.presented)
            await revoke_key(house.db, house.tenant_id, made.record.key_id)
            refused = await outcome(process.authenticate(made.secret.presented))
            seen = everything_stored(admin_dsn) + repr(made) + str(made) + repr(vars(process))
        seen += repr(refused) + str(refused) + str(getattr(refused, "private", ""))
        captured = capfd.readouterr()
        seen += caplog.text + captured.out + captured.err
        assert "canary" in seen
        for form in (secret, secret[15:41], secret.encode().hex(), secret[15:41].encode().hex()):
            assert form not in seen

    @pytest.mark.parametrize(
        ("terms", "param"),
        [
            ({"name": "\x00"}, "name"),
            ({"scopes": ["admin"]}, "scopes"),
            ({"scopes": []}, "scopes"),
            ({"models": []}, "models"),
            ({"expires_at_ms": 1}, "expires_at"),
        ],
    )
    async def test_impossible_terms_store_nothing(
        self, house: House, terms: dict[str, object], param: str
    ) -> None:
        """The error names the field."""
        with pytest.raises(Invalid) as refused:
            await house.key(**terms)
        assert param == refused.value.param
        assert () == (await list_keys(house.db, house.tenant_id)).keys


class TestListing:
    async def test_pages_hold_every_key_once_newest_first(self, house: House) -> None:
        """Keyset pagination: nothing is skipped and nothing comes twice."""
        made = [(await house.key(name=f"k{n}")).record.key_id for n in range(7)]
        seen: list[str] = []
        after: str | None = None
        for _ in range(4):
            page = await list_keys(house.db, house.tenant_id, after=after, limit=2)
            seen += [key.key_id for key in page.keys]
            after = page.after
        assert after is None
        assert made[::-1] == seen

    @pytest.mark.parametrize("wrong", [{"limit": 0}, {"limit": 201}, {"after": "' or 1=1"}])
    async def test_odd_pages_are_refused(self, house: House, wrong: dict[str, object]) -> None:
        """Named limits, and a cursor is an id."""
        with pytest.raises(Invalid):
            await list_keys(house.db, house.tenant_id, **wrong)  # type: ignore[arg-type]  # wrong on purpose


class TestRevoking:
    async def test_is_for_good_and_may_be_repeated(self, house: House) -> None:
        """Two people revoking at once both succeed, and the first time stays."""
        key_id = (await house.key()).record.key_id
        first = await revoke_key(house.db, house.tenant_id, key_id)
        assert KeyState.REVOKED is first.state
        assert first.revoked_at_ms is not None
        assert first == await revoke_key(house.db, house.tenant_id, key_id)

    async def test_a_key_of_another_tenant_does_not_exist(self, house: House) -> None:
        """S1:325: foreign ids are 404, and nothing happens to them."""
        foreign = await create_tenant(house.db, house.ids, "other")
        mine = (await house.key()).record
        for key_id in (mine.key_id, NOBODY, "x", "", "' or 1=1 --", "\x00"):
            with pytest.raises(NotFound):
                await revoke_key(house.db, foreign.tenant_id, key_id)
        assert mine == (await list_keys(house.db, house.tenant_id)).keys[0]
        assert () == (await list_keys(house.db, foreign.tenant_id)).keys


async def test_a_new_pepper_accepts_the_keys_of_the_previous_one(house: House) -> None:
    """Changing the pepper fails no call; retiring it ends its keys."""
    old = await house.key()
    both = Keyring.from_secrets(pepper := replaced(house), house.pepper)
    async with house.process(keyring=both) as process:
        new = await create_key(
            house.db, both, house.ids, house.clock, house.tenant_id, name="n", scopes=["chat"]
        )
        for key in (old, new):
            principal = await process.authenticate(key.secret.presented)
            assert key.record.key_id == principal.key_id
            assert principal == process.warm(key.secret.presented)
    async with house.process(keyring=Keyring.from_secrets(pepper)) as process:
        assert isinstance(await outcome(process.authenticate(old.secret.presented)), KeyRefused)
        assert (await process.authenticate(new.secret.presented)).key_id == new.record.key_id


def replaced(house: House) -> SecretStr:
    return SecretStr(house.pepper.get_secret_value()[::-1])


def everything_stored(admin_dsn: str) -> str:
    """Return every row of every table of ours, and every statement the server remembers."""
    with psycopg.connect(admin_dsn) as connection:
        rows = [str(row) for row in connection.execute("select * from pg_stat_activity")]
    return "\n".join([*stored_rows(admin_dsn), *rows])


def stored_rows(admin_dsn: str) -> list[str]:
    """Return every row of every table of ours, each behind the name of its table."""
    with psycopg.connect(admin_dsn) as connection:
        tables = connection.execute(
            "select relname from pg_class where relnamespace = 'meterr'::regnamespace "
            "and relkind in ('r', 'p')"
        ).fetchall()
        return [
            f"{table} {json.dumps(row[0])}"
            for (table,) in tables
            for row in connection.execute(
                sql.SQL("select to_jsonb(t) from meterr.{} t").format(sql.Identifier(table))
            )
        ]
