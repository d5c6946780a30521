"""Where a key may be used from: CIDR, in both families, fail closed."""

import ipaddress
from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meterr.core.errors import Invalid
from meterr.identity import KeyRefused
from meterr.identity.client import Client
from meterr.identity.model import NewKey, Reason
from meterr.identity.networks import NETWORKS_MAX, Networks, checked_networks, covers
from support.identity import House, outcome

networks = st.one_of(
    st.tuples(st.ip_addresses(v=4), st.integers(0, 32)),
    st.tuples(st.ip_addresses(v=6), st.integers(0, 128)),
).map(lambda pair: ipaddress.ip_network(pair, strict=False))
addresses = st.ip_addresses()


@pytest.fixture
async def house(database_url: str) -> AsyncIterator[House]:
    async with House.open(database_url) as house:
        yield house


class TestTheList:
    @given(networks, addresses)
    def test_admits_what_the_library_says_lies_inside(
        self,
        network: ipaddress.IPv4Network | ipaddress.IPv6Network,
        address: ipaddress.IPv4Address | ipaddress.IPv6Address,
    ) -> None:
        """Agreement with the slow oracle, over both families."""
        mapped = isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped
        texts = checked_networks([str(network)])
        assert texts is not None
        inside = ipaddress.ip_network(texts[0])
        assert ((mapped or address) in inside) == Networks(texts).admit(str(address))

    @given(st.ip_addresses(v=4), st.integers(0, 32))
    def test_an_address_counts_the_same_however_a_socket_writes_it(
        self, address: ipaddress.IPv4Address, bits: int
    ) -> None:
        """::ffff:192.0.2.1 is 192.0.2.1, in the list and in the call."""
        network = ipaddress.ip_network((address, bits), strict=False)
        mapped = f"::ffff:{network.network_address}/{96 + bits}"
        assert checked_networks([str(network)]) == checked_networks([mapped])
        assert Networks((str(network),)).admit(f"::ffff:{address}")

    @given(st.lists(networks, min_size=1, max_size=20))
    def test_checking_twice_changes_nothing(self, wanted: list[object]) -> None:
        """One spelling for each network."""
        once = checked_networks(map(str, wanted))
        assert once == checked_networks(once)

    @given(networks, networks)
    def test_one_covers_another_as_sets_do(
        self,
        outer: ipaddress.IPv4Network | ipaddress.IPv6Network,
        inner: ipaddress.IPv4Network | ipaddress.IPv6Network,
    ) -> None:
        """CVE-2026-47101: a narrower list is a subset, of one family."""
        same = outer.version == inner.version
        expected = same and inner.subnet_of(outer)  # type: ignore[arg-type]  # of one version here
        assert expected == covers([str(outer)], str(inner))

    @pytest.mark.parametrize(
        ("text", "said"),
        [
            ("192.0.2.1/24", "did you mean 192.0.2.0/24 or 192.0.2.1"),
            ("2001:db8::1/32", "did you mean 2001:db8::/32"),
            ("192.0.2.0/33", "is no network"),
            ("192.0.2", "is no network"),
            ("0192.0.2.1", "is no network"),
            ("localhost", "is no network"),
            ("*", "is no network"),
            ("", "is no network"),
            ("192.0.2.0/255.255.255.0/24", "is no network"),
            ("1" * 10_000, "is no network"),
            ("fe80::1%eth0", "no zone"),
            ("fe80::1%eth0/128", "no zone"),
            ("fe80::/64%1", "no zone"),
        ],
    )
    def test_what_cannot_be_meant_is_refused_with_the_way_out(self, text: str, said: str) -> None:
        """Bits beside the mask are two wishes in one text: nobody guesses which."""
        with pytest.raises(Invalid, match=said) as refused:
            checked_networks([text])
        assert "networks" == refused.value.param
        assert len(refused.value.detail) < 300

    def test_no_list_allows_everywhere_and_an_empty_one_is_refused(self) -> None:
        """Nobody locks a key out by accident."""
        assert checked_networks(None) is None
        for wrong in ([], [f"192.0.{n // 256}.{n % 256}" for n in range(NETWORKS_MAX + 1)]):
            with pytest.raises(Invalid, match="leave it out"):
                checked_networks(wrong)

    @pytest.mark.parametrize("address", ["", "x", "192.0.2.1:80", "unix:", "192.0.2.1, 10.0.0.1"])
    def test_what_is_no_address_lies_nowhere(self, address: str) -> None:
        """Fail closed, also when the door does not know who called."""
        assert not Networks(("0.0.0.0/0", "::/0")).admit(address)


class TestAKeyWithNetworks:
    async def key(self, house: House) -> NewKey:
        return await house.key(networks=["192.0.2.0/24", "2001:db8::/32"])

    @pytest.mark.parametrize("address", ["192.0.2.7", "2001:db8::9", "::ffff:192.0.2.7"])
    async def test_counts_from_inside_warm_and_cold(self, house: House, address: str) -> None:
        """Issue 4, 2: an allow-list of v4 and v6 networks."""
        key = await self.key(house)
        assert ("192.0.2.0/24", "2001:db8::/32") == key.record.networks
        async with house.process() as process:
            client = Client(address)
            cold = await process.authenticate(key.secret.presented, client)
            assert cold == process.warm(key.secret.presented, client)

    @pytest.mark.parametrize("address", ["198.51.100.7", "2001:db9::1", "", "127.0.0.1"])
    async def test_is_refused_from_outside_as_if_nobody_knew_it(
        self, house: House, address: str
    ) -> None:
        """S1:157: one public text; the reason is the log's alone."""
        key, stranger = await self.key(house), b"sk-meterr_live_" + b"0" * 32
        async with house.process() as process:
            await process.authenticate(key.secret.presented, Client("192.0.2.7"))
            assert process.warm(key.secret.presented, Client(address)) is None
            refused = await outcome(process.authenticate(key.secret.presented, Client(address)))
            unknown = await outcome(process.authenticate(stranger, Client(address)))
        assert isinstance(refused, KeyRefused)
        assert isinstance(unknown, KeyRefused)
        assert (refused.detail, refused.code) == (unknown.detail, unknown.code)
        assert Reason.ADDRESS is refused.reason
        assert key.record.key_id not in refused.detail
