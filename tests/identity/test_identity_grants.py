"""A key hands on no more than it has, when it does so and ever after."""

from collections.abc import AsyncIterator

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from meterr.core.errors import NotFound
from meterr.core.principal import Scope
from meterr.identity import create_tenant, list_keys, revoke_key
from meterr.identity.authorisation import matches
from meterr.identity.grants import GrantExceeded, Grants, require_granted, require_scopes
from meterr.identity.rotation import Asker
from support.identity import House, until

scopes = st.frozensets(st.sampled_from(Scope))
patterns = st.text("ab*?", min_size=1, max_size=4)
names = st.text("ab", max_size=5)


@pytest.fixture
async def house(database_url: str) -> AsyncIterator[House]:
    async with House.open(database_url) as house:
        yield house


class TestTheRule:
    @given(scopes, scopes)
    def test_scopes_are_handed_on_within_the_creators(
        self, own: frozenset[Scope], wanted: frozenset[Scope]
    ) -> None:
        """CVE-2026-47101: what was asked for was stored as it came."""
        if wanted <= own:
            require_scopes(own, wanted)
            return
        with pytest.raises(GrantExceeded) as refused:
            require_scopes(own, wanted)
        assert all(scope.value in refused.value.detail for scope in wanted - own)

    @given(patterns, patterns, names)
    def test_a_pattern_that_passes_matches_nothing_that_the_creators_does_not(
        self, own: str, wanted: str, name: str
    ) -> None:
        """Whatever the patterns are: if the rule lets it through, it is a subset."""
        chat = frozenset({Scope.CHAT})
        try:
            require_granted(Grants(chat, (own,)), Grants(chat, (wanted,)))
        except GrantExceeded:
            return
        assert matches(own, name) or not matches(wanted, name)

    @pytest.mark.parametrize(
        ("wanted", "param"),
        [
            (Grants(frozenset(Scope), ("gpt-4o",), ("192.0.2.7/32",), 5), "scopes"),
            (Grants(frozenset({Scope.CHAT}), None, ("192.0.2.7/32",), 5), "models"),
            (Grants(frozenset({Scope.CHAT}), ("o3",), ("192.0.2.7/32",), 5), "models"),
            (Grants(frozenset({Scope.CHAT}), ("gpt-4o",), None, 5), "networks"),
            (Grants(frozenset({Scope.CHAT}), ("gpt-4o",), ("192.0.0.0/8",), 5), "networks"),
            (Grants(frozenset({Scope.CHAT}), ("gpt-4o",), ("192.0.2.7/32",), None), "expires_at"),
            (Grants(frozenset({Scope.CHAT}), ("gpt-4o",), ("192.0.2.7/32",), 11), "expires_at"),
        ],
    )
    def test_each_thing_beyond_is_named(self, wanted: Grants, param: str) -> None:
        """No list is everything, so it is more than any list."""
        own = Grants(frozenset({Scope.CHAT}), ("gpt-*",), ("192.0.2.0/24",), 10)
        with pytest.raises(GrantExceeded) as refused:
            require_granted(own, wanted)
        assert param == refused.value.param


class TestAKeyMadeByAKey:
    async def test_beyond_its_maker_is_not_made(self, house: House) -> None:
        """CVE-2026-47101, at issue."""
        maker = (await house.key(scopes=["chat"])).record
        with pytest.raises(GrantExceeded, match="embeddings"):
            await house.key(scopes=["chat", "embeddings"], created_by=maker.key_id)
        assert (maker,) == (await list_keys(house.db, house.tenant_id)).keys

    async def test_loses_what_its_maker_loses_in_every_process(
        self, house: House, admin_dsn: str
    ) -> None:
        """CVE-2026-47101, at use: also down a line of makers, and warm."""
        maker = (await house.key(scopes=["chat", "embeddings"])).record
        child = (await house.key(scopes=["chat", "embeddings"], created_by=maker.key_id)).record
        grandchild = await house.key(scopes=["chat", "embeddings"], created_by=child.key_id)
        presented = grandchild.secret.presented
        async with house.process() as process:
            before = await process.authenticate(presented)
            assert {Scope.CHAT, Scope.EMBEDDINGS} == before.scopes
            with psycopg.connect(admin_dsn) as connection:
                connection.execute(
                    "update meterr.api_key set scopes = '{chat}' where key_id = %s", [maker.key_id]
                )
            await until(lambda: (known := process.warm(presented)) is not None and known != before)
            assert {Scope.CHAT} == (await process.authenticate(presented)).scopes

    async def test_a_maker_that_is_unknown_foreign_or_revoked_makes_none(
        self, house: House
    ) -> None:
        """Foreign ids are 404, and a dead key asks for nothing."""
        revoked = (await house.key()).record.key_id
        await revoke_key(house.db, house.tenant_id, revoked)
        mine = (await house.key()).record.key_id
        for created_by in (revoked, "x", house.tenant_id):
            with pytest.raises(NotFound):
                await house.key(created_by=created_by)
        house.tenant_id = (await create_tenant(house.db, house.ids, "other")).tenant_id
        with pytest.raises(NotFound):
            await house.key(created_by=mine)

    async def test_nobody_rotates_a_key_to_scopes_of_others(self, house: House) -> None:
        """The successor's secret would be a grant, too."""
        rich = (await house.key(scopes=["chat", "embeddings"])).record
        poor = Asker("bot", "because", frozenset({Scope.CHAT}))
        with pytest.raises(GrantExceeded, match="embeddings"):
            await house.rotate(rich.key_id, asker=poor)
        assert (await house.record(rich.key_id)).successor_id is None
