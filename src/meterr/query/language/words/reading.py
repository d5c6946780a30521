"""Words from their TOML text: strict, so that a slip is found where it was made."""

import tomllib
from importlib import resources

import msgspec

from meterr.core.errors import Invalid
from meterr.query.language.words.model import Words

_TEXT_CHARS_MAX = 200_000


def usage_words() -> Words:
    """Return the words of the ``usage`` views, from ``usage.toml`` of this package."""
    text = resources.files(__package__).joinpath("usage.toml").read_text(encoding="utf-8")
    return read_words(text)


def read_words(text: str) -> Words:
    """
    Read words from TOML, at most 200,000 characters.

    Raises:
        Invalid: no TOML, too long, a field that is unknown or missing, a name given twice, or one
            that is not there.
    """
    if len(text) > _TEXT_CHARS_MAX:
        message = f"The words of a source have at most {_TEXT_CHARS_MAX:,} characters."
        raise Invalid(message, param="words")
    try:
        words = msgspec.convert(tomllib.loads(text), Words)
    except RecursionError:
        raise Invalid("The words of a source are nested too deeply.", param="words") from None
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as fault:
        raise Invalid(f"The words of a source cannot be read: {fault}.", param="words") from None
    _require_consistent(words)
    return words


def _require_consistent(words: Words) -> None:
    _require_unique("relation", [relation.name for relation in words.relations])
    _require_unique("metric", [metric.name for metric in words.metrics])
    for relation in words.relations:
        _require_unique(relation.name, [column.name for column in relation.columns])
        if relation.time and relation.column(relation.time) is None:
            _refuse(f"{relation.name} has no column {relation.time!r}")
    for join in words.joins:
        many, one = words.relation(join.many), words.relation(join.one)
        if many is None or one is None or not join.on:
            _refuse(f"the join of {join.many} and {join.one} has no such relations or no columns")
        elif any(many.column(left) is None or one.column(right) is None for left, right in join.on):
            _refuse(f"the join of {join.many} and {join.one} names a column that is not there")
    for metric in words.metrics:
        if not metric.readings or any(words.relation(r.relation) is None for r in metric.readings):
            _refuse(f"the metric {metric.name} reads a relation that is not there")


def _require_unique(what: str, names: list[str]) -> None:
    if len(set(names)) < len(names):
        _refuse(f"{what}: a name is given twice")


def _refuse(what: str) -> None:
    raise Invalid(f"The words of a source contradict each other: {what}.", param="words")
