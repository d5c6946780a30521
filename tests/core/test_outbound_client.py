"""The guarded client against real sockets: pinned, bounded, never redirected."""

import socket
import ssl
from collections.abc import Sequence
from pathlib import Path

import pytest

from meterr.core.http.outbound import AllowList, Guard, OutboundRefused
from meterr.core.http.outbound.client import (
    Outbound,
    OutboundLimits,
    OutboundRequest,
    OutboundResponse,
)
from meterr.core.http.outbound.errors import OutboundFailed, OutboundMalformed
from support.certificates import Authority
from support.hostile_server import OK, HostileServer, Peer, Script, answers, hostile
from support.resolver import Resolver

LOOPBACK = ["127.0.0.1"]
METADATA = "169.254.169.254"
QUICK = OutboundLimits(total_s=5, connect_s=2, body_bytes_max=1000)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority.create(tmp_path_factory.mktemp("authority"))


def client(resolver: Resolver, *allow: str, ca_file: Path | None = None) -> Outbound:
    """Return a client of this resolver; plain http works to what is allowed."""
    tls = None if ca_file is None else ssl.create_default_context(cafile=str(ca_file))
    return Outbound(Guard(AllowList.parse(allow), resolver), limits=QUICK, tls=tls)


async def get(outbound: Outbound, url: str) -> OutboundResponse:
    return await outbound.fetch(OutboundRequest("GET", url))


async def failure(outbound: Outbound, request: OutboundRequest) -> str:
    """Return the reason for which a fetch that was allowed failed."""
    with pytest.raises(OutboundFailed) as failed:
        await outbound.fetch(request)
    return failed.value.reason


def own(server: HostileServer) -> str:
    """Return the allow-list entry for exactly this server, under a name."""
    return f"hooks.example:{server.port}"


class TestConnectingToWhatWasJudged:
    async def test_the_name_goes_into_the_request_and_the_address_into_the_connection(self) -> None:
        """C16: Host is the name's; one look-up; nobody asks the system's resolver."""
        resolver = Resolver(LOOPBACK)
        async with hostile(answers(OK)) as server:
            url = f"http://hooks.example:{server.port}/a?b=c"
            answer = await get(client(resolver, own(server)), url)
            (request,) = server.requests
        assert (200, b"ok") == (answer.status, answer.body)
        assert [("hooks.example", server.port)] == resolver.asked
        assert request.startswith(b"GET /a?b=c HTTP/1.1\r\n")
        assert b"\r\nHost: hooks.example:%d\r\n" % server.port in request

    async def test_tls_is_verified_against_the_name(self, authority: Authority) -> None:
        """C16: SNI and certificate are the name's, whatever the address."""
        seen: list[object] = []
        context = authority.server_context("DNS:hooks.example")
        context.sni_callback = lambda _socket, name, _context: seen.append(name)
        async with hostile(answers(OK), tls=context) as server:
            outbound = client(Resolver(LOOPBACK), own(server), ca_file=authority.ca_file)
            answer = await get(outbound, f"https://hooks.example:{server.port}/")
        assert 200 == answer.status
        assert ["hooks.example"] == seen

    async def test_a_certificate_of_another_name_fails(self, authority: Authority) -> None:
        """C16: an address that was moved to somebody else's server gets no request."""
        context = authority.server_context("DNS:elsewhere.example")
        async with hostile(answers(OK), tls=context) as server:
            outbound = client(Resolver(LOOPBACK), own(server), ca_file=authority.ca_file)
            url = f"https://hooks.example:{server.port}/"
            assert "outbound-connect" == await failure(outbound, OutboundRequest("GET", url))
            assert [] == server.requests

    async def test_a_second_address_is_tried_when_the_first_does_not_answer(self) -> None:
        """As every client does; both were judged."""
        async with hostile(answers(OK)) as server:
            outbound = client(Resolver(["127.0.0.2", "127.0.0.1"]), own(server))
            answer = await get(outbound, f"http://hooks.example:{server.port}/")
        assert 200 == answer.status


class TestRebinding:
    async def test_a_name_that_changes_between_look_up_and_connection_gains_nothing(self) -> None:
        """C16: the second answer of the resolver is never asked for."""
        resolver = Resolver(LOOPBACK, [METADATA])
        async with hostile(answers(OK)) as server:
            outbound = client(resolver, own(server))
            assert 200 == (await get(outbound, f"http://hooks.example:{server.port}/")).status
            assert 1 == len(resolver.asked)
            with pytest.raises(OutboundRefused) as refused:
                await get(outbound, f"http://hooks.example:{server.port}/")
        assert ("address-never-allowed", 2) == (refused.value.reason, len(resolver.asked))
        assert 1 == server.connections

    @pytest.mark.parametrize(
        "found", [["127.0.0.1"], ["1.1.1.1", "127.0.0.1"], ["::ffff:127.0.0.1"], [METADATA], []]
    )
    async def test_a_name_that_leads_inside_is_refused_before_a_packet_leaves(
        self, found: Sequence[str]
    ) -> None:
        """C16, API7: what a stranger wrote reaches no port of ours."""
        async with hostile(answers(OK)) as server:
            with pytest.raises(OutboundRefused):
                await get(client(Resolver(found)), f"https://evil.example:{server.port}/")
            assert 0 == server.connections

    async def test_an_unknown_name_and_an_inner_one_are_told_alike(self) -> None:
        """C16: the error must not tell strangers which names exist inside."""
        texts = set()
        for answer in (socket.gaierror(-2, "Name or service not known"), ["10.0.0.5"], [METADATA]):
            with pytest.raises(OutboundRefused) as refused:
                await get(client(Resolver(answer)), "https://db.internal/")
            texts.add(refused.value.detail)
            assert "10.0.0.5" not in refused.value.detail
        assert 1 == len(texts)

    async def test_a_hostile_url_is_refused_without_any_look_up(self) -> None:
        """C16: no resolver, however lenient, is asked about it."""
        resolver = Resolver(LOOPBACK)
        for url in ("https://0x7f.1/", "https://a@b/", "https://a\r\nb/", "http://a./", "file:///"):
            with pytest.raises(OutboundMalformed) as refused:
                await get(client(resolver), url)
            assert "url" == refused.value.param
        assert [] == resolver.asked


class TestAnswers:
    @pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
    async def test_a_redirect_is_an_answer_and_nobody_follows_it(self, status: int) -> None:
        """C16: a redirect to the metadata service is the classic way in."""
        head = f"HTTP/1.1 {status} X\r\nLocation: http://{METADATA}/\r\nContent-Length: 0\r\n\r\n"
        resolver = Resolver(LOOPBACK)
        async with hostile(answers(head.encode())) as server:
            outbound = client(resolver, own(server), METADATA)  # even when it is allowed
            answer = await get(outbound, f"http://hooks.example:{server.port}/")
        assert (status, b"http://169.254.169.254/") == (answer.status, answer.header(b"location"))
        assert 1 == len(resolver.asked)

    @pytest.mark.parametrize(
        ("pieces", "reason"),
        [
            ([b"HTTP/1.1 200 OK\r\nContent-Length: 1001\r\n\r\n", b"x" * 1001],
             "answer-too-large"),
            ([b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"]
             + [b"1ff\r\n" + b"x" * 511 + b"\r\n"] * 3, "answer-too-large"),
            ([b"HTTP/1.1 200 OK\r\nX: " + b"x" * 200_000 + b"\r\n\r\n"], "outbound-broken"),
            ([b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n"], "outbound-broken"),
            ([b"SSH-2.0-OpenSSH_9.2\r\n\r\n"], "outbound-broken"),
            ([b"\x16\x03\x01\x00"], "outbound-broken"),
        ],
    )  # fmt: skip
    async def test_an_answer_that_is_too_large_or_none_fails(
        self, pieces: Sequence[bytes], reason: str
    ) -> None:
        """C17: what comes back is somebody else's choice, so every size is bounded."""

        async def script(peer: Peer) -> None:
            await peer.request()
            await peer.send(*pieces)
            await peer.until_closed()

        assert reason == await self._reason(script)

    async def test_a_server_that_drips_is_cut_off_by_the_whole_time(self) -> None:
        """C17: no single read is late, and the sum is."""

        async def script(peer: Peer) -> None:
            await peer.request()
            await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\nx")
            await peer.until_closed()

        limits = OutboundLimits(total_s=0.2)
        assert "outbound-timeout" == await self._reason(script, limits)

    async def test_a_connection_that_ends_early_fails(self) -> None:
        """Half an answer is none."""

        async def script(peer: Peer) -> None:
            await peer.request()
            await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx")

        assert "outbound-broken" == await self._reason(script)

    async def _reason(self, script: Script, limits: OutboundLimits = QUICK) -> str:
        async with hostile(script) as server:
            outbound = Outbound(
                Guard(AllowList.parse([own(server)]), Resolver(LOOPBACK)), limits=limits
            )
            url = f"http://hooks.example:{server.port}/"
            reason = await failure(outbound, OutboundRequest("GET", url))
            await server.all_closed()
            return reason


class TestRequests:
    async def test_a_body_is_sent_whole_with_its_length(self) -> None:
        """What a webhook is."""
        async with hostile(answers(OK)) as server:
            request = OutboundRequest(
                "POST", f"http://127.0.0.1:{server.port}/x", ((b"X-A", b"1"),), b'{"a":1}'
            )
            outbound = client(Resolver([]), "127.0.0.1")
            assert 200 == (await outbound.fetch(request)).status
            (sent,) = server.requests
        assert sent.endswith(b"\r\nX-A: 1\r\n\r\n" + b'{"a":1}')
        assert b"\r\nContent-Length: 7\r\n" in sent
        assert b"\r\nConnection: close\r\n" in sent

    @pytest.mark.parametrize(
        "request_",
        [
            OutboundRequest("CONNECT", "https://a.example/"),
            OutboundRequest("GET\r\nX: y", "https://a.example/"),
            OutboundRequest("GET", "https://a.example/", ((b"HOST", b"b.example"),)),
            OutboundRequest("GET", "https://a.example/", ((b"Transfer-Encoding", b"chunked"),)),
        ],
    )
    async def test_what_decides_where_a_message_goes_or_ends_is_ours(
        self, request_: OutboundRequest
    ) -> None:
        """C16: a Host header of a stranger's would name another site on an allowed address."""
        resolver = Resolver(LOOPBACK)
        with pytest.raises(OutboundMalformed):
            await client(resolver).fetch(request_)
        assert [] == resolver.asked

    @pytest.mark.parametrize("header", [(b"X", b"a\r\nY: b"), (b"X\r\nY", b"b"), (b"X", b"\0")])
    async def test_a_header_cannot_end_its_line(self, header: tuple[bytes, bytes]) -> None:
        """C16: CRLF in a header is a second request."""
        async with hostile(answers(OK)) as server:
            request = OutboundRequest("GET", f"http://127.0.0.1:{server.port}/", (header,))
            with pytest.raises(OutboundMalformed):
                await client(Resolver([]), "127.0.0.1").fetch(request)
            assert [] == server.requests
