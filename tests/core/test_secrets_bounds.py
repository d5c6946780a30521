"""How long a place of secrets may take, and how much it may say: real libraries, real sockets."""

import gzip
import json
import socketserver
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import repeat
from pathlib import Path

import pytest

from meterr.core.secrets import (
    AwsAccess,
    Backend,
    SecretRefused,
    SecretUnavailable,
    VaultAccess,
)
from meterr.core.secrets.bounds import ANSWER_BYTES_MAX, UNFINISHED_MAX, Patience
from meterr.core.secrets.library import aws_backend, vault_backend
from support.vault_stub import TOKEN, VaultStub, vault

PLACE = "secret/data/meterr"
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 1000000\r\n"
PAUSE_S = 0.02
"""Between two bytes: far below any timeout of one read."""


class Dripping(socketserver.StreamRequestHandler):
    """Sends a beginning, and then a byte now and then for as long as the client stays."""

    server: "Drip"

    def handle(self) -> None:
        self.server.connections += 1
        self.connection.recv(65536)
        try:
            self.wfile.write(self.server.beginning)
            for byte in repeat(b" "):
                if self.server.over.wait(PAUSE_S):
                    return
                self.wfile.write(byte)
        except ConnectionError:
            pass  # it has given up, which is the point


class Drip(socketserver.ThreadingTCPServer):
    def __init__(self, beginning: bytes) -> None:
        super().__init__(("127.0.0.1", 0), Dripping)
        self.beginning = beginning
        self.over = threading.Event()
        self.connections = 0

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


@contextmanager
def dripping(beginning: bytes) -> Iterator[Drip]:
    """Serve for as long as the block; then whoever was left behind there has ended."""
    with Drip(beginning) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server
        finally:
            server.over.set()
            server.shutdown()
            thread.join()
    for each in threading.enumerate():
        if each.name == "secrets":
            each.join()


@pytest.fixture
def credentials(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Of AWS, and none of whoever runs the tests."""
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing-canary")


def of_vault(address: str, timeout_s: float) -> Backend:
    return vault_backend(VaultAccess(address, lambda: TOKEN, str, timeout_s=timeout_s))


def of_vault_by_role(address: str, timeout_s: float) -> Backend:
    return vault_backend(VaultAccess(address, str, str, role_id="role", timeout_s=timeout_s))


def of_aws(address: str, timeout_s: float) -> Backend:
    return aws_backend(AwsAccess("eu-central-1", address, timeout_s))


BACKENDS = pytest.mark.parametrize("open_", [of_vault, of_vault_by_role, of_aws])
Open = Callable[[str, float], Backend]


@BACKENDS
@pytest.mark.parametrize("beginning", [HEAD + b"\r\n", HEAD + b"x-drip:"], ids=["body", "head"])
def test_who_drips_is_an_outage_when_the_time_is_up(
    credentials: None, open_: Open, beginning: bytes
) -> None:
    """`secrets.timeout_s` is for the whole answer: the libraries' timeouts are for each read."""
    with dripping(beginning) as server:
        with pytest.raises(SecretUnavailable, match=r"no whole answer within 0\.3 s.*timeout_s"):
            open_(server.address, 0.3).read(PLACE)
        assert not server.over.is_set()


def test_who_drips_for_ever_holds_only_so_many_of_us() -> None:
    """What was given up still has a thread and a socket, so there is a bound on it too."""
    with dripping(HEAD + b"\r\n") as server:
        backend = of_vault(server.address, 0.3)
        for _ in range(UNFINISHED_MAX + 3):
            with pytest.raises(SecretUnavailable):
                backend.read(PLACE)
        assert 1 <= server.connections <= UNFINISHED_MAX


def test_what_was_given_up_makes_room_when_it_ends() -> None:
    """An outage is over when it is over."""
    patience, begun, over = Patience(0.05), [0], threading.Event()

    def hang() -> bool:
        begun[0] += 1
        return over.wait()

    for _ in range(2 * UNFINISHED_MAX):
        with pytest.raises(TimeoutError):
            patience.wait_for(hang)
    over.set()
    for each in threading.enumerate():
        if each.name == "secrets":
            each.join()
    assert UNFINISHED_MAX == begun[0]
    assert [1, 2] == [Patience(20).wait_for(lambda: 1), _answered(patience)]


def _answered(patience: Patience) -> int:
    """Return 2 by way of ``patience``; a thread may be slow to start on a busy machine."""
    while True:
        try:
            return patience.wait_for(lambda: 2)
        except TimeoutError:
            continue


def test_an_error_reaches_who_waits_without_its_frames() -> None:
    """Frames hold tokens and sockets, and what they hold would wait for the collector."""
    with pytest.raises(ZeroDivisionError) as raised:
        Patience(20).wait_for(lambda: 1 // 0)
    assert "<lambda>" not in [entry.name for entry in raised.traceback]


@pytest.mark.parametrize("chain", [None, KeyError()])
def test_an_error_brings_no_frames_along_by_another_one(chain: Exception | None) -> None:
    """What it was raised from, or beside, has frames as well."""

    def work() -> None:
        try:
            _ = 1 // 0
        except ZeroDivisionError:
            raise ValueError("told") from chain

    with pytest.raises(ValueError, match="told") as raised:
        Patience(20).wait_for(work)
    assert (None, None) == (raised.value.__cause__, raised.value.__context__)


@pytest.fixture
def stub() -> Iterator[VaultStub]:
    with vault() as running:
        yield running


def bombs() -> Iterator[tuple[str, dict[str, str], bytes]]:
    for size in (ANSWER_BYTES_MAX, 8 * ANSWER_BYTES_MAX):
        text = json.dumps({"data": {"data": {"a": "x" * size}}, "SecretString": "x"}).encode()
        yield f"{size} bytes", {}, text
        yield f"{size} bytes, packed", {"Content-Encoding": "gzip"}, gzip.compress(text)


BOMBS = list(bombs())


@pytest.mark.parametrize(
    ("headers", "body"), [each[1:] for each in BOMBS], ids=[b[0] for b in BOMBS]
)
@pytest.mark.parametrize("status", [200, 403, 503])
def test_an_answer_of_vault_that_is_no_secret_in_size_is_refused(
    stub: VaultStub, status: int, headers: dict[str, str], body: bytes
) -> None:
    """At most 1 MiB of it is read, unpacked; it is neither parsed nor told."""
    stub.answer = (status, {"Content-Type": "application/json", **headers}, body)
    with pytest.raises(SecretRefused, match=f"more than {ANSWER_BYTES_MAX} bytes"):
        of_vault(stub.address, 20).read(PLACE)


@pytest.mark.parametrize("status", [200, 400, 503])
def test_an_answer_of_aws_that_is_no_secret_in_size_is_refused(
    credentials: None, stub: VaultStub, status: int
) -> None:
    """The same bound for the other library, whose secrets have at most 64 KiB."""
    body = json.dumps({"SecretString": "x" * ANSWER_BYTES_MAX}).encode()
    stub.answer = (status, {"Content-Type": "application/x-amz-json-1.1"}, body)
    with pytest.raises(SecretRefused, match=f"more than {ANSWER_BYTES_MAX} bytes"):
        of_aws(stub.address, 20).read("a")


def test_a_large_answer_within_the_bound_is_read_whole(credentials: None, stub: VaultStub) -> None:
    """The positive space: the bound is no smaller than what the services keep."""
    text = "x" * (ANSWER_BYTES_MAX - 1024)
    stub.secrets[PLACE] = ({"a": text}, 1)
    assert {"a": text} == of_vault(stub.address, 20).read(PLACE).content
    said = json.dumps({"SecretString": text[: 64 * 1024]}).encode()
    stub.answer = (200, {"Content-Type": "application/x-amz-json-1.1"}, said)
    assert text[: 64 * 1024] == of_aws(stub.address, 20).read("a").content
