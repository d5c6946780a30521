"""Where meterr may connect to: the rule alone, without a network."""

import ipaddress
from urllib.parse import urlsplit

import httpcore2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from meterr.core.http.outbound import AllowList, Destination, Kind, Reason, Trust, kind_of
from meterr.core.http.outbound.address import plain
from meterr.core.http.outbound.destination import Target
from meterr.core.http.outbound.judge import judge

UNSPECIFIED = str(ipaddress.IPv4Address(0))
NAME = Destination("hooks.example", 443, tls=True)


def verdict(address: str, to: Destination = NAME, trust: Trust | None = None) -> Reason | None:
    return judge(to, [ipaddress.ip_address(address)], trust or Trust())


@pytest.mark.parametrize(
    ("address", "kind"),
    [
        ("1.1.1.1", Kind.GLOBAL),
        ("2606:4700:4700::1111", Kind.GLOBAL),
        ("::ffff:1.1.1.1", Kind.GLOBAL),
        ("64:ff9b::101:101", Kind.GLOBAL),
        ("10.0.0.5", Kind.PRIVATE),
        ("172.31.255.255", Kind.PRIVATE),
        ("192.168.0.1", Kind.PRIVATE),
        ("100.64.0.1", Kind.PRIVATE),
        ("fd00::5", Kind.PRIVATE),
        ("::ffff:10.0.0.5", Kind.PRIVATE),
        ("64:ff9b::a00:5", Kind.PRIVATE),
        ("127.0.0.1", Kind.LOOPBACK),
        ("127.255.255.254", Kind.LOOPBACK),
        ("::1", Kind.LOOPBACK),
        ("::ffff:127.0.0.1", Kind.LOOPBACK),
        ("64:ff9b::7f00:1", Kind.LOOPBACK),
        ("169.254.169.254", Kind.METADATA),
        ("::ffff:169.254.169.254", Kind.METADATA),
        ("64:ff9b::a9fe:a9fe", Kind.METADATA),
        ("168.63.129.16", Kind.METADATA),
        ("100.100.100.200", Kind.METADATA),
        ("192.0.0.192", Kind.METADATA),
        ("fd00:ec2::254", Kind.METADATA),
        ("169.254.1.1", Kind.LINK_LOCAL),
        ("fe80::1", Kind.LINK_LOCAL),
        ("fe80::1%eth0", Kind.LINK_LOCAL),
        (UNSPECIFIED, Kind.NOWHERE),
        ("0.1.2.3", Kind.NOWHERE),
        ("::", Kind.NOWHERE),
        ("::1.2.3.4", Kind.NOWHERE),
        ("224.0.0.1", Kind.NOWHERE),
        ("ff02::1", Kind.NOWHERE),
        ("ff0e::1", Kind.NOWHERE),
        ("240.0.0.1", Kind.PRIVATE),
        ("255.255.255.255", Kind.NOWHERE),
        ("192.0.2.1", Kind.NOWHERE),
        ("198.18.0.1", Kind.PRIVATE),
        ("192.88.99.1", Kind.NOWHERE),
        ("192.0.0.8", Kind.NOWHERE),
        ("2002:a9fe:a9fe::1", Kind.NOWHERE),  # 6to4 of a metadata service
        ("2002:101:101::1", Kind.NOWHERE),
        ("2001:0:4136:e378:8000:63bf:3fff:fdd2", Kind.NOWHERE),  # Teredo
        ("2001:db8::1", Kind.NOWHERE),
        ("3fff::1", Kind.NOWHERE),
        ("fec0::1", Kind.NOWHERE),  # site-local: Python calls it global
        ("5f00::1", Kind.NOWHERE),
        ("64:ff9b:1::1", Kind.NOWHERE),
        ("100::1", Kind.NOWHERE),
    ],
)
def test_an_address_is_of_the_kind_that_it_leads_to(address: str, kind: Kind) -> None:
    """C16: whatever the spelling of an address, what is inside decides."""
    assert kind is kind_of(ipaddress.ip_address(address))


@given(st.ip_addresses())
def test_nothing_is_global_that_python_knows_not_to_be(address: plain) -> None:
    """C16: our list only narrows what the standard library says."""
    if kind_of(address) is Kind.GLOBAL:
        assert plain(address).is_global
        assert not plain(address).is_multicast


@given(st.ip_addresses(v=4))
def test_an_ipv4_address_is_the_same_inside_an_ipv6_one(address: ipaddress.IPv4Address) -> None:
    """C16: mapped and NAT64 addresses are the usual way around such a rule."""
    for prefix in (0xFFFF_0000_0000, 0x64_FF9B << 96):
        assert kind_of(address) is kind_of(ipaddress.IPv6Address(prefix | int(address)))


@given(st.ip_addresses(), st.booleans())
def test_by_default_only_https_to_a_global_address_passes(address: plain, tls: bool) -> None:
    """C16: nothing is allowed that nobody allowed."""
    passed = judge(Destination("a.example", 443, tls), [address], Trust()) is None
    assert passed == (tls and kind_of(address) is Kind.GLOBAL)


def test_one_bad_address_among_good_ones_refuses_all() -> None:
    """C16: a name that answers with inside and outside is how rebinding begins."""
    mixed = [ipaddress.ip_address("1.1.1.1"), ipaddress.ip_address("10.0.0.1")]
    assert Reason.NOT_GLOBAL is judge(NAME, mixed, Trust())
    assert Reason.NO_ADDRESS is judge(NAME, [], Trust())


@pytest.mark.parametrize(
    ("entries", "address", "port", "allowed"),
    [
        (["10.0.0.5"], "10.0.0.5", 8000, True),
        (["10.0.0.5:8000"], "10.0.0.5", 8000, True),
        (["10.0.0.5:8000"], "10.0.0.5", 22, False),
        (["10.0.0.5:8000"], "10.0.0.6", 8000, False),
        (["10.0.0.0/24"], "10.0.0.6", 22, True),
        (["10.0.0.0/24"], "10.0.1.6", 22, False),
        (["10.0.0.0/24"], "::ffff:10.0.0.6", 22, True),
        (["fd00::5"], "fd00::5", 1, True),
        (["[fd00::5]:8000"], "fd00::5", 8000, True),
        (["[fd00::5]:8000"], "fd00::5", 8001, False),
        (["hooks.example"], "10.0.0.5", 8000, True),
        (["HOOKS.example:8000"], "10.0.0.5", 8000, True),
        (["hooks.example:8000"], "10.0.0.5", 8001, False),
        (["example"], "10.0.0.5", 8000, False),
        (["127.0.0.1"], "127.0.0.1", 8000, True),
        # A metadata service needs its own name: no network and no host name covers it.
        (["0.0.0.0/0"], "169.254.169.254", 80, False),
        (["169.254.0.0/16"], "169.254.169.254", 80, False),
        (["hooks.example"], "169.254.169.254", 80, False),
        (["fd00::/8"], "fd00:ec2::254", 80, False),
        (["169.254.169.254"], "169.254.169.254", 80, True),
        (["169.254.1.1:80"], "169.254.1.1", 80, True),
        # Nobody has a use for these.
        ([UNSPECIFIED], UNSPECIFIED, 80, False),
        (["224.0.0.1"], "224.0.0.1", 80, False),
        (["2002::/16"], "2002:a9fe:a9fe::1", 80, False),
        # What is listed is the operator's own, plain http included.
        (["93.184.215.14"], "93.184.215.14", 80, True),
        ([], "93.184.215.14", 80, False),
    ],
)
def test_the_operator_allows_exact_hosts_and_networks(
    entries: list[str], address: str, port: int, allowed: bool
) -> None:
    """C16: an explicit list, as narrow as it is written."""
    trust = Trust(AllowList.parse(entries))
    to = Destination("hooks.example", port, tls=False)
    assert allowed == (verdict(address, to, trust) is None)


@pytest.mark.parametrize(
    "entry",
    ["", "*", "*.example", "10.0.0.5/24", "10.0.0.0/33", "a:0", "a:99999", "a b", "http://a",
     "u@a", "fe80::1%eth0", "a.", "0x7f.1", "2130706433"],
)  # fmt: skip
def test_an_entry_that_is_neither_host_nor_network_is_refused(entry: str) -> None:
    """Issue 2, bad input: an entry that silently allows nothing, or more, is worse than none."""
    with pytest.raises(ValueError, match="neither host"):
        AllowList.parse([entry])


@pytest.mark.parametrize(
    ("known", "address", "reason"),
    [
        (set(), "10.0.0.5", None),
        (set(), "127.0.0.1", None),
        ({Kind.PRIVATE}, "10.9.9.9", None),
        ({Kind.PRIVATE}, "127.0.0.1", Reason.MOVED_INWARD),
        ({Kind.LOOPBACK}, "10.0.0.5", Reason.MOVED_INWARD),
        ({Kind.GLOBAL}, "10.0.0.5", Reason.MOVED_INWARD),
        ({Kind.GLOBAL}, "127.0.0.1", Reason.MOVED_INWARD),
        ({Kind.PRIVATE}, "1.1.1.1", None),
        (set(), "169.254.169.254", Reason.NEVER),
        ({Kind.GLOBAL}, "169.254.169.254", Reason.NEVER),
    ],
)
def test_a_written_destination_may_be_private_and_may_not_move_inward(
    known: set[Kind], address: str, reason: Reason | None
) -> None:
    """C16: a base URL in the configuration is the operator's word, what its name becomes is not."""
    assert reason is verdict(address, NAME, Trust(written=True, known=frozenset(known)))


def test_plain_http_leaves_for_no_global_address_unless_listed() -> None:
    """C16: a written http URL is for machines nearby; a credential does not cross the internet."""
    to = Destination("93.184.215.14", 80, tls=False)
    assert Reason.NOT_HTTPS is verdict("93.184.215.14", to, Trust(written=True))
    listed = Trust(AllowList.parse(["93.184.215.14:80"]), written=True)
    assert verdict("93.184.215.14", to, listed) is None


@pytest.mark.parametrize(
    "url",
    [
        "https://2130706433/",  # 127.0.0.1 as one number
        "https://017700000001/",
        "https://0x7f000001/",
        "https://0x7f.1/",
        "https://0x/",
        "https://127.1/",
        "https://127.0.1/",
        "https://0177.0.0.1/",
        "https://127.0.0.0x1/",
        "https://127.0.0.01/",
        "https://127.0.0.1.5/",
        "https://256.0.0.1/",
        "https://[fe80::1%25eth0]/",
        "https://[fe80::1%eth0]/",
        "https://[::1/",
        "https://::1/",
        "https://user@host/",
        "https://user:password@host/",
        "https://good.example@169.254.169.254/",
        "https://good.example:443@169.254.169.254/",
        "https://good.example\\@169.254.169.254/",
        "https://169.254.169.254#@good.example/",
        "https://host\r\nx: y/",
        "https://host/\r\nx: y",
        "https://host/ x",
        "https://host/\x00",
        "https://host\t/",
        "https://exämple.com/",
        "https://ⓔxample.com/",
        "https://１２７.0.0.1/",
        "https://127。0。0。1/",
        "https://host./",
        "https://127.0.0.1./",
        "https://host../",
        "https://a..b/",
        "https://.host/",
        "https://-host/",
        "https://" + "a" * 64 + "/",
        "https://" + "a." * 127 + "aa/",
        "https:///path",
        "https://",
        "https:host",
        "//host/",
        "host",
        "",
        "ftp://host/",
        "file:///etc/passwd",
        "gopher://host/",
        "https://host:0/",
        "https://host:65536/",
        "https://host:-1/",
        "https://host:80:80/",
        "https://host:٣/",
        "https://ho%73t/",
        "https://host/" + "a" * 2048,
    ],
)
def test_a_url_that_two_readers_could_read_differently_is_refused(url: str) -> None:
    """C16: numbers for addresses, zones, user names, CRLF, IDN, trailing dots."""
    with pytest.raises(ValueError, match="the URL") as refused:
        Target.parse(url)
    assert "password" not in url or "user:password" not in str(refused.value)


@pytest.mark.parametrize(
    ("url", "host", "port", "path", "authority"),
    [
        ("https://Hooks.Example", "hooks.example", 443, "/", "hooks.example"),
        ("HTTPS://hooks.example:443/a?b=c/d?e", "hooks.example", 443,
         "/a?b=c/d?e", "hooks.example"),
        ("http://10.0.0.5:8000?x", "10.0.0.5", 8000, "/?x", "10.0.0.5:8000"),
        ("https://[FD00::5]/a", "fd00::5", 443, "/a", "[fd00::5]"),
        ("https://[::ffff:10.0.0.5]:1/", "::ffff:a00:5", 1, "/", "[::ffff:a00:5]:1"),
        ("https://xn--exmple-cua.example/", "xn--exmple-cua.example", 443, "/",
         "xn--exmple-cua.example"),
        ("https://under_score.example/%0d%0a", "under_score.example", 443, "/%0d%0a",
         "under_score.example"),
    ],
)  # fmt: skip
def test_an_honest_url_is_read(url: str, host: str, port: int, path: str, authority: str) -> None:
    """The positive space of the same rule."""
    target = Target.parse(url)
    assert (host, port, path) == (target.destination.host, target.destination.port, target.path)
    assert authority == target.destination.authority


@given(st.text(alphabet=st.characters(min_codepoint=33, max_codepoint=126), max_size=40))
def test_reading_a_url_has_one_kind_of_failure(rest: str) -> None:
    """Issue 2, bad input: whatever is typed, one clear refusal or one clear reading."""
    try:
        target = Target.parse(f"https://{rest}")
    except ValueError:
        return
    assert target.destination.host == target.destination.host.lower()
    assert target.path.startswith("/")


@given(
    st.tuples(
        st.sampled_from(["https://", "http://", "HTTPS://"]),
        st.sampled_from(["", "u@", "u:p@", "a.example:1@"]),
        st.sampled_from(
            ["a.example", "A.Example", "10.0.0.5", "[::1]", "[fe80::1]", "127.1", "a_b", "xn--a-1"]
        ),
        st.sampled_from(["", ":", ":1", ":8000", ":08000", ":0", ":1:2"]),
        st.text(alphabet="/?#@:\\.a[]%;&", max_size=8),
    ).map("".join)
)
def test_whoever_else_reads_an_accepted_url_reads_the_same_host(url: str) -> None:
    """C16: where two parsers disagree, one of them is the guard and the other one connects."""
    try:
        target = Target.parse(url)
    except ValueError:
        return
    other = urlsplit(url)
    destination = target.destination
    assert (other.hostname, other.port or (443 if destination.tls else 80)) == (
        destination.host,
        destination.port,
    )
    third = httpcore2.URL(url)
    assert destination.host == third.host.decode()
