"""``GET /v1/query/catalogue``: what can be asked about, in words."""

from collections.abc import Iterator

from meterr.core.api import CallerHere, Operation, Shown
from meterr.core.clock import Clock
from meterr.core.policy import Permission, Route
from meterr.core.principal import Scope
from meterr.query.answers import Answers, Asker
from meterr.query.api.asker import SourceQuery, asker_of
from meterr.query.language.visible import visible
from meterr.query.sources import USAGE, OpenSource, SourceOpener


class ColumnTold(Shown):
    """A column: its type in PostgreSQL, its meaning with the unit."""

    name: str
    type: str
    meaning: str


class RelationTold(Shown):
    """A table or view as a statement names it."""

    name: str
    about: str
    columns: list[ColumnTold]


class MetricTold(Shown):
    """A figure that questions in plain language may name."""

    name: str
    about: str
    unit: str


class CatalogueTold(Shown):
    """What this caller may ask about. ``plain_language``: a model is there to ask in words."""

    source: str
    plain_language: bool
    relations: list[RelationTold]
    metrics: list[MetricTold]


class CatalogueRoutes:
    """What there is to ask about."""

    def __init__(self, answers: Answers, sources: SourceOpener, clock: Clock) -> None:
        self._answers = answers
        self._sources = sources
        self._clock = clock

    async def catalogue(self, caller: CallerHere, source: SourceQuery = USAGE) -> CatalogueTold:
        """List tables, columns and figures that questions may name."""
        asker = asker_of(caller, self._clock)
        opened = await self._sources.open(caller.tenant_id, source)
        words = visible(opened.words, asker.catalogue(opened))
        return CatalogueTold(
            source=source,
            plain_language=self._answers.speaks,
            relations=_relations(opened, asker),
            metrics=[MetricTold(name=m.name, about=m.comment, unit=m.unit) for m in words.metrics],
        )

    def operations(self) -> Iterator[Operation]:
        """Yield the route."""
        yield Operation(
            Route("GET", "/v1/query/catalogue"),
            Permission.TENANT_QUERY_ASK,
            self.catalogue,
            "query.catalogue",
            of_caller=True,
            key_scope=Scope.QUERY,
        )


def _relations(opened: OpenSource, asker: Asker) -> list[RelationTold]:
    """Return the relations that this one may read, with the columns that anybody may name."""
    catalogue = asker.catalogue(opened)
    told = []
    for each in opened.described:
        relation = catalogue.find(each.schema, each.name)
        if relation is None:
            continue
        columns = [
            ColumnTold(name=column.name, type=column.type, meaning=column.meaning)
            for column in each.columns
            if column.name in relation.shared
        ]
        bare = catalogue.find(None, each.name) is relation
        name = each.name if bare else f"{each.schema}.{each.name}"
        told.append(RelationTold(name=name, about=each.about, columns=columns))
    return told
