"""``meterr ask`` in plain language, through the gateway that runs; and what reaches a terminal."""

import secrets
from collections.abc import Iterator

import pytest

from meterr.app.question_model import KEY_NAME
from meterr.core.postgres import EmbeddedPostgres
from support.asking import CANARY, AskingHouse, asking_house
from support.command_line import CommandLine

BEST = "Which model is the best?"


@pytest.fixture(scope="module")
def house(postgres: EmbeddedPostgres) -> Iterator[AskingHouse]:
    with asking_house(postgres) as house:
        yield house


@pytest.fixture(scope="module")
def operator(house: AskingHouse) -> CommandLine:
    """The operator of the gateway that runs, who has chosen a model."""
    told = {
        "METERR_QUERY__MODEL": "gpt-4o-mini",
        "METERR_QUERY__GATEWAY_URL": house.api.house.base_url,
    }
    environment = {**house.api.house.environment, **told}
    return CommandLine(environment, house.api.house.data_dir)


def ask(operator: CommandLine, *arguments: str, **variables: str):
    return operator("ask", "--tenant", "acme", *arguments, **variables)


def test_a_question_is_answered_with_its_sql(operator: CommandLine, house: AskingHouse) -> None:
    """Issue 5.7: rows on standard output; the SQL, to look at, on standard error."""
    found = ask(operator, "Cost by model")
    assert 0 == found.status
    assert ["own-model", "0.700000000000000000"] in found.rows
    assert "select" in found.err.lower()
    assert "metric" in found.err
    assert CANARY not in found.out
    as_json = ask(operator, "Cost by model", "--json").json
    assert ("meterr.answer/1", "metric") == (as_json["schema"], as_json["tier"])
    states = house.rows("select distinct state from meterr.api_key where name = %s", KEY_NAME)
    assert [("revoked",)] == states  # the key that was made for it ends with it


def test_a_question_back_is_written_and_answered(operator: CommandLine) -> None:
    """No terminal: exit 4; said again with the answer, there are rows."""
    back = ask(operator, BEST)
    assert (4, "") == (back.status, back.out)
    assert "cost" in back.err
    assert "--clarified" in back.err
    assert "simulator" in back.err
    asked = ask(operator, BEST, "--json").json["ask"]
    assert 0 == ask(operator, BEST, "--clarified", asked, "cost by model").status


def test_a_host_with_another_pepper_than_the_gateway_makes_no_key_to_ask_with(
    operator: CommandLine, house: AskingHouse
) -> None:
    """The gateway would not take it: which pepper is wrong is said, and not that it was refused."""
    count = "select count(*) from meterr.api_key where name = %s"
    before = house.rows(count, KEY_NAME)
    refused = ask(operator, "Cost by model", METERR_KEY_PEPPER=secrets.token_hex(32))
    assert (2, True) == (refused.status, "have another pepper" in refused.err)
    assert before == house.rows(count, KEY_NAME)


def test_without_a_model_the_setting_is_named(operator: CommandLine) -> None:
    """The way out is in the sentence."""
    unset = {k: v for k, v in operator.environment.items() if k != "METERR_QUERY__MODEL"}
    refused = ask(CommandLine(unset, operator.folder), "Cost by model")
    assert 1 == refused.status
    assert "query.model" in refused.err


def test_what_could_steer_a_terminal_never_reaches_one(operator: CommandLine) -> None:
    """Columns and values are others' text; JSON has them escaped."""
    sql = "select U&'x\x1b[31m' as \"a\x1b]0;owned\x07b\", chr(27) || '[2J' as v"
    sql = sql.replace("U&", "")
    for form in ((), ("--csv",), ("--json",)):
        found = ask(operator, "--sql", sql, *form)
        assert 0 == found.status, found.err
        assert "\x1b" not in found.out + found.err
        assert "\x07" not in found.out


@pytest.mark.parametrize(
    ("arguments", "way_out"),
    [((), "question in plain language, or sql"), (("Cost", "--sql", "select 1"), "not both")],
    ids=["neither", "both"],
)
def test_exactly_one_of_question_and_sql(
    operator: CommandLine, arguments: tuple[str, ...], way_out: str
) -> None:
    """Exit 2 and a sentence that says what to do."""
    refused = ask(operator, *arguments)
    assert 2 == refused.status
    assert way_out in refused.err


def test_what_the_operator_asks_is_on_record(operator: CommandLine, house: AskingHouse) -> None:
    """Issue 5.4: every question, whoever asks."""
    ask(operator, "--sql", "select 1 as one")
    assert ("operator", "source", "usage") == house.events("query.ran")[-1][:3]


class TestSavedQuestions:
    """Issue 5.7: kept from the command line as over HTTP."""

    TEXT = "What did each model cost?"
    SQL = "select model, sum(cost_usd) as usd from calls group by 1"

    def saved(self, operator: CommandLine, *more: str):
        return operator("query", "save", self.TEXT, "--tenant", "acme", "--sql", self.SQL, *more)

    def test_one_is_saved_listed_and_removed(
        self, operator: CommandLine, house: AskingHouse
    ) -> None:
        """Who vouches for it stands beside it; HTTP shows the same."""
        made = self.saved(operator, "--author", "ann", "--json")
        assert 0 == made.status, made.err
        (item,) = made.items
        assert (self.TEXT, self.SQL, "usage", "ann") == tuple(
            item[name] for name in ("question", "sql", "source", "author")
        )
        assert made.items == operator("query", "list", "--tenant", "acme", "--json").items
        told = house.api.send("GET", "/v1/query/questions", who="admin")
        assert item["question_id"] in told.body.decode()
        ended = operator("query", "remove", item["question_id"], "--tenant", "acme")
        assert 0 == ended.status
        assert [] == operator("query", "list", "--tenant", "acme", "--json").items

    def test_sql_that_could_not_be_asked_is_not_saved(self, operator: CommandLine) -> None:
        """The guard's own sentence; and nothing is kept."""
        refused = operator("query", "save", "Drop it", "--tenant", "acme", "--sql", "drop table x")
        assert (2, "") == (refused.status, refused.out)
        assert "Only SELECT" in refused.err
        for arguments in (
            ("save", "x", "--sql", "select 1", "--source", "nope"),
            ("list", "--source", "nope"),
            ("remove", "nope"),
            ("remove", "0199aaaa-0000-7000-8000-0000000000ff"),
        ):
            missing = operator("query", *arguments, "--tenant", "acme")
            assert (1, "") == (missing.status, missing.out)
            assert "There is no such" in missing.err
