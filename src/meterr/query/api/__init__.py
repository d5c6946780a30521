"""The HTTP side of questions. Loaded only where the API is served."""

from collections.abc import Iterator

from meterr.core.api import Operation
from meterr.core.clock import Clock
from meterr.core.db import Database
from meterr.core.ids import IdFactory
from meterr.query.answers import Answers
from meterr.query.api.ask import COUNTED_AS, AskRoutes
from meterr.query.api.catalogue import CatalogueRoutes
from meterr.query.api.questions import QuestionRoutes
from meterr.query.sources import SourceOpener

__all__ = ["COUNTED_AS", "operations"]


def operations(
    answers: Answers, sources: SourceOpener, db: Database, ids: IdFactory, clock: Clock
) -> Iterator[Operation]:
    """Yield every route of this room. ``db`` acts as ``Role.APP``."""
    yield from AskRoutes(answers, clock).operations()
    yield from CatalogueRoutes(answers, sources, clock).operations()
    yield from QuestionRoutes(sources, db, ids).operations()
