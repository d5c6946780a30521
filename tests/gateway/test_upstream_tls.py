"""TLS: verified, always; each way of not being trusted has its name."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from meterr.gateway.upstream import ConnectFailed, ConnectTimeout, Origin, Timeouts, UpstreamPool
from support.certificates import Authority
from support.hostile_server import CHUNKED, HEADERS, OK, HostileServer, Peer, answers, hostile, post


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority.create(tmp_path_factory.mktemp("authority"))


@asynccontextmanager
async def tls_pool(
    server: HostileServer, ca_file: Path | None, host: str = "127.0.0.1", connect_s: float = 5
) -> AsyncIterator[UpstreamPool]:
    origin = Origin.parse(f"https://{host}:{server.port}", ca_file=ca_file)
    pool = UpstreamPool(origin, timeouts=Timeouts(connect_s=connect_s, first_byte_s=10, idle_s=10))
    try:
        yield pool
    finally:
        await pool.aclose()


@pytest.mark.parametrize(
    ("name", "host"), [("IP:127.0.0.1", "127.0.0.1"), ("DNS:localhost", "localhost")]
)
async def test_a_certificate_of_the_right_authority_for_the_right_host_is_accepted(
    authority: Authority, name: str, host: str
) -> None:
    """Issue 2, item 7: TLS verified; the connection is kept alive; ALPN is http/1.1."""
    protocols: list[str | None] = []

    async def script(peer: Peer) -> None:
        protocols.append(peer.writer.get_extra_info("ssl_object").selected_alpn_protocol())
        await answers(OK)(peer)

    async with (
        hostile(script, tls=authority.server_context(name)) as server,
        tls_pool(server, authority.ca_file, host) as pool,
    ):
        for _ in range(5):
            assert (200, b"ok") == await post(pool)
        assert (1, ["http/1.1"]) == (server.connections, protocols)


async def test_an_unknown_authority_is_refused_by_name(authority: Authority) -> None:
    """Issue 2, item 7: TLS verified: self-signed means not trusted; nothing was sent."""
    async with (
        hostile(answers(OK), tls=authority.server_context("IP:127.0.0.1")) as server,
        tls_pool(server, None) as pool,
    ):
        with pytest.raises(ConnectFailed, match="certificate is refused") as caught:
            await post(pool)
        assert ("certificate", False) == (caught.value.fault, caught.value.sent)
        assert [] == server.requests


async def test_a_certificate_for_another_host_is_refused_by_name(authority: Authority) -> None:
    """Issue 2, item 7: the right authority is not enough."""
    async with (
        hostile(answers(OK), tls=authority.server_context("DNS:elsewhere.example")) as server,
        tls_pool(server, authority.ca_file) as pool,
    ):
        with pytest.raises(ConnectFailed, match="mismatch") as caught:
            await post(pool)
        assert "certificate" == caught.value.fault


async def test_a_plain_server_behind_https_is_a_tls_failure() -> None:
    """Issue 2, item 7: no fallback to clear text."""

    async def plain(peer: Peer) -> None:
        await peer.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await peer.until_closed()

    async with hostile(plain) as server, tls_pool(server, None) as pool:
        with pytest.raises(ConnectFailed) as caught:
            await post(pool)
        assert "tls" == caught.value.fault


async def test_a_handshake_that_hangs_is_a_connect_timeout() -> None:
    """Issue 2, item 7: the handshake is a part of connecting."""

    async def mute(peer: Peer) -> None:
        await peer.until_closed()

    async with hostile(mute) as server, tls_pool(server, None, connect_s=0.1) as pool:
        with pytest.raises(ConnectTimeout):
            await post(pool)
        await server.all_closed()


async def test_old_versions_of_tls_are_refused(authority: Authority) -> None:
    """Issue 2, item 7: TLS 1.2 or newer."""
    context = Origin.parse("https://h").tls
    assert context is not None
    assert context.minimum_version >= ssl.TLSVersion.TLSv1_2
    assert context.verify_mode == ssl.CERT_REQUIRED
    assert context.check_hostname


async def test_streams_large_bodies_and_stale_connections_work_under_tls(
    authority: Authority,
) -> None:
    """Issue 2, item 7: records cut the bytes anew; nothing else changes."""

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(CHUNKED, *(b"%x\r\n%b\r\n" % (n, b"x" * n) for n in range(1, 200)))
        await peer.send(b"0\r\nX-Usage: 1\r\n\r\n")

    async with (
        hostile(script, tls=authority.server_context("IP:127.0.0.1")) as server,
        tls_pool(server, authority.ca_file) as pool,
    ):
        for _ in range(2):
            answer = await pool.send(b"POST", b"/v1/x", HEADERS, bytes(1 << 20))
            assert sum(range(200)) == len(await answer.read(1 << 20))
            assert [(b"x-usage", b"1")] == list(answer.trailers)
            await server.all_closed()
            await asyncio.sleep(0)
        assert 2 == server.connections
