"""A model's SQL that sums over a join: rows of the one side counted once for each of the many."""

from datetime import date

import msgspec
import pytest
from evaluation.playing import catalogue_of, words_of
from language_samples import ScriptedModel, Shown

from meterr.query.language import Answered, Asking, Declined, Question
from meterr.query.language.doubling import counted_twice
from meterr.query.language.visible import visible

WORDS = words_of("shop")
LINES = "select distinct order_id from shop.order_items"
BOUGHT = "from orders o join customers c using (customer_id)"
ONCE = f"select sum(total) from orders o where order_id in ({LINES})"
JOINED = "from orders o join order_items i on i.order_id = o.order_id"


@pytest.mark.parametrize(
    "sql",
    [
        f"select sum(o.total) {JOINED}",
        f"select sum(total) as revenue {JOINED}",
        f"select o.status, round(avg(o.total), 2) {JOINED} group by 1",
        f"select count(o.order_id) {JOINED}",
        f"select o.status {JOINED} group by 1 having sum(o.total) > 5 order by sum(o.total)",
        f"select sum(o.total) filter (where i.quantity > 1) {JOINED}",
        "select sum(total) from shop.orders, shop.order_items i where i.order_id = orders.order_id",
        "select sum(o.total) from orders o left join order_items using (order_id)",
        f"select * from (select sum(o.total) as t {JOINED}) as x",
        f"with x as (select sum(o.total) as t {JOINED}) select t from x",
        f"select country, count(c.customer_id) {BOUGHT} group by 1",
        f"select sum((o).total) {JOINED}",
        "select sum(o.total) from orders o tablesample bernoulli (9), order_items i",
    ],
)
def test_what_counts_a_row_for_each_of_its_lines_is_told(sql: str) -> None:
    """Issue 5.8: wrong but plausible is worse than refused; the sentence names the way out."""
    problem = counted_twice(sql, WORDS)
    assert problem is not None
    assert "counted-twice" == problem.code
    assert "by itself" in problem.sentence


@pytest.mark.parametrize(
    "sql",
    [
        f"select sum(i.quantity * i.unit_price) {JOINED}",
        f"select sum(quantity) {JOINED}",
        f"select sum(o.total * i.quantity) {JOINED}",
        f"select count(*), count(distinct o.order_id), max(o.total), min(o.total) {JOINED}",
        f"select sum(o.total) over (partition by o.order_id) {JOINED}",
        "select sum(total) from orders",
        ONCE,
        f"select sum(o.total) from orders o join ({LINES}) i using (order_id)",
        f"with order_items as ({LINES}) select sum(total) from orders, order_items",
        f"select c.country, sum(o.total) {BOUGHT} group by 1",
        f"select sum((select max(p.price) from products p)) {JOINED}",
        "select sum(1), 'x' from orders, order_items",
        "select 1",
    ],
)
def test_what_counts_each_row_once_passes(sql: str) -> None:
    """No right answer is refused for its shape."""
    assert counted_twice(sql, WORDS) is None


class NoDatabase:
    """The statement has been judged by now, which is all that is asked here."""

    async def run(self, tenant_id: str, sql: str) -> Shown:
        return Shown()


async def asked(*said: str) -> tuple[object, ScriptedModel]:
    model = ScriptedModel(*(msgspec.json.encode({"sql": each}).decode() for each in said))
    catalogue = catalogue_of("shop")
    question = Question(
        "t",
        "Revenue of orders with lines",
        visible(WORDS, catalogue),
        catalogue,
        date(2026, 11, 23),
    )
    return await Asking(model, NoDatabase()).ask(question), model


async def test_a_model_is_told_and_may_say_it_otherwise() -> None:
    """Issue 5.5: a repair, with a code and a sentence of ours."""
    outcome, model = await asked(f"select sum(o.total) {JOINED}", ONCE)
    assert isinstance(outcome, Answered)
    assert (ONCE, 2) == (outcome.sql, outcome.completions)
    assert "counted-twice" in str(model.asked)


async def test_a_model_that_insists_is_not_believed() -> None:
    """An honest refusal, with the reason; whoever wants it so can ask in SQL."""
    outcome, _ = await asked(f"select sum(o.total) {JOINED}")
    assert isinstance(outcome, Declined)
    assert ("not-understood", "counted-twice") == (outcome.code, outcome.reason)
