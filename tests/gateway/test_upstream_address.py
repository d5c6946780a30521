"""Where the transport connects to: the same rule as everybody's, at each new connection."""

import pytest

from meterr.core.http.outbound import AllowList, Destination, WrittenGuard
from meterr.gateway.upstream import ConnectFailed, HeaderBlock, Origin, UpstreamPool
from meterr.gateway.upstream_errors import ADDRESS_REFUSED, told
from support.hostile_server import OK, HostileServer, answers, answers_then_closes, hostile, post
from support.resolver import Resolver


def named(server: HostileServer, resolver: Resolver, *allow: str) -> UpstreamPool:
    """Return a pool on ``server`` under a name that ``resolver`` knows."""
    origin = Origin.parse(f"http://vllm.internal:{server.port}/v1")
    guard = WrittenGuard(origin.destination, AllowList.parse(allow), resolver)
    return UpstreamPool(origin, locate=guard.locate)


async def refused(pool: UpstreamPool) -> ConnectFailed:
    with pytest.raises(ConnectFailed) as caught:
        await post(pool)
    assert ("address", False) == (caught.value.fault, caught.value.sent)
    return caught.value


async def test_a_private_base_url_works_because_the_operator_wrote_it() -> None:
    """C16: vLLM next door needs no allow-list, and Host is its name."""
    resolver = Resolver(["127.0.0.1"])
    async with hostile(answers(OK)) as server:
        pool = named(server, resolver)
        for _ in range(3):
            assert (200, b"ok") == await post(pool)
        await pool.aclose()
    assert 1 == len(resolver.asked)  # judged at connect only: the hot path asks nobody
    assert b"\r\nHost: vllm.internal:%d\r\n" % server.port in server.requests[0]


@pytest.mark.parametrize("second", ["10.0.0.5", "169.254.169.254", "fe80::1", "::"])
async def test_a_base_url_whose_name_moves_elsewhere_is_refused(second: str) -> None:
    """C16, attack 20: DNS rebinding of a provider's name carries our credential nowhere."""
    async with hostile(answers_then_closes(OK)) as server:
        pool = named(server, Resolver(["127.0.0.1"], [second]))
        assert (200, b"ok") == await post(pool)
        await server.all_closed()
        await refused(pool)
        await pool.aclose()
        assert 1 == server.connections


async def test_an_allow_list_entry_lets_a_name_move() -> None:
    """C16: the operator's explicit word, for a name that is inside today and outside tomorrow."""
    async with hostile(answers_then_closes(OK)) as server:
        entry = f"vllm.internal:{server.port}"
        resolver = Resolver(["10.255.255.1"], ["127.0.0.1"])
        guard = WrittenGuard(
            Destination("vllm.internal", server.port, tls=False), AllowList.parse([entry]), resolver
        )
        assert ["10.255.255.1"] == [str(each) for each in await guard.locate()]
        pool = UpstreamPool(
            Origin.parse(f"http://vllm.internal:{server.port}"), locate=guard.locate
        )
        assert (200, b"ok") == await post(pool)
        await pool.aclose()


async def test_a_second_address_is_tried_when_the_first_does_not_answer() -> None:
    """As before the rule: a name with two addresses survives the loss of one."""
    async with hostile(answers(OK)) as server:
        pool = named(server, Resolver(["127.0.0.2", "127.0.0.1"]))
        assert (200, b"ok") == await post(pool)
        await pool.aclose()


async def test_plain_http_does_not_cross_the_internet() -> None:
    """C16: a credential in clear text is a credential given away."""
    async with hostile(answers(OK)) as server:
        pool = named(server, Resolver(["93.184.215.14"]))
        failure = await refused(pool)
        await pool.aclose()
    assert "plain-http" in str(failure)


async def test_the_log_says_why_and_the_caller_learns_no_address() -> None:
    """C16, P6: the operator can find it; a tenant cannot map the network with it."""
    async with hostile(answers(OK)) as server:
        pool = named(server, Resolver(["169.254.169.254"]))
        public = told(await refused(pool))
        await pool.aclose()
    assert ADDRESS_REFUSED == public.reason
    assert "169.254" not in public.detail
    assert "169.254.169.254" in public.private


@pytest.mark.parametrize("status", [301, 302, 307, 308])
async def test_a_redirect_is_not_followed(status: int) -> None:
    """C16: a provider that answers with the metadata service's address gets no second request."""
    head = f"HTTP/1.1 {status} X\r\nLocation: http://169.254.169.254/\r\nContent-Length: 0\r\n\r\n"
    async with hostile(answers(head.encode())) as server:
        pool = UpstreamPool(Origin.parse(server.url))
        answer = await pool.send(b"POST", b"/v1/x", HeaderBlock.of([]), b"{}")
        assert status == answer.status
        await pool.aclose()
        assert 1 == len(server.requests)
