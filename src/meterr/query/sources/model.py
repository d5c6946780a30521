"""A source as questions see it, and who opens one."""

from dataclasses import dataclass
from typing import Final, Protocol

from meterr.core.errors import NotFound
from meterr.query.catalogue import Catalogue
from meterr.query.language.ports import Runner
from meterr.query.language.words import Words
from meterr.query.run import DescribedRelation

USAGE: Final = "usage"
"""The source that everybody has: meterr's own views."""


class UnknownSource(NotFound):
    """This tenant has no source of that name."""

    def __init__(self, known: tuple[str, ...]) -> None:
        super().__init__(f"There is no such source; there are: {', '.join(known)}.", param="source")


@dataclass(frozen=True, slots=True)
class OpenSource:
    """
    A source that can be asked, as one tenant sees it now.

    ``words`` may be wider than ``catalogue``; questions hear only what both have.
    """

    name: str
    runner: Runner
    catalogue: Catalogue
    described: tuple[DescribedRelation, ...]
    words: Words


class SourceOpener(Protocol):
    """Whatever opens sources by name."""

    async def open(self, tenant_id: str, name: str) -> OpenSource:
        """Open a source. Raises UnknownSource, QueryNotSetUp, DatabaseUnavailable."""
