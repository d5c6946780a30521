"""How long and from which seed the attacks run, and where they say what they measured."""

from collections.abc import Callable, Iterator

import pytest

from meterr.core.postgres import EmbeddedPostgres
from support.api_house import ApiHouse, shared_api_house

_MEASURED = pytest.StashKey[list[str]]()


@pytest.fixture(scope="session")
def attacked(postgres: EmbeddedPostgres) -> Iterator[ApiHouse]:
    """A running meterr of two processes, with people of every role, for published attacks."""
    with shared_api_house(postgres, "[server]\nworkers = 2\n") as house:
        yield house


@pytest.fixture
def rounds(request: pytest.FixtureRequest) -> int:
    """How many rounds a seeded attack has."""
    return int(request.config.getoption("--rounds") or 30)


@pytest.fixture
def budget_rounds(request: pytest.FixtureRequest) -> int:
    """How many budgets are spent under fire; each takes some seconds."""
    return int(request.config.getoption("--rounds") or 20)


@pytest.fixture
def tell(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Take a sentence about this test into the summary of the run, however the test ends."""
    told = request.config.stash.setdefault(_MEASURED, [])
    return lambda text: told.append(f"{request.node.name}: {text}")


@pytest.fixture
def first_seed(request: pytest.FixtureRequest, tell: Callable[[str], None]) -> int:
    """Seed of the first round; the next ones follow it."""
    seed = int(request.config.getoption("--seed"))
    tell(f"seeds from {seed}; again with --seed {seed}")
    return seed


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Show what the attacks measured."""
    told = config.stash.get(_MEASURED, [])
    if told:
        terminalreporter.section("attacks")
    for line in told:
        terminalreporter.line(line)
