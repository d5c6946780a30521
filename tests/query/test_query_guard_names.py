"""What a statement calls by its own names: rows, columns, and how long it makes a text."""

import pytest
from test_query_guard import check

from meterr.query import Catalogue, Code, Column, GuardedQuery, Refusal, Relation, guard


class TestWholeRows:
    """A table's may bring columns that nobody named; a subquery's has those that were judged."""

    @pytest.mark.parametrize(
        "made",
        ["(select model, 1 as n from calls) r", "(values (1, 2)) as r(a, b)", "r",
         "lateral (select c.model from calls c) r", "jsonb_to_record('{}') as r(a int)"],
    )  # fmt: skip
    @pytest.mark.parametrize("row", ["r", "r.*"])
    def test_a_subquerys_may_be_counted_or_written_as_json(
        self, made: str, row: str, catalogue: Catalogue
    ) -> None:
        """Issue 5, analytics refused: this is how PostgreSQL is asked for JSON."""
        for call in ("count", "json_agg", "row_to_json"):
            sql = f"with r as (select model, 1 as n from calls) select {call}({row}) from {made}"
            assert isinstance(guard(sql, catalogue), GuardedQuery)

    @pytest.mark.parametrize(
        "sql",
        [
            "select json_agg(c) from calls c",
            "select json_agg(c.*) from calls c",
            "select count(c) from calls as c, (select 1 as a) q",
            "select json_agg(j) from (calls cross join models) as j",
            "select json_agg(u) from calls join models using (model) as u",
            "select q from (select 1 as a, 2 as b) q",
            "select q::text from (select 1 as a, 2 as b) q",
            "select concat(q) from (select 1 as a, 2 as b) q",
            "select json_agg(calls) from calls where exists (select from (select 1) calls)",
        ],
    )
    def test_a_tables_is_refused_and_so_is_every_other_use(
        self, sql: str, catalogue: Catalogue
    ) -> None:
        """Issue 5: whole rows are refused."""
        check(Code.WHOLE_ROW, sql, catalogue)

    def test_it_may_be_chosen_for_the_call_alone(self, catalogue: Catalogue) -> None:
        """row_to_json((select r from (select a, b) r)) writes a few columns under their names."""
        chosen = "select row_to_json((select r from (select c.model, c.cost_usd) r)) from calls c"
        assert isinstance(guard(chosen, catalogue), GuardedQuery)
        for sql in (
            "select row_to_json((select m from models m limit 1)) from calls c",
            "select (select r from (select c.model, c.cost_usd) r) from calls c",
            "select row_to_json((select r union select r)) from (select 1 as a) r",
        ):
            check(Code.WHOLE_ROW, sql, catalogue)

    def test_what_is_hidden_stays_hidden_in_a_row(self) -> None:
        """A row of a subquery is made of columns that could be named."""
        catalogue = Catalogue([Relation("public", "p", (Column("a"), Column("b", shared=False)))])
        for sql in (
            "select json_agg(t) from (select * from p) t",
            "select json_agg(t) from (select p.b from p) t",
            "select json_agg(p) from p",
            "select json_agg(b) from p, (select 1 as x) b",
        ):
            assert isinstance(guard(sql, catalogue), Refusal)


class TestSystemColumns:
    """Every table has them; what a subquery calls by such a name is its own column."""

    @pytest.mark.parametrize(
        "sql",
        [
            "select key_id as oid, count(*) from calls group by oid order by oid",
            "with k as (select key_id as oid from keys) select k.oid, oid from k order by k.oid",
            "select q.xmin, xmax from (select min(cost_usd) as xmin, 1 as xmax from calls) q",
            "select min(cost_usd) as xmin from calls order by xmin",
            "select distinct on (xmin) model as xmin from calls order by xmin",
            "select q.cmin from calls c, (select 1 as cmin) q",
            "select (select xmin + 1) from (values (1)) as v(xmin)",
        ],
    )
    def test_a_name_of_ones_own_passes(self, sql: str, catalogue: Catalogue) -> None:
        """Issue 5, analytics refused: xmin is also the least x."""
        assert isinstance(guard(sql, catalogue), GuardedQuery)

    @pytest.mark.parametrize(
        "sql",
        [
            "select xmin from calls",
            "select c.xmin from calls c",
            "select c.xmin from calls as c(xmin)",
            "select xmin from calls, (select 1 as xmin) q",
            "select (select xmin from calls limit 1) from (select 1 as xmin) q",
            "select q.xmin from (select 1 as x) q, calls",
            "select xmin from (select 1 as xmin) q cross join generate_series(1, 2) g, calls",
            "select 1 as xmin from calls group by xmin",
            "select 1 as xmin from calls group by rollup (xmin)",
            "select 1 as xmin from calls order by xmin + 1",
            "select j.ctid from (calls cross join models) as j",
            "select count(ctid) from calls, (select 1 as x) as ctid",
            "select array_agg(xmin) from (select model from calls) as xmin, calls",
            "select (select json_agg(ctid) from (select 1 as x) ctid) from calls",
        ],
    )
    def test_a_tables_is_refused(self, sql: str, catalogue: Catalogue) -> None:
        """Issue 5: also where a subquery's column of that name stands beside it or around it."""
        check(Code.SYSTEM_COLUMN, sql, catalogue)


class TestLengths:
    """A text of a billion characters is memory, which no timeout limits."""

    @pytest.mark.parametrize(
        "length",
        ["10", "n", "(count(*) / 10)::int", "2 * n", "n + 3", "greatest(length(t), 12)", "n / 1e9",
         "least(n ^ 9, 100)", "round(100 * n / 20000)::int", "coalesce(n, 0)"],
    )  # fmt: skip
    def test_one_that_follows_the_data_draws_a_bar(self, length: str, catalogue: Catalogue) -> None:
        """Issue 5, analytics refused: bars and indented trees are what repeat is for."""
        rows = "(select latency_ms as n, model as t from calls) q group by n, t"
        for call in (f"repeat('#', {length})", f"lpad(t, {length})", f"rpad(t, {length}, '.')"):
            assert isinstance(guard(f"select {call} from {rows}", catalogue), GuardedQuery)

    @pytest.mark.parametrize(
        "length",
        ["1000000000", "n * 1000000000", "n + '1000000000'::int", "10 ^ n", "n << 20", "1e9::int",
         "power(n, 9)", "greatest(n, 99999)", "(select 1000000000)", "99 * 99", "-(-1000000000)"],
    )  # fmt: skip
    def test_one_that_is_written_large_is_refused(self, length: str, catalogue: Catalogue) -> None:
        """Also when a column stands beside the number."""
        rows = "(select latency_ms as n, model as t from calls) q"
        for call in (f"repeat('#', {length})", f"lpad(t, {length})", f"rpad(t, {length}, '.')"):
            check(Code.FUNCTION_ARGUMENT, f"select {call} from {rows}", catalogue)

    def test_so_is_a_type_that_fills_up(self, catalogue: Catalogue) -> None:
        """char(n) and bit(n) are as long as n, whatever is in them."""
        check(Code.TYPE, "select 'x'::char(10485760)", catalogue)
        check(Code.TYPE, "select cast('1' as bit(80000000))", catalogue)
        sql = "select 'x'::char(10), 'x'::varchar(65535), b'1'::bit varying(99999)"
        assert isinstance(guard(sql, catalogue), GuardedQuery)
