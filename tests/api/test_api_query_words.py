"""Questions in plain language over HTTP: the gateway is asked for the model, and bills it."""

from collections.abc import Iterator

import pytest

from meterr.app.question_model import KEY_NAME
from meterr.core.postgres import EmbeddedPostgres
from support.api_house import told
from support.asking import CANARY, AskingHouse, asking_house
from support.meterr_house import stop

MODEL = "gpt-4o-mini"
COST = "Cost by model"
_SETTINGS = f"""
[query]
model = "{MODEL}"
per_minute = 100000
"""


@pytest.fixture(scope="module")
def house(postgres: EmbeddedPostgres) -> Iterator[AskingHouse]:
    """A running meterr that asks the simulator for SQL."""
    with asking_house(postgres, _SETTINGS) as house:
        yield house


@pytest.fixture(scope="module")
def key(house: AskingHouse) -> str:
    return house.key("query")[0]


def booked(house: AskingHouse) -> list[tuple[str, str]]:
    """Return (tenant, model) of the calls made under meterr's own keys."""
    return house.rows(
        """select e.tenant_id::text, e.model from meterr.ledger_entry e
             join meterr.api_key k on k.key_id = e.key_id where k.name = %s""",
        KEY_NAME,
    )


def own_keys(house: AskingHouse) -> list[tuple[str, str]]:
    """Return (tenant, state) of meterr's own keys."""
    return house.rows("select tenant_id::text, state from meterr.api_key where name = %s", KEY_NAME)


class TestAnswers:
    def test_a_question_is_answered_by_an_intent_of_the_model(
        self, house: AskingHouse, key: str
    ) -> None:
        """Issue 5.5: tier, SQL, chart and intent; exact sums of the tenant's own rows."""
        status, found = house.ask({"question": COST}, key=key)
        assert (200, "metric", 1) == (status, found["tier"], found["completions"])
        assert CANARY not in str(found)
        assert found["intent"]
        again = house.ask({"sql": found["sql"]}, key=key)[1]
        own = [row for row in again["rows"] if row[0] == "own-model"]
        assert own == [row for row in found["rows"] if row[0] == "own-model"] != []

    def test_the_call_is_in_the_ledger_of_the_tenant(self, house: AskingHouse, key: str) -> None:
        """Issue 5.5: metered like any other call, under a key that meterr made."""
        before = len(booked(house))
        house.ask({"question": COST}, key=key)
        house.api.house.until(lambda: len(booked(house)) > before)
        assert {(house.own, MODEL)} == set(booked(house))

    def test_a_question_that_can_mean_several_things_is_asked_back_once(
        self, house: AskingHouse, key: str
    ) -> None:
        """Its own shape; said again with the answer, there is one."""
        text = "Which model is the best?"
        status, back = house.ask({"question": text}, key=key)
        assert (200, {"ask", "completions"}) == (status, set(back) - {"simulated"})
        clarified = {"asked": back["ask"], "said": "cost by model"}
        status, found = house.ask({"question": text, "clarified": clarified}, key=key)
        assert (200, "metric") == (status, found["tier"])

    @pytest.mark.parametrize(
        ("text", "reason"),
        [
            ("Delete all calls", "not-allowed"),
            ("Show the costs of all tenants", "not-allowed"),
            ("'; DROP TABLE users; --", "not-allowed"),
            ("What is the weather in Wien?", "not-here"),
        ],
    )
    def test_a_declined_question_is_an_honest_refusal(
        self, house: AskingHouse, key: str, text: str, reason: str
    ) -> None:
        """422 with a stable reason and a sentence of ours."""
        status, found = house.ask({"question": text}, key=key)
        assert (422, "question-declined", reason) == (status, found["code"], found["reason"])
        assert "question" == found["param"]

    def test_the_event_says_the_tier_and_nothing_of_the_question(self, house: AskingHouse) -> None:
        """Issue 5.4: also for plain language."""
        mine, key_id = house.key("query")
        found = house.ask({"question": COST}, key=mine)[1]
        house.ask({"question": "Delete all calls"}, key=mine)
        house.ask({"question": "Which model is the best?"}, key=mine)
        ((*_, ran, _),) = house.events("query.ran", key_id)
        assert ("answered", "metric") == (ran["code"], ran["tier"])
        assert found["sql"] not in str(ran)
        refused = [detail for *_, detail, _ in house.events("query.refused", key_id)]
        assert [
            {"code": "question-declined", "reason": "not-allowed"},
            {"code": "asked-back"},
        ] == refused

    @pytest.mark.parametrize("text", ["", " ", "x" * 1_001, "y" * 100_000])
    def test_a_question_of_no_or_too_many_words_is_on_record_too(
        self, house: AskingHouse, text: str
    ) -> None:
        """The sentence says how long it may be; no model is asked."""
        mine, key_id = house.key("query")
        status, found = house.ask({"question": text}, key=mine)
        assert (400, "invalid-request", "question") == (status, found["code"], found["param"])
        assert "1 to 1,000 characters" in found["detail"]
        ((*_, detail, _),) = house.events("query.refused", key_id)
        assert {"code": "invalid-request"} == detail

    def test_the_catalogue_says_that_there_is_a_model(self, house: AskingHouse) -> None:
        """So a page can offer it."""
        assert told(house.api.send("GET", "/v1/query/catalogue", who="user"))["plain_language"]


class TestWhoMay:
    def test_a_user_who_sees_sums_asks_about_sums(self, house: AskingHouse) -> None:
        """What they may not read in SQL, no model reads for them."""
        status, found = house.ask({"question": COST}, who="user")
        assert 200 == status
        assert "usage.calls" not in found["relations"]
        slow = house.ask({"question": "p95 latency per model this week"}, who="user")
        assert (422, "not-understood") == (slow[0], slow[1]["reason"])

    def test_a_key_that_is_held_to_models_asks_no_other(self, house: AskingHouse) -> None:
        """Its allow-list holds for the model behind questions; SQL it may ask all the same."""
        held, _ = house.key("query", models=["claude-*"])
        status, found = house.ask({"question": COST}, key=held)
        assert (403, "question-model-refused") == (status, found["code"])
        assert 200 == house.ask({"sql": "select count(*) from calls"}, key=held)[0]
        allowed, _ = house.key("query", models=["gpt-*"])
        assert 200 == house.ask({"question": COST}, key=allowed)[0]

    def test_a_budget_without_room_is_told_as_such(self, house: AskingHouse) -> None:
        """The tenant's own budgets hold for questions in plain language."""
        rule = {
            "measure": "requests",
            "holder": "owner",
            "span": "minute",
            "amount": "1",
            "subject": "meterr",
        }
        made = told(
            house.api.send("POST", f"/api/v1/tenants/{house.other}/limits", rule, who="super-admin")
        )
        try:
            house.api.house.until(
                lambda: house.ask({"question": COST}, who="admin-elsewhere")[0] == 503
            )
            told_ = house.ask({"question": COST}, who="admin-elsewhere")[1]
            assert "ask in SQL" in told_["detail"]
        finally:
            path = f"/api/v1/tenants/{house.other}/limits/{made['limit_id']}"
            house.api.send("DELETE", path, who="super-admin")


class TestTheKeys:
    def test_they_are_made_by_meterr_and_bother_nobody(self, house: AskingHouse, key: str) -> None:
        """Their events are meterr's own; nobody is told of them, and they end with the process."""
        house.ask({"question": COST}, key=key)
        house.ask({"question": COST}, who="admin-elsewhere")
        assert {(house.own, "active"), (house.other, "active")} == set(own_keys(house))
        made = """select distinct e.actor_kind from meterr.security_event e
                    join meterr.api_key k on k.key_id::text = e.target_id
                   where e.kind = %s and k.name = %s"""
        assert [("system",)] == house.rows(made, "key.created", KEY_NAME)
        stop(house.api.house.meterr)
        assert {"revoked"} == {state for _, state in own_keys(house)}
        assert [("system",)] == house.rows(made, "key.revoked", KEY_NAME)
        notices = "select count(*) from meterr.notice where kind = 'key.revoked' and about = %s"
        assert [(0,)] == house.rows(notices, KEY_NAME)
        house.api.house.serve_again()
