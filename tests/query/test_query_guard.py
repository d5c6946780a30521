"""The guard's promises one by one: limits, hidden notations, scopes, and what a refusal says."""

import subprocess
import sys

import pytest

from meterr.query import Catalogue, Code, Column, GuardedQuery, Position, Refusal, Relation, guard
from meterr.query.parser import BYTES_MAX


def refused(sql: str, catalogue: Catalogue) -> Refusal:
    verdict = guard(sql, catalogue)
    assert isinstance(verdict, Refusal), sql[:200]
    return verdict


def check(expected: Code, sql: str, catalogue: Catalogue) -> None:
    assert expected is refused(sql, catalogue).code


class TestLimits:
    def test_a_nul_is_refused_before_the_parser_could_stop_at_it(
        self, catalogue: Catalogue
    ) -> None:
        """Issue 5, reference 3.1: ``select 1 \\0; drop table t`` parses as ``select 1``."""
        check(Code.NOT_TEXT, "select 1 \0; drop table calls", catalogue)

    def test_half_a_surrogate_pair_is_refused(self, catalogue: Catalogue) -> None:
        """Issue 5: it is no character, and has no bytes."""
        check(Code.NOT_TEXT, "select '\ud83d'", catalogue)
        assert isinstance(guard("select '\N{GRINNING FACE}'", catalogue), GuardedQuery)

    @pytest.mark.parametrize("sql", ['select U&"\\0070g_sleep"(1)', "select u&'\\0061'"])
    def test_unicode_escapes_are_refused(self, sql: str, catalogue: Catalogue) -> None:
        """Issue 5, ``U&""``: they write a name that nobody sees."""
        check(Code.UNICODE_ESCAPE, sql, catalogue)

    def test_the_length_counts_bytes_and_its_limit_is_included(self, catalogue: Catalogue) -> None:
        """Issue 5: 20 kB."""
        head = "select 1 -- "
        longest = head + "x" * (BYTES_MAX - len(head))
        assert isinstance(guard(longest, catalogue), GuardedQuery)
        check(Code.TOO_LONG, longest + "x", catalogue)
        check(Code.TOO_LONG, "select '" + "é" * (BYTES_MAX // 2) + "'", catalogue)
        check(Code.TOO_LONG, "x" * 10_000_000, catalogue)

    def test_a_statement_of_20_kb_with_thousands_of_parts_is_judged(
        self, catalogue: Catalogue
    ) -> None:
        """Long and flat is fine: a list of 4,000 numbers, 900 conditions, 100 arms."""
        for sql in (
            "select count(*) from calls where latency_ms in (" + "1," * 4_000 + "1)",
            "select count(*) from calls where true" + " and latency_ms > 1" * 900,
            "select 1" + " union all select 1" * 100,
            "select " + " + ".join(["1"] * 100),
        ):
            assert isinstance(guard(sql, catalogue), GuardedQuery)

    @pytest.mark.parametrize(
        "step", ["select p.*, q.* from a{0} p, a{0} q", "select *, * from a{0}",
                 "select j.* from (a{0} p cross join a{0} q) j"],
    )  # fmt: skip
    def test_columns_that_double_at_each_step_are_refused(
        self, step: str, catalogue: Catalogue
    ) -> None:
        """1 kB could ask for more names of columns than the memory holds; 17 steps are a test."""
        steps = ", ".join(f"a{n + 1} as ({step.format(n)})" for n in range(17))
        check(Code.TOO_LARGE, f"with a0 as (select 1 as x), {steps} select 1", catalogue)

    @pytest.mark.parametrize(
        "sql",
        ["select 1 " + "+" * 19_900 + "1", "select 1 " + "/*" * 4_900 + "*/" * 4_900,
         "select 1 " + "/* " * 4_000 + "*/" * 3_000, "select " + "/**/" * 4_000 + "1"],
    )  # fmt: skip
    def test_what_the_parser_is_slow_at_does_not_reach_it(
        self, sql: str, catalogue: Catalogue
    ) -> None:
        """The gateway answers others meanwhile, not after half a second."""
        check(Code.TOO_LARGE, sql, catalogue)
        ruler = f"select 1 -- {'=' * 900}\n/* {'-' * 900} */ + {'/* x */ ' * 400} 1"
        assert isinstance(guard(ruler, catalogue), GuardedQuery)


# Each of them fills the 20 kB with one kind of nesting.
DEEP = {
    "operators": "select 1{}" .format("+1" * 9_990),
    "brackets": "select " + "(" * 9_990 + "1" + ")" * 9_990,
    "arrays": "select array" + "[" * 9_980 + "1" + "]" * 9_980,
    "not": "select " + "not " * 4_900 + "true",
    "minus": "select " + "- " * 9_900 + "x",
    "casts": "select 1" + "::a" * 6_600,
    "unions": "select 1" + " union select 1" * 1_300,
    "joins": "select 1 from calls" + " join calls on 1" * 1_200,
    "cases": "select " + "case when " * 1_900 + "1",
    "subqueries": "select " + "(select " * 2_200 + "1" + ")" * 2_200,
    "calls": "select " + "lower(" * 2_800 + "'a'" + ")" * 2_800,
    "fields": "select (model)" + ".a" * 9_900 + " from calls",
    "rows": "select " + "(1," * 4_900 + "1" + ")" * 4_900,
    "from": "select 1 from " + "(" * 6_000 + "calls cross join calls" + ")" * 6_000,
    "with": "with a as (" * 1_600 + "select 1" + ") select 1" * 100,
    "collations": 'select model' + ' collate "C"' * 1_600 + " from calls",
    "subscripts": "select " + "scopes[" * 2_400 + "1" + "]" * 2_400 + " from keys",
    "is null": "select 1" + " isnull" * 2_800,
}  # fmt: skip


class TestDepth:
    @pytest.mark.parametrize("kind", DEEP)
    def test_deep_nesting_is_refused_and_not_crashed_on(
        self, kind: str, catalogue: Catalogue
    ) -> None:
        """Issue 5: neither the parser's C stack nor Python's recursion gives way."""
        assert len(DEEP[kind]) <= BYTES_MAX
        refusal = refused(DEEP[kind], catalogue)
        assert refusal.code in {Code.TOO_DEEP, Code.SYNTAX, Code.ATTRIBUTE_NOTATION}

    def test_the_worst_nesting_needs_less_than_2_mb_of_stack(self) -> None:
        """parser.py says so; a thread has 5 MB or more wherever CPython makes it."""
        script = (
            "import sys, threading; sys.path.insert(0, 'tests/query')\n"
            "from test_query_guard import DEEP\nfrom meterr.query.parser import parse\n"
            "from meterr.query.refusal import Refused\n"
            "def attack():\n"
            "    for sql in DEEP.values():\n"
            "        try: parse(sql.encode())\n"
            "        except Refused: pass\n"
            "threading.stack_size(2 * 1024 * 1024)\n"
            "thread = threading.Thread(target=attack)\nthread.start(); thread.join(); print('ok')"
        )
        ended = subprocess.run(
            [sys.executable, "-c", script], capture_output=True, text=True, check=False
        )
        assert (0, "ok") == (ended.returncode, ended.stdout.strip()), ended.stderr

    def test_a_caller_that_is_deep_itself_gets_a_refusal(self, catalogue: Catalogue) -> None:
        """RecursionError is answered like any other nesting that is too deep."""

        def at_depth(n: int) -> GuardedQuery | Refusal:
            return at_depth(n - 1) if n else guard(nested, catalogue)

        nested = "select " + "(select " * 30 + "1" + ")" * 30
        assert isinstance(guard(nested, catalogue), GuardedQuery)
        check_depth = sys.getrecursionlimit() - 150
        verdict = at_depth(check_depth)
        assert isinstance(verdict, GuardedQuery) or Code.TOO_DEEP is verdict.code


class TestHiddenCalls:
    """``t.f`` and ``(x).f`` call the function f when there is no such column."""

    @pytest.mark.parametrize(
        ("sql", "code"),
        [
            ("select c.row_to_json from calls c", Code.UNKNOWN_COLUMN),
            ("select public.calls.row_to_json from calls", Code.UNKNOWN_COLUMN),
            ("select (c.model).lower from calls c", Code.ATTRIBUTE_NOTATION),
            ("select ('x').set_config", Code.ATTRIBUTE_NOTATION),
            ("select (array[1]).cardinality", Code.ATTRIBUTE_NOTATION),
            ("select (jsonb_each('{}')).lower", Code.ATTRIBUTE_NOTATION),
            ("select (c).* from calls c", Code.ATTRIBUTE_NOTATION),
            ("select c from calls c", Code.WHOLE_ROW),
            ("select count(c.*) from calls c", Code.WHOLE_ROW),
            ("select regclass('calls')", Code.FUNCTION),
            ("select regclass 'calls'", Code.TYPE),
            ("select treat('calls' as to_regclass)", Code.FUNCTION),
            ("select 1 operator(mine.+) 2", Code.OPERATOR),
            ("select q.lower from (select upper('a')) q", Code.UNKNOWN_COLUMN),
            ("select t.t from unnest(array(select tags from calls)) t", Code.UNKNOWN_COLUMN),
        ],
    )
    def test_each_notation_is_refused(self, sql: str, code: Code, catalogue: Catalogue) -> None:
        """Issue 5: hidden-function notation gets a clear refusal."""
        check(code, sql, catalogue)


class TestHiddenColumns:
    """A relation may have columns that this identity must not read."""

    CATALOGUE = Catalogue(
        [
            Relation("public", "people", (Column("id"), Column("pay", shared=False), Column("at"))),
            Relation("public", "teams", (Column("id"), Column("pay"))),
        ]
    )

    @pytest.mark.parametrize(
        ("sql", "code"),
        [
            ("select pay from people", Code.UNKNOWN_COLUMN),
            ("select people.pay from people", Code.UNKNOWN_COLUMN),
            ("select * from people", Code.HIDDEN_COLUMNS),
            ("select p.* from people p", Code.HIDDEN_COLUMNS),
            ("select b from people as p(a, b)", Code.HIDDEN_COLUMNS),
            ("select 1 from people natural join teams", Code.HIDDEN_COLUMNS),
            ("select 1 from teams join people using (pay)", Code.UNKNOWN_COLUMN),
            ("select (select pay from people limit 1) from teams", Code.UNKNOWN_COLUMN),
            ("select 1 as pay from people group by pay", Code.UNKNOWN_COLUMN),
            ("select j.pay from (people cross join (select 1 as x) q) as j", Code.UNKNOWN_COLUMN),
            ("select pay from people, teams", Code.UNKNOWN_COLUMN),
            ("select j.b from (people cross join (select 1) q) as j(a, b)", Code.HIDDEN_COLUMNS),
            ("select 1 as pay from people group by (id, pay)", Code.UNKNOWN_COLUMN),
            ("select 1 as pay from people group by cube (pay)", Code.UNKNOWN_COLUMN),
        ],
    )
    def test_no_way_leads_to_one(self, sql: str, code: Code) -> None:
        """Also where the server would find it before a column of the same name further out."""
        check(code, sql, self.CATALOGUE)

    def test_the_others_can_be_read(self) -> None:
        """Positive space."""
        for sql in (
            "select id, p.at from people p",
            "select t.pay from people p join teams t using (id)",
        ):
            assert isinstance(guard(sql, self.CATALOGUE), GuardedQuery)


class TestRefusals:
    @pytest.mark.parametrize(
        ("sql", "code", "words", "position"),
        [
            ("select\n  modle from calls", Code.UNKNOWN_COLUMN, "did you mean model", (9, 2, 3)),
            ("select 'é', x.a from calls", Code.UNKNOWN_TABLE, "here: calls", (12, 1, 13)),
            ("select * from cals", Code.UNKNOWN_TABLE, "did you mean calls", (14, 1, 15)),
            ("select cuont(*) from calls", Code.FUNCTION, "did you mean count", (7, 1, 8)),
            ("select month(at) from calls", Code.FUNCTION, "extract(month from a)", (7, 1, 8)),
            ("select 1::integr", Code.TYPE, "did you mean integer", (10, 1, 11)),
            ("select 1 from calls c whre c.at", Code.SYNTAX, 'near "whre"', (22, 1, 23)),
            ("select 1; select 2", Code.MANY_STATEMENTS, "2 statements", (10, 1, 11)),
            ("drop table calls", Code.NOT_A_SELECT, "not DROP", (0, 1, 1)),
            ("select repeat('x', 20000)", Code.FUNCTION_ARGUMENT, "least(", (7, 1, 8)),
        ],
    )
    def test_a_refusal_says_where_and_what_to_do(
        self, sql: str, code: Code, words: str, position: tuple[int, int, int], catalogue: Catalogue
    ) -> None:
        """Issue 5: a stable code and a sentence that helps a person fix the query."""
        refusal = refused(sql, catalogue)
        assert code is refusal.code
        assert words in refusal.sentence
        assert Position(*position) == refusal.position

    def test_the_nearest_of_a_thousand_names_is_told(self) -> None:
        """Of many alike only some are compared: a refusal costs no more than a judgement."""
        tables = Catalogue(Relation("public", f"orders_{n:04}", ()) for n in range(1_000))
        assert "did you mean orders_0732" in refused("select 1 from order_0732", tables).sentence

    def test_a_refusal_repeats_little_of_the_text_and_nothing_unprintable(
        self, catalogue: Catalogue
    ) -> None:
        """A secret pasted into a statement comes back at most as a cut name."""
        secret = "sk-" + "s" * 5_000
        for sql in (
            f"select '{secret}' from",
            f'select "{secret}" from calls',
            f"select {'f' * 63}()",
        ):
            assert len(refused(sql, catalogue).sentence) < 500
        assert "\x1b" not in refused('select "\x1b[31m" from calls', catalogue).sentence

    def test_what_was_found_is_told_to_who_runs_it(self, catalogue: Catalogue) -> None:
        """The executor needs names, relations, and whether the statement recurs."""
        numbers = "with recursive t(n) as (select 1 union all select n + 1 from t)"
        sql = f"{numbers} select n, lower(model) from t, calls;"
        query = guard(sql, catalogue)
        assert isinstance(query, GuardedQuery)
        assert ("n", "lower") == query.columns
        assert {("public", "calls")} == query.relations
        assert {"lower"} == query.functions
        assert query.is_recursive
        assert (sql.encode(), sql[:-1].encode()) == (query.sql, query.body)


class TestCatalogue:
    def test_a_relation_or_column_that_is_named_twice_is_a_mistake(self) -> None:
        """Which of the two would the guard have meant?"""
        twice = Relation("public", "t", (Column("a"), Column("a")))
        with pytest.raises(ValueError, match=r"public\.t"):
            Catalogue([twice])
        with pytest.raises(ValueError, match=r"public\.u"):
            Catalogue([Relation("public", "u", ()), Relation("public", "u", ())])

    def test_the_search_path_decides_and_a_name_like_the_systems_is_never_bare(self) -> None:
        """The server looks into pg_catalog before any schema of ours."""
        one, other = (Relation(schema, "t", (Column(schema),)) for schema in ("one", "other"))
        trap = Relation("one", "pg_user", (Column("x"),))
        catalogue = Catalogue([one, other, trap], search_path=("one", "other"))
        for sql in ("select one from t", "select other from other.t", "select x from one.pg_user"):
            assert isinstance(guard(sql, catalogue), GuardedQuery)
        for sql in ("select other from t", "select x from pg_user", "select 1 from third.t"):
            assert isinstance(guard(sql, catalogue), Refusal)
