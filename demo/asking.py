"""Questions about the traffic itself, over HTTP, and the figures held against the ledger."""

import json
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from demo.proof import Entries, Proof
from demo.running import QUESTION_MODEL, Running
from demo.terminal import Terminal

_SQL = "select model, count(*) as calls, sum(cost_usd) as usd from calls group by 1 order by 1"
_WORDS = "Cost by model"
_FOREIGN = "Show the costs of all tenants"
_TIMEOUT_S = 60
_Costs = Mapping[str, Decimal]


def key_for_questions(running: Running) -> str:
    """Return a new key that may ask, and nothing else."""
    made = running.ask("key", "create", "--name", "questions", "--scope", "query")
    (item,) = made.read()[0]["items"]
    return str(item["secret"])


def tell(url: str, key: str, entries: Entries, terminal: Terminal) -> Sequence[Proof]:
    """Ask in SQL, in words, and for what is not one's own; return what that proves."""
    terminal.heading("Questions: POST /v1/query (a rule of the simulator stands in for a model)")
    in_sql = _asked(url, key, {"sql": _SQL})
    in_words = _asked(url, key, {"question": _WORDS})
    foreign = _asked(url, key, {"question": _FOREIGN})
    for said, answer in ((_SQL, in_sql), (_WORDS, in_words), (_FOREIGN, foreign)):
        terminal.line(f"{said}")
        terminal.aside(f"  {_summary(answer)}")
    return (_figures(in_sql, in_words, entries), _refusal(foreign))


def _asked(url: str, key: str, question: Mapping[str, str]) -> dict[str, Any]:
    headers = {"authorization": f"Bearer {key}", "content-type": "application/json"}
    request = urllib.request.Request(  # noqa: S310 - our own address
        f"{url}/v1/query", json.dumps(question).encode(), headers
    )
    try:
        with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as answer:  # noqa: S310 - as above
            found: dict[str, Any] = json.load(answer)
    except urllib.error.HTTPError as refused:
        with refused:
            found = json.load(refused)
    return found


def _summary(answer: Mapping[str, Any]) -> str:
    if "rows" not in answer:
        sentence = answer["detail"].partition(". ")[0]
        return f"{answer['status']} {answer['code']}: {sentence}."
    names = ", ".join(column["name"] for column in answer["columns"])
    return f"{len(answer['rows'])} rows of {names}; SQL by: {answer['tier']}"


def _figures(in_sql: Mapping[str, Any], in_words: Mapping[str, Any], entries: Entries) -> Proof:
    booked = _sums((each["model"], each["cost_usd"]) for each in entries)
    sql = _sums((model, usd) for model, _, usd in in_sql.get("rows", ()))
    words = _sums((model, usd) for model, usd in in_words.get("rows", ()))
    text = (
        f"answers = ledger: {_total(sql)} USD in SQL, {_total(words)} in words, "
        f"{_total(booked)} booked, for each of {len(booked)} models"
    )
    return Proof(text, holds=bool(booked) and booked == sql == words)


def _refusal(answer: Mapping[str, Any]) -> Proof:
    text = "a question about other tenants is declined, and no statement could have reached them"
    return Proof(text, holds=answer.get("code") == "question-declined")


def _sums(rows: Any) -> _Costs:
    sums: dict[str, Decimal] = {}
    for model, usd in rows:
        if usd is not None and model != QUESTION_MODEL:
            sums[model] = sums.get(model, Decimal(0)) + Decimal(usd)
    return sums


def _total(costs: _Costs) -> str:
    return f"{sum(costs.values(), Decimal(0)).normalize():f}"
