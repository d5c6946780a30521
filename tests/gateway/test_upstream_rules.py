"""The transport's pure rules: what a head means, what a request may hold, what a base URL is."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meterr.gateway.upstream import HeaderBlock, Origin, Timeouts, UnsendableRequest
from meterr.gateway.upstream.errors import UpstreamProtocolError
from meterr.gateway.upstream.framing import (
    CHUNKED,
    LENGTH,
    NO_BODY,
    UNKNOWN,
    UNTIL_CLOSE,
    check_trailers,
    ends_exactly,
    framing_of,
    is_interim,
)
from meterr.gateway.upstream.limits import patience_of
from meterr.gateway.upstream.request import METHODS, OWNED, encode_head, encode_headers

CRLF = b"\r\n"
END = CRLF + CRLF


class TestWhereAnAnswerEnds:
    @pytest.mark.parametrize(
        ("status", "headers", "expected"),
        [
            (200, [(b"content-length", b"5")], LENGTH),
            (200, [(b"content-length", b"0")], LENGTH),
            (200, [(b"content-length", b"5 \t")], LENGTH),
            (200, [(b"transfer-encoding", b"Chunked")], CHUNKED),
            (200, [(b"x", b"y")], UNTIL_CLOSE),
            (204, [], NO_BODY),
            (304, [(b"content-length", b"5")], NO_BODY),
            (599, [], UNTIL_CLOSE),
        ],
    )
    def test_the_head_alone_decides(
        self, status: int, headers: list[tuple[bytes, bytes]], expected: int
    ) -> None:
        """Issue 2, item 7: length-framed, chunked, close-delimited; no body for 204 and 304."""
        assert expected == framing_of(status, headers)

    @pytest.mark.parametrize(
        "value", [b"-1", b"+1", b"0x1", b"1 1", b"1,1", b"", b"1" * 19, b"\xb2"]
    )
    def test_a_length_that_is_not_plain_digits_is_refused(self, value: bytes) -> None:
        """Issue 2, item 7: smuggling-shaped answers are refused."""
        with pytest.raises(UpstreamProtocolError, match="length"):
            framing_of(200, [(b"content-length", value)])

    @pytest.mark.parametrize(
        "value",
        [b"gzip, chunked", b"chunked, chunked", b"identity", b"xchunked", b"chunked;q=1", b""],
    )
    def test_an_encoding_that_is_not_exactly_chunked_is_refused(self, value: bytes) -> None:
        """Issue 2, item 7: smuggling-shaped answers are refused."""
        with pytest.raises(UpstreamProtocolError, match="encoding"):
            framing_of(200, [(b"transfer-encoding", value)])

    @given(
        st.permutations(
            [(b"content-length", b"2"), (b"transfer-encoding", b"chunked"), (b"a", b"b")]
        )
    )
    def test_a_length_beside_an_encoding_is_refused_in_any_order(
        self, headers: list[tuple[bytes, bytes]]
    ) -> None:
        """Issue 2, item 7: the classic of response smuggling."""
        with pytest.raises(UpstreamProtocolError, match="length"):
            framing_of(200, headers)

    @pytest.mark.parametrize(
        "header", [(b"content-length", b"2"), (b"transfer-encoding", b"chunked")]
    )
    def test_saying_it_twice_is_refused_even_when_equal(self, header: tuple[bytes, bytes]) -> None:
        """Issue 2, item 7: a proxy may join repeats that the next one splits."""
        with pytest.raises(UpstreamProtocolError, match="length"):
            framing_of(200, [header, header])

    def test_a_status_outside_200_to_599_is_no_answer(self) -> None:
        """Issue 2, item 7: garbage is named, not passed on."""
        for status in (0, 99, 600, 999):
            rule = is_interim if status < 200 else framing_of
            with pytest.raises(UpstreamProtocolError, match="status"):
                rule(status, [])

    def test_interim_answers_are_told_apart_and_may_claim_no_body(self) -> None:
        """Issue 2, item 7: 1xx answers are skipped, 101 and framed ones refused."""
        assert [True, True, False] == [is_interim(status, []) for status in (100, 103, 200)]
        for status, headers in ((101, []), (100, [(b"content-length", b"2")])):
            with pytest.raises(UpstreamProtocolError):
                is_interim(status, headers)

    def test_headers_are_counted(self) -> None:
        """House: a named limit on everything."""
        assert UNTIL_CLOSE == framing_of(200, [(b"a", b"b")] * 200)
        with pytest.raises(UpstreamProtocolError, match="header-count"):
            framing_of(200, [(b"a", b"b")] * 201)

    @pytest.mark.parametrize(
        "trailers",
        [[(b"a", b"b")] * 201, [(b"transfer-encoding", b"chunked")], [(b"content-length", b"0")]],
    )
    def test_trailers_are_counted_and_say_nothing_about_framing(
        self, trailers: list[tuple[bytes, bytes]]
    ) -> None:
        """Issue 2, item 7: what comes after the body cannot change where it ended."""
        check_trailers([(b"x-usage", b"1")])
        with pytest.raises(UpstreamProtocolError, match="trailers"):
            check_trailers(trailers)


class TestStrayLineEnds:
    @given(st.binary(max_size=20), st.sampled_from([b"", b"\r", b"\n", CRLF, END]))
    def test_a_length_framed_body_ends_where_it_says(self, body: bytes, stray: bytes) -> None:
        """llhttp swallows line ends between messages; a response splitter must not profit."""
        head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body)
        assert (not stray) == ends_exactly(LENGTH, head + body + stray, len(head), len(body))
        assert stray == b"" or not ends_exactly(LENGTH, b"x" + body + stray, UNKNOWN, len(body))

    @given(
        st.lists(st.binary(min_size=1, max_size=9), max_size=3),
        st.sampled_from([b"", b"X-T: v\r\n"]),
        st.sampled_from([b"\r", b"\n", CRLF, END, b"\n\r\n"]),
        st.integers(min_value=1, max_value=40),
    )
    def test_a_stray_line_end_after_the_last_chunk_is_never_overlooked(
        self, chunks: list[bytes], trailer: bytes, stray: bytes, read_size: int
    ) -> None:
        """However the reads are cut, the read that ends the body betrays the stray bytes."""
        body = b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks)
        wire = body + b"0\r\n" + trailer + CRLF
        final_read = wire[-read_size:]
        assert not ends_exactly(CHUNKED, final_read + stray, 0, 0)
        assert ends_exactly(CHUNKED, wire[-max(read_size, 6) :], 0, 0) or len(wire) < 6

    def test_the_last_chunk_alone_is_an_exact_end(self) -> None:
        """The usual end of a stream must not cost its connection."""
        assert ends_exactly(CHUNKED, b"0\r\n\r\n", 0, 0)
        assert ends_exactly(CHUNKED, b"\n", 0, 0)
        assert not ends_exactly(CHUNKED, b"\n\r\n", 0, 0)
        assert not ends_exactly(CHUNKED, b"\n\r\n\r\n", 0, 0)


class TestWhatARequestMayHold:
    def test_the_lines_are_written_as_given(self) -> None:
        """P8: names keep their case, values their bytes, and all their order."""
        lines = encode_headers([(b"Anthropic-Beta", b"a,b"), (b"x-caf\x65", b"\xc3\xa9 \t")])
        assert b"Anthropic-Beta: a,b\r\nx-cafe: \xc3\xa9 \t\r\n" == lines

    @given(st.binary(max_size=12), st.binary(max_size=12))
    def test_no_name_or_value_ends_a_line_early(self, name: bytes, value: bytes) -> None:
        """Issue 2, item 7: whatever is accepted is one line, with the same name and value."""
        try:
            line = encode_headers([(name, value)])
        except UnsendableRequest:
            return
        assert [name + b": " + value, b""] == line.split(CRLF)
        assert name
        assert not set(b"\r\n\0") & set(name + value)
        assert not set(b" :\t") & set(name)

    @pytest.mark.parametrize("name", [*sorted(OWNED), b"Content-Length", b"TRANSFER-ENCODING"])
    def test_headers_that_decide_about_framing_are_ours_alone(self, name: bytes) -> None:
        """Issue 2, item 7: two lengths in our own request would be our own smuggling."""
        with pytest.raises(UnsendableRequest, match="transport alone"):
            HeaderBlock.of([(name, b"1")])

    @given(st.binary(max_size=12))
    def test_a_target_never_ends_the_request_line(self, rest: bytes) -> None:
        """Issue 2, item 7: the query string is the client's, so it is checked, too."""
        try:
            head = encode_head(b"GET", b"/" + rest, b" HTTP/1.1\r\nHost: u\r\n", [], 0)
        except UnsendableRequest:
            return
        assert b"GET /" + rest + b" HTTP/1.1\r\nHost: u\r\n\r\n" == head
        assert not set(b"\r\n\0 #") & set(rest)

    @pytest.mark.parametrize("target", [b"", b"x", b"http://other/", b"*", b"/\r\nX: y", b"/a b"])
    def test_a_target_is_a_path(self, target: bytes) -> None:
        """Issue 2, item 7: an absolute target would name another host."""
        with pytest.raises(UnsendableRequest, match="target"):
            encode_head(b"POST", target, b" HTTP/1.1\r\nHost: u\r\n", [], 0)

    @pytest.mark.parametrize("method", [b"CONNECT", b"TRACE", b"post", b"", b"GET /x HTTP/1.1\r\n"])
    def test_other_methods_are_not_sent(self, method: bytes) -> None:
        """Issue 2, item 7: CONNECT and TRACE change what the answer's bytes mean."""
        assert method not in METHODS
        with pytest.raises(UnsendableRequest, match="method"):
            encode_head(method, b"/", b" HTTP/1.1\r\nHost: u\r\n", [], 0)

    def test_a_block_is_checked_once_and_grows_checked(self) -> None:
        """The hot path sends a block without looking at it again."""
        block = HeaderBlock.of([(b"a", b"1")])
        assert b"a: 1\r\nb: 2\r\n" == block.plus([(b"b", b"2")]).encoded
        with pytest.raises(UnsendableRequest):
            block.plus([(b"b", b"2\r\nc: 3")])

    def test_errors_show_no_header_value(self) -> None:
        """P6: the value may be a credential."""
        with pytest.raises(UnsendableRequest) as caught:
            encode_headers([(b"authorization", b"Bearer sk-canary\n")])
        assert "canary" not in str(caught.value)


class TestWhereAnUpstreamLives:
    @pytest.mark.parametrize(
        ("url", "authority", "port", "path"),
        [
            ("https://api.openai.com/v1", b"api.openai.com", 443, b"/v1"),
            ("HTTPS://API.moonshot.ai/anthropic/", b"api.moonshot.ai", 443, b"/anthropic"),
            ("http://my_vllm:8000", b"my_vllm:8000", 8000, b""),
            ("http://127.0.0.1:80/", b"127.0.0.1", 80, b""),
            ("http://[::0001]:11434/v1", b"[::1]:11434", 11434, b"/v1"),
        ],
    )
    def test_a_base_url_is_read(self, url: str, authority: bytes, port: int, path: bytes) -> None:
        """Issue 2, item 7: any OpenAI-compatible base URL."""
        origin = Origin.parse(url)
        assert (authority, port, path) == (origin.authority, origin.port, origin.base_path)
        assert (origin.scheme == "https") == (origin.tls is not None)

    @pytest.mark.parametrize(
        "url",
        [
            "ftp://h", "h", "https://", "https:///v1", "http://h:0", "http://h:65536",
            "http://h:1x",
            "http://u:canary@h/", "http://h/#canary", "http://h/?key=canary",
            "http://h\r\nX: canary/",
            "http://h\t/", "http://h /", "http://münchen.example/", "http://a..b/", "http://-a/",
            "http://[::1/", "http://[zz]/", "http://[::1%25eth0]/", "http://h\\@canary/",
            "http://a,b/",
            "http://" + "a" * 64 + "/", "http://" + "a." * 130 + "b/", "",
        ],
    )  # fmt: skip
    def test_everything_else_is_refused_without_repeating_it(self, url: str) -> None:
        """P6: a base URL may hold a password by mistake; the error must not show it."""
        with pytest.raises(ValueError, match="base URL") as caught:
            Origin.parse(url)
        assert "canary" not in str(caught.value)

    def test_a_missing_ca_file_is_an_error_at_once(self, tmp_path: Path) -> None:
        """House: refused early, not at the first call."""
        with pytest.raises(FileNotFoundError):
            Origin.parse("https://h", ca_file=tmp_path / "missing.pem")


class TestTimeouts:
    @pytest.mark.parametrize("seconds", [0, -1, float("nan"), float("inf")])
    def test_each_must_be_a_positive_number(self, seconds: float) -> None:
        """House: a limit that is switched off by accident is no limit."""
        with pytest.raises(ValueError, match="first_byte_s"):
            Timeouts(first_byte_s=seconds)

    @given(*[st.floats(min_value=0.001, max_value=7200)] * 4)
    def test_no_stage_is_ever_cut_short(
        self, write: float, first_byte: float, idle: float, keep: float
    ) -> None:
        """Deadlines counted in ticks are late by two ticks at most and never early."""
        timeouts = Timeouts(write_s=write, first_byte_s=first_byte, idle_s=idle)
        patience = patience_of(timeouts, keep)
        for stage_s, ticks in (
            (write, patience.write),
            (first_byte, patience.first_byte),
            (idle, patience.idle),
            (keep, patience.keep),
        ):
            assert stage_s <= ticks * patience.tick_s * (1 + 1e-9)
            assert ticks * patience.tick_s < stage_s + patience.tick_s
