"""One simulator for each test module, and the official SDKs pointed straight at it."""

from collections.abc import Iterator
from pathlib import Path

import anthropic
import openai
import pytest

from support.simulator import KEY, Wire, in_thread


@pytest.fixture(scope="module")
def wire() -> Iterator[Wire]:
    with in_thread() as running:
        yield running


@pytest.fixture
def openai_sdk(wire: Wire) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{wire.url}/v1", api_key=KEY, max_retries=0) as client:
        yield client


@pytest.fixture
def anthropic_sdk(wire: Wire) -> Iterator[anthropic.Anthropic]:
    with anthropic.Anthropic(base_url=wire.url, api_key=KEY, max_retries=0) as client:
        yield client


@pytest.fixture(scope="session")
def reference_page() -> str:
    return (Path(__file__).parents[2] / "docs/reference/simulator.md").read_text(encoding="utf-8")
