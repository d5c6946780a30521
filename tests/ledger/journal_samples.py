"""Records as a gateway would write them, a clock that does as told, and reading a journal back."""

from collections.abc import Iterator
from pathlib import Path

from meterr.core.clock import SystemClock
from meterr.core.ids import IdFactory
from meterr.ledger.journal.tail import Portion, Tail
from meterr.ledger.model import Opened, Price, Rate, Settled, Usage

TENANT = "01990000-0000-7000-8000-00000000000a"
KEY = "01990000-0000-7000-8000-00000000000b"
ALL_CLASSES = Usage.__struct_fields__
PRICE = Price(
    id="0123456789abcdef0123456789abcdef",
    provider="openai",
    model="gpt-4o-mini",
    match="exact",
    source="test",
    context="standard",
    rates={name: Rate("2.5") for name in ALL_CLASSES if name != "reasoning"},
)


class FakeClock:
    """Stands still until it is set."""

    def __init__(self, unix_ms: int = 1_790_000_000_000) -> None:
        self.now_ms = unix_ms
        self.now_s = 1000.0

    def unix_ms(self) -> int:
        return self.now_ms

    def monotonic(self) -> float:
        return self.now_s


def new_ids() -> IdFactory:
    return IdFactory(SystemClock())


def an_opened(call_id: str, **changes: object) -> Opened:
    fields: dict[str, object] = {
        "id": call_id,
        "tenant": TENANT,
        "key": KEY,
        "surface": "openai.chat",
        "upstream": "simulator",
        "provider": "openai",
        "model": "gpt-4o-mini",
        "price": PRICE.id,
        "request_bytes": 600,
    }
    return Opened(**(fields | changes))


def a_settled(call_id: str, **changes: object) -> Settled:
    fields: dict[str, object] = {
        "id": call_id,
        "tenant": TENANT,
        "key": KEY,
        "surface": "openai.chat",
        "upstream": "simulator",
        "provider": "openai",
        "model": "gpt-4o-mini",
        "answered_model": "gpt-4o-mini-2024-07-18",
        "price": PRICE.id,
        "status": 200,
        "usage": Usage(input=100, output=50),
        "cost": "0.000375",
        "request_bytes": 600,
        "answer_bytes": 800,
        "duration_ms": 33,
        "provider_request_id": "req_1",
    }
    return Settled(**(fields | changes))


def portions(path: Path) -> Iterator[Portion]:
    """Read all that is in one process folder now, without giving anything back."""
    tail = Tail(path, lambda _: None)
    portion = Portion(more=True)
    while portion.more:
        portion = tail.read()
        yield portion
    if tail.lock is not None:
        yield tail.read()  # what closes the calls of a dead process
    tail.close()


def settled_in(path: Path) -> dict[str, Settled]:
    """Return what a drain would insert for one process folder, by id."""
    return {entry.id: entry for portion in portions(path) for entry in portion.settled}
