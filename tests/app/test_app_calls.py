"""One call through everything: key, journal, provider, price, ledger."""

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import openai
import pytest

from support.meterr_house import House, open_house


@pytest.fixture
def house(database_url: str, admin_dsn: str, data_root: Path) -> Iterator[House]:
    with open_house(database_url, admin_dsn, data_root) as running:
        yield running


def test_a_call_has_one_entry_with_its_exact_cost(house: House) -> None:
    """P1, P2: Kimi k2.6, 10,000 in, of these 8,000 cached (top level), 100 out: 0.00358 USD."""
    usage = {"prompt_tokens": 10_000, "completion_tokens": 100, "cached_tokens": 8_000}
    with openai.OpenAI(base_url=f"{house.base_url}/v1", api_key=house.key) as client:
        client.chat.completions.create(
            model="kimi-k2.6",
            messages=[{"role": "user", "content": "hi"}],
            extra_body={"metadata": {"simulate": {"usage": usage}}},
        )

    (entry,) = house.drained(1)

    assert Decimal("0.00358") == entry["cost_usd"]
    assert ("settled", 2_000, 8_000, 100) == (
        entry["state"],
        entry["input"],
        entry["cache_read"],
        entry["output"],
    )
