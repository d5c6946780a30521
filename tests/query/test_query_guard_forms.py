"""Forms that few people write: each passes as far as it can be told that it only reads."""

import psycopg
import pytest
from test_query_guard import check

from meterr.query import Catalogue, Code, Column, GuardedQuery, Refusal, Relation, guard


def passes(sql: str, catalogue: Catalogue) -> GuardedQuery:
    verdict = guard(sql, catalogue)
    assert isinstance(verdict, GuardedQuery), f"{verdict} for {sql}"
    return verdict


class TestValues:
    """VALUES is a SELECT to the grammar, and to whoever pastes a list."""

    @pytest.mark.parametrize(
        "sql",
        ["values (1, 'a'), (2, 'b')", "values (1), (2) order by 1 desc limit 1",
         "values (current_date, (select count(*) from calls));",
         "with v as (values (1)) table v"],
    )  # fmt: skip
    def test_values_alone_are_a_question(self, sql: str, catalogue: Catalogue) -> None:
        """Issue 5, analytics refused."""
        assert passes(sql, catalogue).columns[0] == "column1"

    @pytest.mark.parametrize(
        ("sql", "code"),
        [
            ("values (pg_sleep(1))", Code.FUNCTION),
            ("values (default)", Code.CONSTRUCT),
            ("values ((select ctid from calls))", Code.SYSTEM_COLUMN),
            ("values (1) for update", Code.ROW_LOCK),
            ("values (1); values (2)", Code.MANY_STATEMENTS),
        ],
    )
    def test_what_stands_in_them_is_judged(
        self, sql: str, code: Code, catalogue: Catalogue
    ) -> None:
        """Issue 5: as everywhere."""
        check(code, sql, catalogue)


class TestOrderUsing:
    """ORDER BY x USING < is ORDER BY x ASC."""

    @pytest.mark.parametrize(
        "sql",
        ["select model from calls order by cost_usd using >, model using <",
         "select array_agg(model order by model using >) from calls",
         "select sum(cost_usd) over (order by at using operator(pg_catalog.<)) from calls"],
    )  # fmt: skip
    def test_the_two_that_asc_and_desc_stand_for_pass(self, sql: str, catalogue: Catalogue) -> None:
        """Issue 5, analytics refused."""
        assert passes(sql, catalogue)

    @pytest.mark.parametrize("operator", ["~<~", "operator(mine.<)", "=", "&&", "@@@", "<>"])
    @pytest.mark.parametrize(
        "sql",
        ["select model from calls order by model using {}",
         "select array_agg(model order by model using {}) from calls",
         "select sum(cost_usd) over w from calls window w as (order by model using {})"],
    )  # fmt: skip
    def test_no_other_does(self, sql: str, operator: str, catalogue: Catalogue) -> None:
        """An operator of somebody's own is a function of somebody's own."""
        check(Code.OPERATOR, sql.format(operator), catalogue)


class TestColumnOfARow:
    """``(t).c`` is ``t.c`` where t is a table and c its column, and else a call of c."""

    @pytest.mark.parametrize(
        "sql",
        ["select (c).model, (c).metadata['feature'], (c).tags[1] from calls c",
         "select (calls).model from calls order by (calls).cost_usd",
         "select (select (q).a) from (select 1 as a) q",
         "with w as (select 1 a) select (w).a from w",
         "select (j).model from (calls cross join (select 1) x) as j",
         "select (e).key from jsonb_each('{}') e", "select (v).column1 from (values (1)) v",
         "select (x).a from jsonb_to_record('{}') as x(a int)",
         "select (t).ordinality from generate_series(1, 2) with ordinality t(g)"],
    )  # fmt: skip
    def test_a_column_passes(self, sql: str, catalogue: Catalogue) -> None:
        """Issue 5, analytics refused."""
        assert passes(sql, catalogue)

    @pytest.mark.parametrize(
        "sql",
        ["select (c).lower from calls c", "select (c).ctid from calls c",
         "select (ctid).model from calls as ctid",
         "select (xmin).a from (select 1 as a) xmin, calls",
         "select (c).model from calls c, (select * from unnest((select array[1])) k) q",
         "select (a).b from unnest((select array[1])) with ordinality as a(b)",
         "select (c).xmin from calls as c(xmin)", "select (c).* from calls c",
         "select (c).model.lower from calls c", "select ((c).model).lower from calls c",
         "select (c).tags[1].lower from calls c", "select ((c)).call_id[1].lower from calls c",
         "select (g).pg_sleep from generate_series(1, 2) as g(pg_sleep)",
         "select (g).g from generate_series(1, 2) g", "select (u).a from unnest(array[1]) u(a)",
         "select (d).x from current_date as d(x)", "select (c.model).model from calls c",
         "select (c).model from (select model as c from calls) c",
         "select (select (c).model from calls limit 1) from (select 1 as c) x, models c",
         "select (model).model from calls, (select 1 as model) model",
         "select (public.calls).model from calls", "select (nothing).model from calls"],
    )  # fmt: skip
    def test_everything_else_would_be_a_call(self, sql: str, catalogue: Catalogue) -> None:
        """Issue 5, hidden-function notation: a function's one value, and a column, are no rows."""
        check(Code.ATTRIBUTE_NOTATION, sql, catalogue)

    def test_a_row_with_hidden_columns_is_none(self) -> None:
        """The server asks for the right to all of its columns, so it would be an error anyway."""
        people = Relation("public", "p", (Column("a"), Column("b", shared=False)))
        for sql in ("select (p).a from p", "select (p).b from p", "select (b).a from p, p as b"):
            check(Code.ATTRIBUTE_NOTATION, sql, Catalogue([people]))


class TestLexemes:
    """unnest of a tsvector makes rows of lexeme, positions and weights."""

    @pytest.mark.parametrize(
        "vector",
        ["to_tsvector('simple', c.model)", "strip(to_tsvector(c.model))", "c.model::tsvector",
         "ts_filter(to_tsvector(c.model), '{a}')", "setweight(to_tsvector(c.model), 'A')"],
    )  # fmt: skip
    def test_their_columns_are_known(
        self, vector: str, catalogue: Catalogue, demo: psycopg.Connection
    ) -> None:
        """Issue 5, analytics refused."""
        for sql in (
            f"select lexeme, count(*) from calls c, unnest({vector}) group by lexeme",
            f"select u.lexeme, u.weights from calls c cross join lateral unnest({vector}) as u",
            f"select u.l, u.p from calls c, unnest({vector}) as u(l, p, w)",
            f"select u.positions, ordinality from calls c, unnest({vector}) with ordinality u",
            f"select (unnest({vector})).lexeme from calls c",
        ):
            expected = passes(sql, catalogue).columns
            cursor = demo.execute(sql.encode())
            assert expected == tuple(each.name for each in cursor.description or ())

    @pytest.mark.parametrize(
        "sql",
        ["select u.lower from unnest(to_tsvector('a')) u",
         "select (unnest(scopes)).lexeme from keys",
         "select u.lexeme from keys, unnest(scopes) u", "select lexeme from unnest(array['a']) u",
         "select u.lexeme from unnest('{a}'::tsvector[]) u",
         "select u.lexeme from unnest(to_tsvector('a')) as u(a)",
         "select u.lexeme from unnest(to_tsvector('a'), array[1]) as u(a, b, c, d)",
         "select u.ctid from unnest(to_tsvector('a')) u"],
    )  # fmt: skip
    def test_no_other_name_is_one(self, sql: str, catalogue: Catalogue) -> None:
        """Issue 5, hidden-function notation."""
        verdict = guard(sql, catalogue)
        assert isinstance(verdict, Refusal), sql


class TestNamedColumns:
    """Rows of a kind that is not known have at least the columns that the statement names."""

    def test_each_that_is_named_is_one(self, catalogue: Catalogue) -> None:
        """Issue 5, analytics refused: with fewer columns the server takes no such list."""
        made = "unnest((select array_agg(q) from (select 1, 2) q))"
        assert passes(f"select u.a, u.b from {made} as u(a, b)", catalogue)
        assert passes(f"select u.a, b, c from {made} with ordinality as u(a, b, c)", catalogue)
        check(Code.UNKNOWN_COLUMN, f"select u.c from {made} as u(a, b)", catalogue)
        check(Code.ATTRIBUTE_NOTATION, f"select (u).a from {made} as u(a)", catalogue)

    def test_without_names_the_refusal_says_to_name_them(self, catalogue: Catalogue) -> None:
        """Issue 5: the sentence helps."""
        refusal = guard("select t.t from keys, unnest(array(select scopes)) t", catalogue)
        assert isinstance(refusal, Refusal)
        assert "write t alone, or name them: t(a, b)" in refusal.sentence


class TestWhatGrows:
    """A factorial is as large as a number says, so it must be written; arrays are not filled."""

    def test_small_ones_pass(self, catalogue: Catalogue) -> None:
        """Issue 5, analytics refused."""
        assert passes("select factorial(5), factorial(1000), factorial(-0)", catalogue)

    @pytest.mark.parametrize(
        "call",
        ["factorial(1001)", "factorial(latency_ms)", "factorial(99999999999)", "factorial(10 * 9)",
         "factorial((select 9))", "factorial()", "factorial(num => 5)"],
    )  # fmt: skip
    def test_others_are_refused(self, call: str, catalogue: Catalogue) -> None:
        """Issue 5, resource bombs: seconds of work in a few letters."""
        check(Code.FUNCTION_ARGUMENT, f"select {call} from calls", catalogue)

    def test_an_array_is_filled_in_another_way(self, catalogue: Catalogue) -> None:
        """Issue 5, resource bombs: array_fill takes 1 GB and 1.5 s, whatever the timeout is."""
        refusal = guard("select array_fill(0, array[3])", catalogue)
        assert isinstance(refusal, Refusal)
        assert "array(select a from generate_series(1, n))" in refusal.sentence


class TestSample:
    """TABLESAMPLE reads fewer rows of one table."""

    def test_rows_drawn_one_by_one_pass(self, catalogue: Catalogue) -> None:
        """Issue 5, analytics refused."""
        for sql in (
            "select c.model from calls as c tablesample bernoulli (10) where c.cost_usd > 0",
            "select count(*) from orders tablesample bernoulli (0.5), models",
        ):
            assert passes(sql, catalogue).relations

    @pytest.mark.parametrize(
        "sample",
        ["system (1)", "bernoulli (10) repeatable (1)", "bernoulli (latency_ms)", "mine (1)",
         "bernoulli (set_config('a', 'b', true)::int)", "mine.bernoulli (1)", "bernoulli ($1)"],
    )  # fmt: skip
    def test_others_would_say_where_rows_lie(self, sample: str, catalogue: Catalogue) -> None:
        """Blocks, and a seed, tell how many rows of others are between; other methods are code."""
        check(Code.CONSTRUCT, f"select 1 from calls tablesample {sample}", catalogue)

    def test_only_a_relation_of_the_catalogue_can_be_sampled(self, catalogue: Catalogue) -> None:
        """Issue 5: as everywhere."""
        check(Code.UNKNOWN_TABLE, "select 1 from pg_authid tablesample bernoulli (1)", catalogue)


class TestJsonConstructors:
    """SQL's own JSON(), JSON_SCALAR() and JSON_SERIALIZE(), from 17 on."""

    def test_they_pass_and_say_which_server_reads_them(self, catalogue: Catalogue) -> None:
        """Issue 5, analytics refused. An older server would call somebody's function."""
        sql = "select json(model with unique keys), json_scalar(1), json_serialize(metadata)"
        query = passes(f"{sql} from calls", catalogue)
        assert ("json", "json_scalar", "json_serialize") == query.columns
        assert 17 == query.server_major

    @pytest.mark.parametrize(
        "call", ["json(pg_sleep(1))", "json_scalar(pg_sleep(1))", "json_serialize(pg_sleep(1))"]
    )
    def test_what_is_in_them_is_judged(self, call: str, catalogue: Catalogue) -> None:
        """Issue 5: as everywhere."""
        check(Code.FUNCTION, f"select {call}", catalogue)


class TestJsonTable:
    """JSON_TABLE makes rows of JSON, with columns that the statement names; from 17 on."""

    def test_its_columns_are_those_that_it_names(self, catalogue: Catalogue) -> None:
        """Issue 5, analytics refused. Nested ones come last, as the server has them."""
        made = "json_table(metadata, '$' columns (nested '$.a' columns (x int), y text))"
        query = passes(f"select * from (select j.* from calls, {made} as j) q", catalogue)
        assert (("y", "x"), 17) == (query.columns, query.server_major)
        check(Code.UNKNOWN_COLUMN, f"select j.z from calls, {made} j", catalogue)
        check(Code.UNKNOWN_COLUMN, f"select json_table.lower from calls, {made}", catalogue)
        check(Code.SYSTEM_COLUMN, f"select ctid from calls, {made} as j", catalogue)

    @pytest.mark.parametrize(
        ("made", "code"),
        [
            ("json_table(pg_sleep(1), '$' columns (x int))", Code.FUNCTION),
            ("json_table('1', '$' passing pg_sleep(1) as x columns (x int))", Code.FUNCTION),
            ("json_table('1', '$' columns (x regclass))", Code.TYPE),
            ("json_table('1', '$' columns (x mine.domain))", Code.TYPE),
            ("json_table('1', '$' columns (x oid exists path '$'))", Code.TYPE),
            ("json_table('1', '$' columns (nested '$' columns (x xml)))", Code.TYPE),
            ("json_table('1', '$' columns (x int default pg_sleep(1) on empty))", Code.FUNCTION),
            ("json_table('1', '$' columns (x int default calls.f on error))", Code.UNKNOWN_TABLE),
        ],
    )
    def test_all_parts_are_judged(self, made: str, code: Code, catalogue: Catalogue) -> None:
        """Issue 5: as everywhere."""
        check(code, f"select 1 from {made} as j", catalogue)


class TestSearchAndCycle:
    """SEARCH and CYCLE add columns to a recursive WITH query; they read nothing."""

    TREE = "with recursive t(n) as (select 1 union all select n + 1 from t where n < 3)"

    def test_they_add_their_columns(self, catalogue: Catalogue) -> None:
        """Issue 5, analytics refused."""
        clauses = "search depth first by n set s cycle n set c using p"
        assert ("n", "s", "c", "p") == passes(
            f"{self.TREE} {clauses} select * from t", catalogue
        ).columns

    @pytest.mark.parametrize(
        ("clause", "code"),
        [
            ("search depth first by m set s", Code.UNKNOWN_COLUMN),
            ("cycle m set c using p", Code.UNKNOWN_COLUMN),
            ("cycle n set c to regclass 'calls' default null using p", Code.TYPE),
            ("cycle n set c to pg_sleep(1) default false using p", Code.SYNTAX),
        ],
    )
    def test_all_parts_are_judged(self, clause: str, code: Code, catalogue: Catalogue) -> None:
        """Issue 5: as everywhere."""
        check(code, f"{self.TREE} {clause} select * from t", catalogue)


class TestArraysOfValues:
    """unnest of a column makes one value of each row when the column's type says so."""

    CATALOGUE = Catalogue(
        [
            Relation("public", "p", (Column("tags", type="character varying(9)[]"), Column("a"))),
            Relation("public", "q", (Column("tags", type="mine[]"), Column("rest"))),
        ]
    )

    @pytest.mark.parametrize(
        "sql",
        ["select t.t, t from p, unnest(tags) t", "select t.a from p as x, unnest(x.tags) t(a)",
         "select unnest.unnest from p, unnest(p.tags)",
         "select t.t from public.p, unnest(p.tags) t",
         "select p.a, (select max(t.t) from unnest(tags) t) from p",
         "select t.t, t.ordinality from p, unnest(tags) with ordinality t",
         "select t.t from p join p as o using (tags), unnest(tags) t"],
    )  # fmt: skip
    def test_the_alias_names_the_value(self, sql: str) -> None:
        """Issue 5, analytics refused."""
        assert passes(sql, self.CATALOGUE)

    @pytest.mark.parametrize(
        "sql",
        ["select t.t from q, unnest(tags) t", "select t.t from q, unnest(q.tags) t",
         "select t.t from p, q, unnest(tags) t", "select t.lower from p, unnest(tags) t",
         "select t.t from p as x(a, tags), unnest(tags) t",
         "select t.t from p join q using (tags), unnest(tags) t",
         "select t.t from p, lateral (select tags from q) q2, unnest(q2.tags) t",
         "select t.t from (select tags from q) p, unnest(tags) t",
         "select (select t.t from unnest(q.rest) u, unnest(tags) t) from p, q",
         "select t.t from p cross join (select tags from q), unnest(tags) t"],
    )  # fmt: skip
    def test_of_other_types_nothing_is_known(self, sql: str) -> None:
        """A type of somebody's own may have columns, and then the name calls a function."""
        check(Code.UNKNOWN_COLUMN, sql, self.CATALOGUE)
