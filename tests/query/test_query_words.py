"""The usage views in words: true to the schema and the server, no wider than the rights."""

from datetime import date

import psycopg
import pytest
from evaluation.database import drop_asker, fill
from language_samples import catalogue_for, nasty, usage

from meterr.core.errors import Invalid
from meterr.query.language import compile_intent, read_intent
from meterr.query.language.visible import visible
from meterr.query.language.words import Kind, Metric, Reading, read_words, usage_words

_KINDS = {
    "uuid": Kind.ID, "timestamp with time zone": Kind.TIME, "date": Kind.DATE, "text": Kind.TEXT,
    "boolean": Kind.BOOLEAN, "bigint": Kind.INTEGER, "integer": Kind.INTEGER,
    "numeric": Kind.NUMBER, "text[]": Kind.LIST,
}  # fmt: skip
_COLUMNS = """
    select c.relname, a.attname, regexp_replace(format_type(a.atttypid, a.atttypmod), '\\(.*', ''),
           coalesce(col_description(c.oid, a.attnum), ''), coalesce(obj_description(c.oid), '')
      from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attnum > 0
     where c.relnamespace = 'usage'::regnamespace
     order by c.relname, a.attnum"""


_EMPTY = '{ schema = "a", name = "b", columns = [] }'


def test_the_words_say_what_the_schema_says(admin_dsn: str) -> None:
    """One truth: every view, every column in its order, its kind, and what is said of it."""
    with psycopg.connect(admin_dsn) as connection:
        found = connection.execute(_COLUMNS).fetchall()
    assert found
    schema = [(view, name, _KINDS[type_], about, of) for view, name, type_, about, of in found]
    words = [
        (relation.name, column.name, column.kind, column.comment, relation.comment)
        for relation in sorted(usage_words().relations, key=lambda each: each.name)
        for column in relation.columns
    ]
    assert schema == words


def test_every_metric_is_a_figure_on_the_real_server(admin_dsn: str) -> None:
    """Each metric over each of its readings runs, alone and by day, as the tenant's own login."""
    words, _ = usage()
    tenant_dsn = fill(admin_dsn)
    try:
        with psycopg.connect(tenant_dsn) as connection:
            for metric in words.metrics:
                for reading in metric.readings:
                    only = Metric(metric.name, (reading,))
                    narrow = type(words)(words.relations, words.joins, (only,))
                    for grain in ("", ', "grain": "day"'):
                        text = f'{{"metric": "{metric.name}"{grain}}}'
                        intent = read_intent(text.encode())
                        sql = compile_intent(intent, narrow, date(2026, 11, 23))
                        assert connection.execute(sql).fetchall(), sql
    finally:
        drop_asker(admin_dsn)


def test_every_reading_of_a_metric_gives_the_same_total(admin_dsn: str) -> None:
    """P1: which view answers is our choice, so it must make no difference."""
    words, _ = usage()
    tenant_dsn = fill(admin_dsn)
    try:
        with psycopg.connect(tenant_dsn) as connection:
            for metric in words.metrics:
                statements = [
                    f"select {each.expression} from usage.{each.relation}"
                    for each in metric.readings
                ]
                totals = {connection.execute(statement).fetchone() for statement in statements}
                assert 1 == len(totals), metric.name
    finally:
        drop_asker(admin_dsn)


def test_what_an_identity_may_not_read_is_not_spoken_of() -> None:
    """Issue 5, item 5: per identity; joins and metrics go with their relations."""
    words = visible(usage_words(), catalogue_for(usage_words(), without=("calls", "keys")))
    assert {"costs_daily", "costs_hourly", "limits", "budget_windows"} == {
        relation.name for relation in words.relations
    }
    assert {("budget_windows", "limits")} == {(join.many, join.one) for join in words.joins}
    assert {"p95_duration", "keys"}.isdisjoint(metric.name for metric in words.metrics)
    assert all(r.relation != "calls" for metric in words.metrics for r in metric.readings)


@pytest.mark.parametrize(
    "expression",
    [
        "pg_sleep(10)",
        "count(*) from pg_shadow --",
        "count(*), current_user",
        "1 as a, 2",
        "count(*); drop table x",
        "(select count(*) from limits)",
        "set_config('a', 'b', false)",
        "distinct model",
        "count(*) /* ",
        "sum(e.tenant_id)",
        "count(*) from usage.calls union select 1",
        "",
    ],
)
def test_a_metric_that_somebody_wrote_reaches_nothing_more(expression: str) -> None:
    """Issue 5, item 5: what a tenant writes is data; what the guard refuses is gone."""
    written = Metric("mine", (Reading("calls", expression),))
    base = usage_words()
    words = visible(type(base)(base.relations, (), (written,)), catalogue_for(base))
    assert () == words.metrics


def test_names_that_bite_are_either_quoted_or_not_offered() -> None:
    """A source of a tenant's own may be called anything."""
    words, _ = nasty()
    assert {"count", "largest size"} == {metric.name for metric in words.metrics}


@pytest.mark.parametrize(
    "text",
    [
        "relations = 3",
        "relations = [",
        'relations = [{ schema = "a", name = "b", columns = [], colour = "red" }]',
        'relations = [{ schema = "a", name = "b", columns = [], time = "at" }]',
        'relations = []\nmetrics = [{ name = "m", readings = [] }]',
        'relations = []\njoins = [{ many = "a", one = "b", on = [["c", "d"]] }]',
        'relations = [{ schema = "a", name = "b", columns = [{ name = "c", kind = "colour" }] }]',
        f"relations = [{_EMPTY}, {_EMPTY}]",
    ],
)  # fmt: skip
def test_a_slip_in_the_words_is_found_where_it_was_made(text: str) -> None:
    """A typed file: unknown fields, doubled names and dangling joins stop the reading."""
    with pytest.raises(Invalid):
        read_words(text)
