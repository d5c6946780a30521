"""Names by chance: what the guard takes for a column is one for the server, too."""

from random import Random

import psycopg
import pytest
from benign_questions import demo_catalogue
from drawn_statements import draw_statement, renamed_once
from server_oracle import Used, used_by

from meterr.query import Catalogue, Column, GuardedQuery, Relation, guard

HIDDEN = {("orders", "note"), ("customers", "email")}
VISIBLE = {"orders", "customers", "order_items"}
ROUNDS = 400
SEEDS = (
    "select a.key, b.* from (select order_id as key from orders) as a, lateral (select a.key) b",
    "with a(b, name) as (select order_id, customer_id from orders) select a.b, a.name from a",
    "select b.quantity, value from order_items b, lateral unnest(array[b.quantity]) as key(value)",
    "select name.text from (order_items a cross join order_items b) as name(text) order by text",
    "select a.total, (select b.key from (select a.total) as b(key)) from orders a",
)


def narrow_catalogue() -> Catalogue:
    """Return three of the demo's tables, two of which have a column that nobody may name."""
    return Catalogue(
        Relation(
            "public",
            relation.name,
            tuple(
                Column(c.name, shared=(relation.name, c.name) not in HIDDEN)
                for c in relation.columns
            ),
        )
        for relation in demo_catalogue().relations.values()
        if relation.name in VISIBLE
    )


def faults(question: GuardedQuery, used: Used) -> list[object]:
    """Return what the server would touch and the guard did not see."""
    relations = {f"{schema}.{name}" for schema, name in question.relations}
    return [
        *(used.relations ^ relations),
        *(used.functions - question.functions),
        *(used.columns & HIDDEN),
        *(column for column in used.columns if column[1] == "*"),
        *(number for number in used.attributes if number <= 0),
    ]


def understood(connection: psycopg.Connection, question: GuardedQuery) -> Used | psycopg.Error:
    """Return what the server makes of it, or why it does not take it."""
    try:
        return used_by(connection, question.body.decode())
    except psycopg.Error as error:
        connection.rollback()
        return error


@pytest.mark.parametrize("seed", range(5))
def test_no_scope_hides_a_call_a_whole_row_or_a_hidden_column(
    seed: int, demo: psycopg.Connection
) -> None:
    """Exact scoping: near misses of accepted statements, judged by the server's own analysis."""
    chance, catalogue = Random(seed), narrow_catalogue()
    pool = list(SEEDS)
    checked = 0
    for _ in range(ROUNDS):
        longest = max((chance.choice(pool) for _ in range(4)), key=len)
        text = renamed_once(chance, longest) if chance.random() < 0.7 else draw_statement(chance)
        question = guard(text, catalogue)
        if not isinstance(question, GuardedQuery):
            continue
        used = understood(demo, question)
        if isinstance(used, psycopg.Error):
            assert used.sqlstate not in {"42P01", "42703"}, f"{used}: {text}"
            continue
        assert [] == faults(question, used), text
        checked += 1
        pool.append(text)
    assert checked > ROUNDS / 10
