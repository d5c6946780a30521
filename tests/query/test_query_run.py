"""Execution: what comes back, what it may cost, how it ends, and whose words say so."""

import asyncio
import resource
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path

import msgspec
import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from meterr.core.errors import MeterrError
from meterr.query.run import (
    Answer,
    Limits,
    QueryFailed,
    QueryRefused,
    QueryTimeout,
    QueryTooCostly,
)
from meterr.query.run.connection import QuestionConnection
from meterr.query.run.execution import execute
from meterr.query.walls import TooManyQuestions
from support import server
from support.walled import A, B, Walled, open_walled

# What the guard's own caps would refuse is asked without it.
ANY_COST = Limits(timeout_s=0.7, cost_max=float("inf"), rows_max=1000)
# Cheap by its plan, without end, and it stores next to nothing: only its time can run out.
ENDLESS = (
    "with recursive r(n) as (select 1 union all"
    " select (select min(g) from generate_series(n, 10000) g) from r) select max(n) from r"
)
BOMBS = [
    "with recursive r(n) as (select 1 union all select n + 1 from r) select count(*) from r",
    "with recursive r(n) as (select 1 union all select n from r) select * from r where n = 2",
    "with recursive r(t) as (select 'x' union all select t || t from r) select max(t) from r",
    "select count(*) from generate_series(1, 1000000000000)",
    "select count(*) from generate_series(1, 100000) a, generate_series(1, 100000) b",
    "select count(*) from calls a, calls b, calls c, calls d, calls e, calls f",
    "select array_agg(n) from generate_series(1, 30000000) n",
    "select string_agg(n::text, ',') from generate_series(1, 30000000) n",
    "select count(distinct n) from generate_series(1, 30000000) n",
    "select n from generate_series(1, 30000000) n order by md5(n::text)",
    "select n % 1000000, count(*) from generate_series(1, 30000000) n group by 1",
    "select jsonb_agg(n) from generate_series(1, 30000000) n",
    "select length(repeat(repeat('x', 10000), 100000))",
    "select repeat('x', 1000000000)",
    "select array_fill(1, array[100000000])",
    "select regexp_replace(repeat('a', 30000), '(a*)*b', 'x')",
    "select repeat('a', 28) || '!' ~ '^(a|a)*(a|aa)*(a|aaa)*$' from generate_series(1, 100000)",
    "select regexp_matches(repeat('ab', 50000), '(a.*b.*)+c', 'g')",
    "select 9::numeric ^ 99999::numeric from generate_series(1, 1000)",
    "select exp(n::numeric / 1000) from generate_series(1, 10000000) n",
    "select factorial(30000) from generate_series(1, 1000)",
    "select sum(a * b) over (order by a) from generate_series(1, 5e3) a, generate_series(1, 5e3) b",
    "select percentile_cont(0.5) within group (order by n) from generate_series(1, 30000000) n",
    "select to_tsvector(repeat('word and ', 5000000))",
    "select n, lag(n, 1000000) over (order by -n) from generate_series(1, 20000000) n",
    "select count(*) from unnest(string_to_array(repeat('x,', 10000000), ',')) x",
]


@pytest.fixture(scope="module", params=server.every_directory(), ids=lambda path: path.parent.name)
def walled(request: pytest.FixtureRequest) -> Iterator[Walled]:
    binaries: Path = request.param
    with open_walled(binaries) as opened:
        yield opened


async def ask(walled: Walled, text: str, limits: Limits | None = None) -> Answer:
    async with walled.runner(limits) as runner:
        return await runner.run(A, text)


async def test_values_are_those_of_json(walled: Walled) -> None:
    """Issue 5: decimals as strings, typed columns, times in UTC."""
    answer = await ask(
        walled,
        """select 1::bigint as i, 0.10::numeric as n, 1.5::float8 as f, 'NaN'::float8 as nan,
                  true as b, null::text as t, timestamptz '2026-11-22 12:00:00.5+02' as at,
                  date '2026-11-22' as d, '{"a": [0.1, 2]}'::jsonb as j, array[1.50, null] as l,
                  interval '90 minutes' as s, '\\x00ff'::bytea as bytes, 'infinity'::timestamptz,
                  int4range(1, 5) as r, '"\\ud800"'::json as half""",
    )
    assert (
        (1, "0.10", 1.5, "NaN", True, None, "2026-11-22T10:00:00.5Z", "2026-11-22",
         {"a": ["0.1", 2]}, ["1.50", None], "PT1H30M", "\\x00ff", "infinity", "[1,5)",
         '"\\ud800"'),
    ) == answer.rows  # fmt: skip
    assert [
        "integer", "number", "number", "number", "boolean", "text", "time", "date", "json", "json",
        "text", "text", "time", "text", "json",
    ] == [column.type for column in answer.columns]  # fmt: skip


@pytest.mark.parametrize(
    ("constant", "answer"),
    [
        ("('2026-11-' || '01')::date", "2026-11-01"),
        ("replace('7 ds', 's', 'ays')::interval", "P7D"),
        ("lower('12')::int", 12),
        ("substr('0.50', 1, 4)::numeric", "0.50"),
        ("upper('true')::boolean", True),
        ("('{1' || ',2}')::int[]", [1, 2]),
        ("lower('[1]')::jsonb", [1]),
        ("(abs(-3)::text || '0')::bigint", 30),
    ],
)
async def test_what_is_constant_may_be_cast(walled: Walled, constant: str, answer: object) -> None:
    """Issue 5: the planner computes it, with the rights of the tenant's login."""
    assert ((answer,),) == (await ask(walled, f"select {constant} as x")).rows


@pytest.mark.parametrize(
    ("text", "since"),
    [
        ("select json_value('{}'::jsonb, '$.a')", 17),
        ("select json_exists('{}'::jsonb, '$.a')", 17),
        ("select json_array('{}'::jsonb, '$.a')", 16),
        ("select json_arrayagg(1)", 16),
    ],
)
async def test_a_function_named_like_sqls_own_is_not_called_on_an_older_server(
    walled: Walled, text: str, since: int
) -> None:
    """Issue 5: functions only from the list; what 18 reads as JSON_VALUE is a call in 15."""
    name = text.split()[1].partition("(")[0]
    arguments = "jsonb, text" if "," in text else "integer"
    made = f"create function usage.\"{name}\"({arguments}) returns text return 'called'"
    with psycopg.connect(walled.admin_dsn, autocommit=True) as admin:
        admin.execute(made.encode())
        major = admin.info.server_version // 10_000
        try:
            if major < since:
                with pytest.raises(QueryRefused, match=f"need PostgreSQL {since}"):
                    await ask(walled, text)
            else:
                assert "called" not in (await ask(walled, text)).rows[0]
        finally:
            admin.execute(f'drop function usage."{name}"({arguments})'.encode())


async def test_no_rows_have_their_columns_all_the_same(walled: Walled) -> None:
    """A table without lines is still a table."""
    answer = await ask(walled, "select model, cost_usd as usd from calls where false")
    assert ((), ["text", "number"]) == (answer.rows, [each.type for each in answer.columns])
    assert ("usage.calls",) == answer.relations
    assert not answer.truncated


@pytest.mark.parametrize(("rows", "truncated"), [(9, False), (10, False), (11, True)])
async def test_rows_are_cut_at_the_limit_and_it_says_so(
    walled: Walled, rows: int, truncated: bool
) -> None:
    """Issue 5: LIMIT n + 1, in the order that was asked for."""
    text = f"select n from generate_series(1, {rows}) n order by n desc -- to the end"
    answer = await ask(walled, text, Limits(rows_max=10))
    assert [(n,) for n in range(rows, 0, -1)][:10] == list(answer.rows)
    assert truncated == answer.truncated


@pytest.mark.parametrize("rows", [1, 1000])
async def test_bytes_are_cut_before_they_are_read(walled: Walled, rows: int) -> None:
    """Issue 5, memory bounded: neither one row of 200 MB nor many small ones come in whole."""
    limits = Limits(bytes_max=1024 * 1024, cost_max=float("inf"), timeout_s=60)
    size = 200_000_000 // rows
    text = f"select n, repeat('x', {size}) from generate_series(1, {rows}) n".encode()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    async with QuestionConnection.opened(walled.as_tenant(), limits) as connection:
        try:
            _, got, truncated = await execute(connection, text, limits)
        except QueryFailed as error:
            got, truncated = (), error.reason == "too-large"
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert truncated
    assert len(got) * size <= limits.bytes_max
    assert after - before < 64 * 1024  # KiB


@pytest.mark.parametrize("value", ["null", "''", "true"])
async def test_what_has_hardly_a_byte_counts_as_well(walled: Walled, value: str) -> None:
    """Issue 5, the byte cap: ten thousand rows of so many nulls are 20 MB of an answer."""
    limits = Limits(bytes_max=1024 * 1024)
    text = f"select {', '.join([value] * 400)} from generate_series(1, 10000)"
    answer = await ask(walled, text, limits)
    assert answer.truncated
    assert len(msgspec.json.encode(answer.rows)) <= 2 * limits.bytes_max


@pytest.mark.parametrize("bomb", BOMBS, ids=lambda text: text[:40])
async def test_a_bomb_ends_with_the_time_it_may_take(walled: Walled, bomb: str) -> None:
    """Issue 5: by the server's own clock; the server stays up, and so do we."""
    async with QuestionConnection.opened(walled.as_tenant(), ANY_COST) as connection:
        ended: object = None
        try:
            ended = await execute(connection, bomb.encode(), ANY_COST)
        except MeterrError as error:
            ended = error.code
    assert isinstance(ended, tuple) or ended in {"query-timeout", "query-failed"}
    assert (("own",),) == (await ask(walled, "select distinct model from calls")).rows


async def test_what_the_planner_finds_too_costly_does_not_run(walled: Walled) -> None:
    """Issue 5: the gate, without a word of the plan."""
    text = "select count(*) from generate_series(1, 1000000) a, generate_series(1, 1000000) b"
    with pytest.raises(QueryTooCostly) as caught:
        await ask(walled, text, Limits(cost_max=100_000))
    assert not any(character.isdigit() for character in str(caught.value))


async def test_a_cost_beyond_all_numbers_is_too_much(walled: Walled) -> None:
    """Issue 5: estimates overflow, and what is taken from infinity is no number at all."""
    text, before = "select count(*) from generate_series(1, 1000000) q where q > 0", "q"
    for level in range(8):
        names = [f"s{level}_{each}" for each in range(8)]
        series = ", ".join(f"generate_series(1, 1000000) {name}" for name in names)
        inner = f"{text} and {before} <> {names[0]}"
        text, before = (
            f"select count(*) from {series} where {'+'.join(names)} > ({inner})",
            names[0],
        )
    with pytest.raises(QueryTooCostly):
        await ask(walled, text)


async def test_a_plan_is_read_no_further_than_it_is_needed(walled: Walled) -> None:
    """Issue 5, memory bounded: a plan holds what is constant, computed; here 25 MB of it."""
    text = "select 1 as n from calls where model = repeat(repeat('x', 10000), 2500)"
    with psycopg.connect(walled.admin_dsn) as admin:  # where nobody may set it, as in mode B
        admin.execute(f"alter role {named(walled)} reset temp_file_limit".encode())
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(QueryFailed) as caught:
        await ask(walled, text, Limits(timeout_s=60))
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with psycopg.connect(walled.admin_dsn) as admin:
        admin.execute(f"alter role {named(walled)} set temp_file_limit = '64MB'".encode())
    assert caught.value.reason == "too-large"
    assert after - before < 64 * 1024  # KiB; read to its end it took ten times that


def named(walled: Walled) -> object:
    return conninfo_to_dict(walled.as_tenant())["user"]


async def test_a_timeout_is_told_as_one(walled: Walled) -> None:
    """With the limit that was reached."""
    with pytest.raises(QueryTimeout, match=r"longer than 0\.3 seconds"):
        await ask(walled, ENDLESS, Limits(timeout_s=0.3))


async def test_who_leaves_stops_the_statement(walled: Walled) -> None:
    """Issue 5: cancellation reaches the server; no session goes on for nobody."""
    running = asyncio.create_task(ask(walled, ENDLESS, Limits(timeout_s=60)))
    with psycopg.connect(walled.admin_dsn, autocommit=True) as admin:
        await until(lambda: sessions(admin) == 1)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        await until(lambda: sessions(admin) == 0)
    assert running.cancelled()


async def until(holds: Callable[[], bool]) -> None:
    """Look again and again, for at most twenty seconds."""
    async with asyncio.timeout(20):
        while not holds():  # noqa: ASYNC110 - another process changes it
            await asyncio.sleep(0.01)


def sessions(admin: psycopg.Connection) -> int:
    row = admin.execute(
        "select count(*) from pg_stat_activity"
        " where application_name = 'meterr question' and state = 'active'"
    ).fetchone()
    return int(row[0]) if row else 0


async def test_one_tenant_asks_so_many_at_once(walled: Walled) -> None:
    """Further ones are told to wait, and take no connection."""
    limits = Limits(timeout_s=2, at_once_max=2)
    async with walled.runner(limits) as runner:
        ended = await asyncio.gather(
            *(runner.run(A, ENDLESS) for _ in range(3)), return_exceptions=True
        )
        assert {"query-timeout": 2, "too-many-questions": 1} == {
            code: [getattr(each, "code", "") for each in ended].count(code)
            for code in ("query-timeout", "too-many-questions")
        }
        assert any(isinstance(each, TooManyQuestions) for each in ended)
        assert (await runner.run(A, "select 1")).rows == ((1,),)


async def test_all_tenants_together_ask_so_many_at_once(walled: Walled) -> None:
    """Questions leave the server's connections to calls, however many tenants ask."""
    async with walled.runner(Limits(timeout_s=2, everybody_max=2)) as runner:
        tenants = (A, A, B)
        ended = await asyncio.gather(
            *(runner.run(each, ENDLESS) for each in tenants), return_exceptions=True
        )
    codes = sorted(str(getattr(each, "code", each)) for each in ended)
    assert ["query-timeout", "query-timeout", "too-many-questions"] == codes


@pytest.mark.parametrize(
    ("text", "reason", "offset"),
    [
        ("select 1 / (status - status) from calls", "division-by-zero", None),
        ("select model::int from calls", "bad-value", None),
        ("select (model || '-canary')::uuid from calls", "bad-value", None),
        ("  /* é */ select lower(1) as x", "types", 17),
        ("select model, count(*)\n from calls", "grouping", 7),
        ("select (select model from calls)", "many-rows", None),
        ("select 'x' ~ '(' from calls", "bad-pattern", None),
        ("select 99999999::int * 99999999::int from calls", "out-of-range", None),
        ("select to_date('x', 'YYYY') from calls", "bad-value", None),
    ],
)
async def test_an_error_is_told_in_our_words(
    walled: Walled, text: str, reason: str, offset: int | None
) -> None:
    """Issue 5: driver text carries data; neither sentence, cause nor private word has any of it."""
    with pytest.raises(QueryFailed) as caught:
        await ask(walled, text)
    error = caught.value
    assert (reason, offset) == (error.reason, error.position and error.position.offset)
    told = f"{error.detail} {error.private} {error.__cause__}"
    assert not any(word in told for word in ("own", "canary", "mq_", "calls"))
    assert error.__suppress_context__


async def test_a_refusal_has_the_guards_code_and_place(walled: Walled) -> None:
    """Issue 5: a stable code and a sentence that helps."""
    with pytest.raises(QueryRefused, match="set_config cannot be used") as caught:
        await ask(walled, "select\n set_config('role', 'x', true)")
    position = caught.value.position
    assert ("query-refused", "function") == (caught.value.code, caught.value.reason)
    assert (2, 2) == (position and (position.line, position.column))


async def test_many_statements_are_one_or_none(walled: Walled) -> None:
    """The extended protocol: also when what is sent needs no parameters and is no SELECT."""
    async with QuestionConnection.opened(walled.as_tenant(), ANY_COST) as connection:
        with pytest.raises(QueryFailed) as caught:
            await execute(connection, b"select 1) q; select 2; select * from (select 3", ANY_COST)
    assert caught.value.reason == "syntax"


async def test_the_sums_of_the_views_are_those_of_the_ledger(walled: Walled) -> None:
    """P1: by hour and by day, closed, open and dropped hours alike."""
    with psycopg.connect(walled.admin_dsn, autocommit=True) as admin:
        admin.execute("delete from meterr.usage_hour; delete from meterr.usage_day")
        admin.execute(
            """insert into meterr.ledger_entry (tenant_id, id, at, key_id, surface, upstream,
                 provider, model, state, usage_known, status, input, output, cost_usd)
               select t.tenant_id, gen_random_uuid(), timestamptz '2026-11-20 00:30+00'
                      + n * interval '7 hours', k.key_id, 'openai.chat', 'u', 'p', 'own',
                      'settled', true, 200 + n % 3 * 100, n, n % 7,
                      case when n % 5 > 0 then n * 0.000000123456789 end
                 from generate_series(1, 30) n, meterr.tenant t
                 join meterr.api_key k on k.tenant_id = t.tenant_id"""
        )
        admin.execute(
            """select meterr.roll_up(%s, d, '2026-11-22 11:00+00')
                 from generate_series(timestamptz '2026-11-20 00:00+00', '2026-11-22 00:00+00',
                                      interval '1 day') d""",
            [A],
        )
        expected = admin.execute(
            """select sum(calls), sum(cost_usd), sum(unpriced), sum(failed), sum(input),
                      sum(output)
                 from meterr.entry_figures where tenant_id = %s""",
            [A],
        ).fetchone()
        left = admin.execute("select count(*) from meterr.rollup_due").fetchone()
        lines = admin.execute("select count(*) from meterr.usage_hour").fetchone()
    assert left != (0,)
    assert lines != (0,)
    found = []
    for view in ("costs_hourly", "costs_daily"):
        answer = await ask(
            walled,
            f"""select sum(calls), sum(cost_usd), sum(unpriced), sum(failed), sum(input_tokens),
                       sum(output_tokens) from {view}""",
        )
        found.append([Decimal(str(value)) for value in answer.rows[0]])
    raw = await ask(
        walled,
        """select count(*), sum(cost_usd), count(*) filter (where is_unpriced),
                  count(*) filter (where status >= 400), sum(input_tokens), sum(output_tokens)
             from calls""",
    )
    found.append([Decimal(str(value)) for value in raw.rows[0]])
    assert [[Decimal(str(value)) for value in expected or ()]] * 3 == found
