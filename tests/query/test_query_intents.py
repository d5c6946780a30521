"""Tier 1: names from the catalogue become one statement, and nothing else does."""

from datetime import date

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from language_samples import nasty, usage, widest

from meterr.query import Refusal, guard
from meterr.query.language import compile_intent, read_intent
from meterr.query.language.intent import Comparison, Grain, Order
from meterr.query.language.periods import Days, Period, Range, days_of
from meterr.query.language.slips import Slip
from meterr.query.language.words import Words

TODAY = date(2026, 11, 23)  # a Monday
WORDS, CATALOGUE = usage()


def sql_of(text: str) -> str:
    return compile_intent(read_intent(text.encode()), WORDS, TODAY)


def filtered(column: str, rest: str) -> str:
    return f'{{"metric": "calls", "filters": [{{"column": "{column}", {rest}}}]}}'


def code_of(text: str) -> str:
    with pytest.raises(Slip) as caught:
        sql_of(text)
    return caught.value.problem.code


def test_an_intent_becomes_one_readable_statement() -> None:
    """Issue 5, item 5: compiled by us, the same text every time, for a person to edit."""
    text = (
        '{"metric": "spend", "grain": "day", "dimensions": ["model", "keys.owner"], "limit": 5,'
        ' "filters": [{"column": "provider", "test": "in", "value": ["openai", "it\'s"]}],'
        ' "range": {"last": 7, "unit": "days"}}'
    )
    assert sql_of(text) == sql_of(text)
    assert (
        "select\n"
        "  date_trunc('day', costs_daily.day)::date as day,\n"
        "  costs_daily.model as model,\n"
        "  keys.owner as owner,\n"
        "  sum(costs_daily.cost_usd) as cost\n"
        "from usage.costs_daily\n"
        "left join usage.keys on keys.key_id = costs_daily.key_id\n"
        "where costs_daily.day >= '2026-11-17'\n"
        "  and costs_daily.day < '2026-11-24'\n"
        "  and costs_daily.provider in ('openai', 'it''s')\n"
        "group by 1, 2, 3\n"
        "order by 4 desc nulls last, 1, 2, 3\n"
        "limit 5"
    ) == sql_of(text)


def test_the_first_reading_that_has_everything_is_taken() -> None:
    """Days come from the daily view, hours from the hourly one, single calls from the calls."""
    assert "from usage.costs_daily" in sql_of('{"metric": "calls"}')
    assert "from usage.costs_hourly" in sql_of('{"metric": "calls", "grain": "hour"}')
    assert "from usage.calls" in sql_of('{"metric": "calls", "dimensions": ["status"]}')


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ('{"metric": "profit"}', "intent-metric"),
        ('{"metric": "cost", "dimensions": ["region"]}', "intent-column"),
        ('{"metric": "cost", "dimensions": ["tenant_id"]}', "intent-column"),
        ('{"metric": "cost", "dimensions": ["limits.scope"]}', "intent-column"),
        ('{"metric": "keys", "dimensions": ["scopes"]}', "intent-dimension"),
        ('{"metric": "cost", "dimensions": ["model; drop table x"]}', "intent-column"),
        ('{"metric": "cost", "having": "1=1"}', "intent-shape"),
        ('{"metric": "cost", "limit": 1001}', "intent-shape"),
        ('{"metric": "cost", "limit": 0}', "intent-shape"),
        ('{"metric": "cost", "grain": "minute"}', "intent-shape"),
        ('{"metric": ["cost"]}', "intent-shape"),
        ('{"metric": "cost"', "intent-shape"),
        ('{"metric": "cost", "dimensions": ["a", "b", "c", "d", "e"]}', "intent-shape"),
        (filtered("model", '"test": "in"'), "intent-filter"),
        (filtered("key_id", '"test": "<", "value": "x"'), "intent-filter"),
        (filtered("model", '"value": 3'), "intent-value"),
        (filtered("status", '"value": "1 or 1=1"'), "intent-value"),
        (filtered("status", '"value": true'), "intent-value"),
        (filtered("status", '"value": 1e300'), "intent-value"),
        (filtered("at", '"value": "now()"'), "intent-value"),
        (filtered("at", '"value": "2026-02-30"'), "intent-value"),
        (filtered("key_id", '"value": "x"'), "intent-value"),
        (filtered("model", '"value": "a\\u0000b"'), "intent-value"),
        (filtered("model", '"value": "\\ud800"'), "intent-shape"),
        ('{"metric": "cost", "range": {"last": 0, "unit": "day"}}', "intent-range"),
        ('{"metric": "cost", "range": {"last": 7, "unit": "fortnight"}}', "intent-range"),
        ('{"metric": "cost", "range": {"last": 7}}', "intent-range"),
        ('{"metric": "cost", "range": {}}', "intent-range"),
        ('{"metric": "cost", "range": {"from": "20261101"}}', "intent-range"),
        ('{"metric": "cost", "range": {"from": "2026-11-02", "to": "2026-11-01"}}', "intent-range"),
        ('{"metric": "cost", "range": {"to": "9999-12-31"}}', "intent-range"),
    ],
)  # fmt: skip
def test_what_is_not_agreed_is_a_slip(text: str, code: str) -> None:
    """Issue 5, item 5: identifiers only from the catalogue, values of the column's kind."""
    assert code == code_of(text)


def test_a_slip_tells_the_names_that_may_have_been_meant() -> None:
    """A repair needs a way out: the nearest names, which the model knows already."""
    with pytest.raises(Slip, match="failed_calls"):
        sql_of('{"metric": "failed_call"}')
    with pytest.raises(Slip, match="provider"):
        sql_of('{"metric": "cost", "dimensions": ["provder"]}')


@pytest.mark.parametrize(
    ("said", "first", "end"),
    [
        (Range(last=1, unit="day"), "2026-11-23", "2026-11-24"),
        (Range(last=2, unit="weeks"), "2026-11-10", "2026-11-24"),
        (Range(period=Period.YESTERDAY), "2026-11-22", "2026-11-23"),
        (Range(period=Period.THIS_WEEK), "2026-11-23", "2026-11-30"),
        (Range(period=Period.LAST_WEEK), "2026-11-16", "2026-11-23"),
        (Range(period=Period.THIS_MONTH), "2026-11-01", "2026-12-01"),
        (Range(period=Period.LAST_MONTH), "2026-10-01", "2026-11-01"),
        (Range(period=Period.THIS_QUARTER), "2026-10-01", "2027-01-01"),
        (Range(period=Period.LAST_QUARTER), "2026-07-01", "2026-10-01"),
        (Range(period=Period.THIS_YEAR), "2026-01-01", "2027-01-01"),
        (Range(period=Period.LAST_YEAR), "2025-01-01", "2026-01-01"),
        (Range(first_day="2026-11-01", last_day="2026-11-30"), "2026-11-01", "2026-12-01"),
    ],
)
def test_a_range_is_two_days(said: Range, first: str, end: str) -> None:
    """What "last month" means is decided here and shown as dates, not guessed by a model."""
    assert Days(date.fromisoformat(first), date.fromisoformat(end)) == days_of(said, TODAY)


@given(st.dates(date(2000, 1, 1), date(2100, 1, 1)), st.sampled_from(list(Period)))
def test_a_last_period_ends_where_this_one_begins(today: date, period: Period) -> None:
    """Months have 28 to 31 days, quarters 90 to 92, years 365 or 366."""
    days = days_of(Range(period=period), today)
    assert days.first is not None
    assert days.end is not None
    assert days.first < days.end
    if period.startswith("last "):
        this = days_of(Range(period=Period(period.replace("last", "this"))), today)
        assert days.end == this.first


NAMES = st.sampled_from(
    ["cost", "calls", "p95_duration", "keys", "count", "largest size", "model", "owner", "select",
     "group.select", "Größe", "is ok", "user", "day$1", "when", "doc", "keys.name", "at", "status",
     "current_user", "pieces", "is_stream", "key_id", "scopes", "created_at"]
)  # fmt: skip
VALUES = st.one_of(
    st.text(max_size=40), st.booleans(), st.integers(), st.floats(), st.none(),
    st.sampled_from(["U&'x", "U&", "' or 1=1 --", "\\", "((((", "2026-11-01", "%_\\", "1.50"]),
    st.lists(st.text(max_size=8), max_size=4),
)  # fmt: skip
RANGES = st.one_of(
    st.none(),
    st.fixed_dictionaries(
        {"last": st.integers(-3, 4000), "unit": st.sampled_from(["day", "years"])}
    ),
    st.fixed_dictionaries({"period": st.sampled_from([*Period, "someday"])}),
    st.fixed_dictionaries({"from": st.dates().map(str)}),
)
INTENTS = st.fixed_dictionaries(
    {"metric": NAMES},
    optional={
        "dimensions": st.lists(NAMES, max_size=5),
        "filters": st.lists(
            st.fixed_dictionaries(
                {"column": NAMES},
                optional={"test": st.sampled_from(list(Comparison)), "value": VALUES},
            ),
            max_size=4,
        ),
        "grain": st.sampled_from([*Grain, "eon"]),
        "range": RANGES,
        "limit": st.integers(-1, 1001),
        "order": st.sampled_from(list(Order)),
    },
)


@settings(max_examples=600)
@given(st.sampled_from([usage(), nasty()]), INTENTS)
def test_whatever_compiles_passes_the_guard(source, intent: dict[str, object]) -> None:
    """Issue 5, item 5, as a law: an intent is refused as an intent, or is SQL that may run."""
    words, catalogue = source
    try:
        sql = compile_intent(read_intent(_encoded(intent)), words, TODAY)
    except Slip:
        return
    judged = guard(sql, catalogue)
    assert not isinstance(judged, Refusal), (judged, sql)
    assert judged.relations <= {(each.schema, each.name) for each in words.relations}
    assert not judged.is_recursive


def _encoded(intent: dict[str, object]) -> bytes:
    try:
        return msgspec.json.encode(intent)
    except (ValueError, UnicodeEncodeError):
        return b"{}"


@given(st.text(max_size=200).filter(str.isprintable))
def test_a_text_stays_one_value(value: str) -> None:
    """Escaping is judged by PostgreSQL's own parser: one column, one condition, nothing around."""
    intent = {"metric": "cost", "filters": [{"column": "model", "value": value}]}
    try:
        sql = compile_intent(read_intent(_encoded(intent)), WORDS, TODAY)
    except Slip:  # too many brackets
        return
    judged = guard(sql, CATALOGUE)
    assert not isinstance(judged, Refusal), sql
    assert ("cost",) == judged.columns
    assert {("usage", "costs_daily")} == judged.relations


def test_names_that_need_quotes_get_them() -> None:
    """Reserved words, capitals and spaces are quoted; ours are not: people read this."""
    words: Words = nasty()[0]
    intent = read_intent(b'{"metric": "largest size", "dimensions": ["select", "is ok"]}')
    sql = compile_intent(intent, words, TODAY)
    assert '"Order"."select" as "select"' in sql
    assert 'as "is ok"' in sql
    assert 'from "My Shop"."Order"' in sql


def test_a_column_whose_name_would_need_more_than_quotes_is_not_offered() -> None:
    """The guard looks at U&" and at brackets in the whole text: such names are for SQL."""
    relation = nasty()[0].relations[0]
    assert {'bad"name', "U&"}.isdisjoint(column.name for column in relation.columns)


def test_the_largest_intent_still_passes_the_guard() -> None:
    """The law above, where it is tightest: long names, every join, values up to their limits."""
    words, catalogue = widest()
    columns = [f"{each.name}.{each.columns[0].name}" for each in words.relations[1:]]
    text = ("U&'" * 5 + "(" * 5 + "'" * 180)[:190]
    filters = [{"column": name, "test": "!=", "value": text} for name in columns[4:12]]
    filters[0] = {
        "column": "number",
        "test": "not in",
        "value": ["-" + "9" * 18 + "." + "9" * 18] * 43,
    }
    intent = {"metric": "m", "dimensions": columns[:4], "filters": filters}
    sql = compile_intent(read_intent(msgspec.json.encode(intent)), words, TODAY)
    judged = guard(sql, catalogue)
    assert not isinstance(judged, Refusal), judged
    assert 10_000 < len(sql)


@pytest.mark.parametrize(
    "values", [["x"] * 51, ["é" * 200] * 20, ["("] * 41, ["U&"] * 41, ["x" * 201]]
)
def test_values_have_an_end(values: list[str]) -> None:
    """What would take a statement past the guard's limits is refused as an intent."""
    intent = {"metric": "cost", "filters": [{"column": "model", "test": "in", "value": values}]}
    with pytest.raises(Slip):
        read_intent(msgspec.json.encode(intent))
