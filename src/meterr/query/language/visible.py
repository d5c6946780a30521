"""The words that one identity may hear: what is not in its catalogue is not spoken of. Pure."""

import re

import msgspec

from meterr.query.catalogue import Catalogue
from meterr.query.guard import guard
from meterr.query.language.sql_text import aggregate, is_one_expression
from meterr.query.language.words import Join, Metric, Reading, RelationWords, Words
from meterr.query.refusal import Refusal

# Names that need more than quotes are left to SQL: the guard counts brackets and looks for U&".
_SPEAKABLE = re.compile(r"[^\W\d][\w $-]*")
_NAME_BYTES_MAX = 63
# With all that an intent may add, a statement stays below the guard's limits.
_EXPRESSION_BYTES_MAX = 2_000
_BRACKETS_MAX = 60
_JOINED_COLUMNS_MAX = 4


def visible(words: Words, catalogue: Catalogue) -> Words:
    """
    Return the part of ``words`` that ``catalogue`` lets its identity read.

    A metric stays when the guard accepts at least one of its readings over this catalogue, so an
    expression that somebody wrote can reach nothing that a question in SQL could not.
    """
    shown = (_relation(relation, catalogue) for relation in words.relations)
    relations = tuple(relation for relation in shown if relation is not None)
    narrowed = msgspec.structs.replace(words, relations=relations, joins=(), metrics=())
    joins = tuple(join for join in words.joins if _holds(join, narrowed))
    heard = (_metric(metric, narrowed, catalogue) for metric in words.metrics)
    metrics = tuple(metric for metric in heard if metric.readings and _speakable(metric.name))
    return msgspec.structs.replace(narrowed, joins=joins, metrics=metrics)


def _speakable(name: str) -> bool:
    return _SPEAKABLE.fullmatch(name) is not None and len(name.encode()) <= _NAME_BYTES_MAX


def _relation(relation: RelationWords, catalogue: Catalogue) -> RelationWords | None:
    found = catalogue.find(relation.schema, relation.name)
    if found is None or not (_speakable(relation.name) and _speakable(relation.schema)):
        return None
    columns = tuple(
        each for each in relation.columns if each.name in found.shared and _speakable(each.name)
    )
    time = relation.time if any(each.name == relation.time for each in columns) else ""
    return msgspec.structs.replace(relation, columns=columns, time=time) if columns else None


def _holds(join: Join, words: Words) -> bool:
    many, one = words.relation(join.many), words.relation(join.one)
    if many is None or one is None or many is one or len(join.on) > _JOINED_COLUMNS_MAX:
        return False
    return all(many.column(left) and one.column(right) for left, right in join.on)


def _metric(metric: Metric, words: Words, catalogue: Catalogue) -> Metric:
    readings = tuple(each for each in metric.readings if _reads(each, words, catalogue))
    return msgspec.structs.replace(metric, readings=readings)


def _reads(reading: Reading, words: Words, catalogue: Catalogue) -> bool:
    relation = words.relation(reading.relation)
    expression = reading.expression
    brackets = expression.count("(") + expression.count("[")
    if len(expression.encode()) > _EXPRESSION_BYTES_MAX or brackets > _BRACKETS_MAX:
        return False
    if relation is None or not is_one_expression(expression):
        return False
    judged = guard(aggregate(relation, expression), catalogue)
    return not isinstance(judged, Refusal) and judged.relations == {
        (relation.schema, relation.name)
    }
