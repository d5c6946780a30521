"""The transport is tested on both event loops: uvloop carries it, asyncio must not break it."""

import asyncio
from collections.abc import Callable, Mapping

import pytest
import uvloop


def pytest_asyncio_loop_factories(
    item: pytest.Item,
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Run the transport's tests twice, everybody else's on the loop of production."""
    if "test_upstream_" in item.nodeid:
        return {"uvloop": uvloop.new_event_loop, "asyncio": asyncio.SelectorEventLoop}
    return {"uvloop": uvloop.new_event_loop}
