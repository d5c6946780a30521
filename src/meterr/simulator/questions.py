"""
Questions in plain language that the simulator answers, by rule. Pure, and no model at all.

docs/reference/simulator.md lists what it knows. All else it declines, as an honest model would.
"""

import re
from collections.abc import Mapping
from typing import Final

import msgspec

MARKER: Final = "meterr-question 1\n"
"""How a turn begins that asks for the answer to a question; see query/language/prompt.py."""

SAYS: Final = "This is meterr's simulator: a rule wrote this, not a model."

_QUESTION = re.compile(r"^(?:Question|The person said): (\".*\")$", re.MULTILINE)

_METRICS: Mapping[str, str] = {
    "spend": "cost", "spent": "cost", "cost": "cost", "costs": "cost", "calls": "calls",
    "requests": "calls", "tokens": "tokens", "input tokens": "input_tokens",
    "output tokens": "output_tokens", "failed calls": "failed_calls", "failures": "failed_calls",
    "failure rate": "failure_rate", "error rate": "failure_rate", "refused calls": "refused_calls",
    "average latency": "average_duration", "p95 latency": "p95_duration",
    "median latency": "median_duration", "cache share": "cache_share",
}  # fmt: skip
_DIMENSIONS: Mapping[str, str] = {
    "model": "model", "provider": "provider", "owner": "keys.owner", "key": "keys.name",
    "state": "state", "surface": "surface", "upstream": "upstream",
}  # fmt: skip
_GRAINS = ("hour", "day", "week", "month", "quarter", "year")
_PERIODS = ("today", "yesterday", *(f"{w} {g}" for w in ("this", "last") for g in _GRAINS[2:]))

_METRIC = re.compile(rf"\b({'|'.join(sorted(_METRICS, key=len, reverse=True))})\b")
_BY = re.compile(rf"\b(?:by|per|and|each) ({'|'.join((*_DIMENSIONS, *_GRAINS))})\b")
_PERIOD = re.compile(rf"\b({'|'.join(_PERIODS)})\b")
_LAST = re.compile(r"\blast (\d{1,3}) (day|week|month|year)s?\b")
_TOP = re.compile(rf"\b(?:top|first) (\d{{1,3}}) ({'|'.join(_DIMENSIONS)})s\b")
_CHANGE = re.compile(r"\b(drop|delete|remove|update|insert|create|alter|truncate|grant)\b")
_OTHERS = re.compile(r"\b(tenants?|everybody|other (companies|customers|people))\b")
_BEST = re.compile(r"\b(best|worst)\b")
_EXPIRING = re.compile(r"which keys expire\W*")
_UNUSED = re.compile(r"which keys were never used\W*")
# Words that change nothing. Any other word that no rule took makes the simulator decline: a part of
# a question left out would be an answer to another question.
_FILLING = re.compile(
    "a|an|and|are|by|did|do|for|from|give|had|has|have|how|i|in|is|it|many|me|much|of|on|our|over"
    "|per|please|show|so|tell|that|the|their|there|to|up|us|was|we|were|what|with|you"
)


def asked(turn: str) -> str | None:
    """
    Return the question of a turn that asks for an answer in JSON, None for any other turn.

    What a person said to a question back counts alone.
    """
    if not turn.startswith(MARKER):
        return None
    found = _QUESTION.findall(turn)
    try:
        return msgspec.json.decode(found[-1], type=str) if found else ""
    except msgspec.DecodeError:
        return ""


def answer(question: str) -> str:
    """Return what the simulator says: a sentence about itself, and one JSON object."""
    said = msgspec.json.encode(_reply(" ".join(question.casefold().split()))).decode()
    return f"{SAYS}\n```json\n{said}\n```"


def _reply(question: str) -> dict[str, object]:
    if _CHANGE.search(question) or _OTHERS.search(question):
        return {"decline": "not allowed"}
    if _EXPIRING.fullmatch(question) or _UNUSED.fullmatch(question):
        return {"intent": _keys(expiring=_EXPIRING.fullmatch(question) is not None)}
    metrics = {_METRICS[word] for word in _METRIC.findall(question)}
    if not metrics and _BEST.search(question):
        return {"ask": "Best by cost, by calls or by failure rate?"}
    if len(metrics) != 1 or _left_over(question):
        return {"decline": "not here"}
    return {"intent": {"metric": metrics.pop(), **_shape(question), **_range(question)}}


def _left_over(question: str) -> bool:
    for rule in (_TOP, _LAST, _PERIOD, _METRIC, _BY):
        question = rule.sub(" ", question)
    return not all(map(_FILLING.fullmatch, re.findall(r"[^\W_]+", question)))


def _keys(*, expiring: bool) -> dict[str, object]:
    column, test = ("expires_at", "is present") if expiring else ("last_used_at", "is missing")
    filters = [{"column": column, "test": test}]
    columns = ["name", "expires_at"] if expiring else ["name"]
    return {"metric": "keys", "dimensions": columns, "filters": filters}


def _shape(question: str) -> dict[str, object]:
    parts = _BY.findall(question)
    dimensions = [_DIMENSIONS[part] for part in parts if part in _DIMENSIONS]
    grains = [part for part in parts if part in _GRAINS]
    shape: dict[str, object] = {"grain": grains[0]} if grains else {}
    if top := _TOP.search(question):
        dimensions.append(_DIMENSIONS[top[2]])
        shape["limit"] = max(1, int(top[1]))
    return {**shape, "dimensions": dimensions} if dimensions else shape


def _range(question: str) -> dict[str, object]:
    if last := _LAST.search(question):
        return {"range": {"last": max(1, int(last[1])), "unit": last[2]}}
    period = _PERIOD.search(question)
    return {"range": {"period": period[1]}} if period else {}
