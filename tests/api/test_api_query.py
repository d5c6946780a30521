"""Questions over HTTP: who may ask, what comes back, what is refused, and what is on record."""

import hashlib
import json
from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import TypeAdapter

from meterr.core.postgres import EmbeddedPostgres
from meterr.query.api.ask import AnswerShown, AskedBackShown
from support.api_house import ORIGIN, REASON, told
from support.asking import CANARY, ENTRIES, AskingHouse, asking_house

CALLS = "select model, cost_usd from calls order by call_id"
MANY = "select count(*) as n from calls"
_SETTINGS = """
[server]
trusted_proxies = ["127.0.0.1/32"]
api_requests_per_minute = 100000

[query]
per_minute = 100000
at_once_per_person = 4
at_once_max = 4
rows_max = 5
timeout_s = 30
"""


@pytest.fixture(scope="module")
def house(postgres: EmbeddedPostgres) -> Iterator[AskingHouse]:
    """A running meterr without a model: SQL alone."""
    with asking_house(postgres, _SETTINGS) as house:
        yield house


@pytest.fixture(scope="module")
def key(house: AskingHouse) -> str:
    return house.key("query")[0]


class TestAnAnswer:
    @pytest.mark.parametrize("path", ["/v1/query", "/api/query"])
    def test_the_same_operation_answers_at_both_paths(
        self, house: AskingHouse, key: str, path: str
    ) -> None:
        """Issue 5.7, S2: the checklist's path is the same operation."""
        status, found = house.ask({"sql": MANY}, key=key, path=path)
        assert 200 == status
        assert {
            "sql": MANY,
            "columns": [{"name": "n", "type": "integer"}],
            "rows": [[ENTRIES]],
            "truncated": False,
            "relations": ["usage.calls"],
            "tier": "sql given",
            "chart": {"kind": "figure", "x": None, "y": [0], "series": None},
            "completions": 0,
            "intent": "",
            "simulated": False,
        } == found

    def test_decimals_are_exact_and_text(self, house: AskingHouse, key: str) -> None:
        """Issue 5.4: a sum of money is no float."""
        _, found = house.ask({"sql": "select sum(cost_usd) as usd from calls"}, key=key)
        assert [[f"0.{ENTRIES}00000000000000000"]] == found["rows"]
        assert [{"name": "usd", "type": "number"}] == found["columns"]

    def test_more_rows_than_an_answer_has_are_told_of(self, house: AskingHouse, key: str) -> None:
        """Issue 5.4: rows are cut, and the answer says so."""
        _, found = house.ask({"sql": CALLS}, key=key)
        assert (5, True) == (len(found["rows"]), found["truncated"])

    def test_no_row_of_another_tenant_comes(self, house: AskingHouse, key: str) -> None:
        """P1: each sees its own, whoever asks and however."""
        every = {"sql": "select distinct model from calls"}
        for sent in ({"key": key}, {"who": "admin"}):
            _, found = house.ask(every, **sent)
            assert [["own-model"]] == found["rows"]
        _, elsewhere = house.ask(every, who="admin-elsewhere")
        assert [[CANARY]] == elsewhere["rows"]

    def test_the_document_says_what_answers_look_like(self, house: AskingHouse, key: str) -> None:
        """The answer is written by hand for speed, and is what the OpenAPI document says."""
        answers: TypeAdapter[Any] = TypeAdapter(AnswerShown | AskedBackShown)
        for sql in (MANY, CALLS, "select at, '{\"a\":[1.5]}'::jsonb as j, null as x from calls"):
            answers.validate_python(house.ask({"sql": sql}, key=key)[1])
        document = told(house.api.send("GET", "/api/v1/openapi.json"))
        said = document["paths"]["/v1/query"]["post"]
        assert "anyOf" in said["responses"]["200"]["content"]["application/json"]["schema"]
        assert [{"session": []}, {"key": []}, {"key_header": []}] == said["security"]
        assert "query" == said["x-key-scope"]


class TestWhoMayAsk:
    def test_a_key_opens_it_in_either_header(self, house: AskingHouse, key: str) -> None:
        """Issue 5.7: Bearer and x-api-key, as on the model surfaces."""
        for headers in ({"authorization": f"Bearer {key}"}, {"x-api-key": key}):
            assert 200 == house.ask({"sql": MANY}, headers=headers)[0]

    def test_a_key_without_the_scope_may_not(self, house: AskingHouse) -> None:
        """The scope has to be given by name: no key has it by default."""
        other, _ = house.key("chat", "embeddings", "models")
        status, found = house.ask({"sql": MANY}, key=other)
        assert (403, "scope-missing") == (status, found["code"])
        for path in ("/v1/query/catalogue", "/v1/query/questions"):
            assert 403 == house.api.send("GET", path, headers={"x-api-key": other}).status

    def test_a_key_that_is_none_or_ended_may_not(self, house: AskingHouse) -> None:
        """One public text for all that does not count."""
        ended, key_id = house.key("query")
        assert 200 == house.ask({"sql": MANY}, key=ended)[0]
        house.api.send("POST", f"/api/v1/tenants/{house.own}/keys/{key_id}/revoke", who="admin")

        def refused() -> bool:
            return house.ask({"sql": MANY}, key=ended)[0] == 401

        house.api.house.until(refused)
        unknown = house.ask({"sql": MANY}, key="sk-meterr_live_" + "0" * 32)
        assert (401, "invalid-key") == (unknown[0], unknown[1]["code"])
        assert 401 == house.ask({"sql": MANY})[0]
        assert 401 == house.ask({"sql": MANY}, headers={"x-api-key": "x"})[0]

    def test_a_key_is_good_only_in_its_networks(self, house: AskingHouse) -> None:
        """Issue 4: an allow-list holds on this surface, too."""
        fenced, _ = house.key("query", networks=["203.0.113.0/24"])
        inside = {"x-forwarded-for": "203.0.113.7"}
        assert 200 == house.ask({"sql": MANY}, key=fenced, headers=inside)[0]
        assert 401 == house.ask({"sql": MANY}, key=fenced)[0]

    def test_a_key_names_no_other_tenant(self, house: AskingHouse, key: str) -> None:
        """A tenant that is not the key's is not there."""
        for named, status in ((house.own, 200), (house.other, 404), ("x", 404)):
            headers = {"x-meterr-tenant": named}
            assert status == house.ask({"sql": MANY}, key=key, headers=headers)[0]

    def test_a_person_asks_about_the_only_tenant_or_the_named_one(self, house: AskingHouse) -> None:
        """Issue 5.7: the one they are a member of; a stranger's is 404, as one that never was."""
        never = "0199aaaa-0000-7000-8000-0000000000ff"
        assert 200 == house.ask({"sql": MANY}, who="admin")[0]
        for named, status in ((house.own, 200), (house.other, 404), (never, 404), ("x", 404)):
            headers = {"x-meterr-tenant": named}
            assert status == house.ask({"sql": MANY}, who="admin", headers=headers)[0]

    def test_a_super_admin_names_the_tenant_and_says_why(self, house: AskingHouse) -> None:
        """Break-glass: a tenant, a reason, and both on record."""
        nameless = house.ask({"sql": MANY}, who="super-admin")
        assert (400, "X-Meterr-Tenant") == (nameless[0], nameless[1]["param"])
        named = {"x-meterr-tenant": house.own}
        silent = house.ask({"sql": MANY}, who="super-admin", headers=named, reason=False)
        assert (403, "proof-needed") == (silent[0], silent[1]["code"])
        assert 200 == house.ask({"sql": MANY}, who="super-admin", headers=named)[0]
        (*_, detail, tenant) = house.events("break_glass.used")[-1]
        assert (REASON, "tenant:query:ask", house.own) == (
            detail["reason"],
            detail["permission"],
            tenant,
        )

    def test_somebody_who_may_not_list_calls_does_not_read_them_here(
        self, house: AskingHouse
    ) -> None:
        """A user sees sums; calls one by one are for administrators, in SQL as well."""
        refused = house.ask({"sql": MANY}, who="user")
        assert (400, "query-refused", "unknown-table") == (
            refused[0],
            refused[1]["code"],
            refused[1]["reason"],
        )
        sums = house.ask({"sql": "select sum(calls) as n from costs_daily"}, who="user")
        assert 200 == sums[0]
        shown = told(house.api.send("GET", "/v1/query/catalogue", who="user"))
        assert "calls" not in [each["name"] for each in shown["relations"]]

    def test_a_tenant_that_is_disabled_asks_nothing(self, house: AskingHouse) -> None:
        """Neither its people nor its keys; the runner would refuse it once more."""
        body = {"state": "disabled"}
        path = f"/api/v1/platform/tenants/{house.other}"
        assert 204 == house.api.send("PATCH", path, body, who="super-admin").status
        try:
            house.api.house.until(
                lambda: house.ask({"sql": MANY}, who="admin-elsewhere")[0] in {400, 403, 404}
            )
            named = {"x-meterr-tenant": house.other}
            assert house.ask({"sql": MANY}, who="super-admin", headers=named)[0] == 404
        finally:
            house.api.send("PATCH", path, {"state": "active"}, who="super-admin")
            house.api.house.until(lambda: house.ask({"sql": MANY}, who="admin-elsewhere")[0] == 200)

    def test_another_site_cannot_make_a_browser_ask(self, house: AskingHouse) -> None:
        """CSRF: a cookie opens it for our own pages, and for nobody else's."""
        for headers, status in (
            ({"sec-fetch-site": "same-origin"}, 200),
            ({"sec-fetch-site": "cross-site"}, 403),
            ({"origin": "https://evil.example"}, 403),
            ({"origin": ORIGIN, "sec-fetch-site": "same-site"}, 403),
        ):
            sent = {**house.api.cookie("admin"), **headers}
            assert status == house.ask({"sql": MANY}, headers=sent)[0], headers


class TestBodies:
    def test_a_field_that_is_none_is_answered_with_those_that_are(
        self, house: AskingHouse, key: str
    ) -> None:
        """The way out of a slip: `query` for `question`."""
        _, found = house.ask({"query": "Cost by model"}, key=key)
        said = "query is no field of this request; these are: question, sql, source, clarified."
        assert found["detail"].startswith(said)

    @pytest.mark.parametrize(
        ("body", "param"),
        [
            ({}, "question"),
            ({"question": "x", "sql": "select 1"}, "sql"),
            ({"question": None, "sql": None}, "question"),
            ({"sql": 7}, "sql"),
            ({"sql": ["select 1"]}, "sql"),
            ({"sql": "select 1", "source": "x" * 64}, "source"),
            ({"sql": "select 1", "limit": 5}, "limit"),
            ({"sql": "select 1", "clarified": {"asked": "a", "said": "b"}}, "clarified"),
            ({"question": "x", "clarified": {"asked": "a"}}, "clarified.said"),
            ({"sql": "select 1", "tenant_id": "x"}, "tenant_id"),
        ],
    )
    def test_a_body_that_is_none_names_the_field(
        self, house: AskingHouse, key: str, body: Any, param: str
    ) -> None:
        """Exactly one of both, of the right type, and nothing beside it."""
        status, found = house.ask(body, key=key)
        assert (400, "invalid-request", param) == (status, found["code"], found["param"])

    @pytest.mark.parametrize(
        "body",
        [
            b'{"sql": "select 1", "sql": "select 2"}',
            b'{"sql": "select \\u0000"}',
            b'{"sql": "select \\ud800"}',
            b'{"sql": "select 1"',
            b"[]",
            b'"select 1"',
            b"\xff",
        ],
    )
    def test_a_text_that_has_no_one_reading_is_no_body(
        self, house: AskingHouse, key: str, body: bytes
    ) -> None:
        """Doubled names, NUL, half a surrogate, broken JSON."""
        headers = {"content-type": "application/json"}
        status, found = house.ask(body, key=key, headers=headers)
        assert (400, "invalid-request") == (status, found["code"])

    def test_a_source_that_is_not_there_names_those_that_are(
        self, house: AskingHouse, key: str
    ) -> None:
        """404 with the way out."""
        status, found = house.ask({"sql": "select 1", "source": "orders"}, key=key)
        assert (404, "source") == (status, found["param"])
        assert "usage" in found["detail"]

    def test_without_a_model_plain_language_names_the_setting(
        self, house: AskingHouse, key: str
    ) -> None:
        """SQL goes on; the rest says what the operator has not set."""
        status, found = house.ask({"question": "Cost by model"}, key=key)
        assert (501, "not-configured") == (status, found["code"])
        assert "query.model" in found["detail"]
        assert "in SQL" in found["detail"]


class TestRefusals:
    @pytest.mark.parametrize(
        ("sql", "code", "reason"),
        [
            ("delete from calls", "query-refused", "not-a-select"),
            ("select 1; drop table users", "query-refused", "many-statements"),
            ("'; DROP TABLE users; --", "query-refused", "syntax"),
            ("select set_config('meterr.tenant_id', 'x', false)", "query-refused", "function"),
            ("select * from pg_roles", "query-refused", "unknown-table"),
            ("select c.name from calls c", "query-refused", "unknown-column"),
            (f"select '{'x' * 20_000}'", "query-refused", "too-long"),
            (f"select {'1+' * 60_000}1", "query-refused", "too-long"),
            ("", "query-refused", "empty"),
            (f"select {'(' * 300}1{')' * 300}", "query-refused", "too-deep"),
            ("select 1 / (status - status) from calls", "query-failed", "division-by-zero"),
        ],
    )
    def test_a_statement_that_does_not_run_says_why_in_our_words(
        self, house: AskingHouse, key: str, sql: str, code: str, reason: str
    ) -> None:
        """RFC 9457: code, reason, sentence; never a driver's text, a role or a value."""
        status, found = house.ask({"sql": sql}, key=key)
        assert (400, code, reason, "sql") == (
            status,
            found["code"],
            found["reason"],
            found["param"],
        )
        assert found["detail"].endswith(".")
        assert "mq_" not in json.dumps(found)
        assert CANARY not in json.dumps(found)

    def test_a_place_in_the_text_is_told(self, house: AskingHouse, key: str) -> None:
        """An editor can show it."""
        _, found = house.ask({"sql": "select model,\n  nonsense from calls"}, key=key)
        assert {"offset": 16, "line": 2, "column": 3} == found["position"]


class TestTheRecord:
    def test_every_question_is_an_event_without_a_word_of_it(self, house: AskingHouse) -> None:
        """Issue 5.4: digest, tier and code; never the text."""
        mine, key_id = house.key("query")
        refused = "select 'my secret' from nowhere"
        house.ask({"sql": MANY}, key=mine)
        house.ask({"sql": refused}, key=mine)
        house.ask({"question": "What did Ada spend?"}, key=mine)
        (ran,) = house.events("query.ran", key_id)
        assert ("key", "source", "usage") == ran[:3]
        assert house.own == ran[4]
        assert {"code": "answered", "tier": "sql given", "sql_sha256": digest(MANY)} == ran[3]
        first, second = house.events("query.refused", key_id)
        assert {
            "code": "query-refused",
            "reason": "unknown-table",
            "tier": "sql given",
            "sql_sha256": digest(refused),
        } == first[3]
        assert {"code": "not-configured"} == second[3]
        assert "secret" not in str(first)

    def test_a_person_is_named_by_an_id(self, house: AskingHouse) -> None:
        """Who asked, in the tenant's own trail."""
        house.ask({"sql": MANY}, who="admin")
        assert "user" == house.events("query.ran", house.api.users["admin"])[-1][0]


class TestSavedQuestions:
    def test_a_person_saves_lists_and_ends(self, house: AskingHouse, key: str) -> None:
        """Issue 5.5: verified by a person, who is named."""
        body = {"question": "How many calls?", "sql": MANY}
        made = house.api.send("POST", "/v1/query/questions", body, who="admin")
        assert 201 == made.status
        saved = told(made)
        assert f"user {house.api.users['admin']}" == saved["author"]
        for sent in ({"who": "user"}, {"headers": {"x-api-key": key}}):
            listed = told(house.api.send("GET", "/v1/query/questions", **sent))
            assert [saved] == listed["items"]
        assert (
            [] == told(house.api.send("GET", "/v1/query/questions", who="admin-elsewhere"))["items"]
        )
        path = f"/v1/query/questions/{saved['question_id']}"
        assert 404 == house.api.send("DELETE", path, who="admin-elsewhere").status
        assert 204 == house.api.send("DELETE", path, who="admin").status
        assert 404 == house.api.send("DELETE", path, who="admin").status

    def test_a_key_may_not_vouch(self, house: AskingHouse, key: str) -> None:
        """Saving and ending take a person."""
        body = {"question": "How many calls?", "sql": MANY}
        headers = {"authorization": f"Bearer {key}"}
        assert 401 == house.api.send("POST", "/v1/query/questions", body, headers).status
        path = "/v1/query/questions/0199aaaa-0000-7000-8000-0000000000ff"
        assert 401 == house.api.send("DELETE", path, headers=headers).status
        assert 403 == house.api.send("POST", "/v1/query/questions", body, who="user").status

    def test_what_the_guard_refuses_is_not_saved(self, house: AskingHouse) -> None:
        """It would be an example for later questions."""
        body = {"question": "x", "sql": "delete from calls"}
        refused = house.api.send("POST", "/v1/query/questions", body, who="admin")
        assert (400, "sql") == (refused.status, told(refused)["param"])


class TestTheCatalogue:
    def test_it_says_what_can_be_asked_with_units(self, house: AskingHouse, key: str) -> None:
        """Issue 5.3: documented columns with units."""
        found = told(house.api.send("GET", "/v1/query/catalogue", headers={"x-api-key": key}))
        assert ("usage", False) == (found["source"], found["plain_language"])
        relations = {each["name"]: each for each in found["relations"]}
        assert {"calls", "costs_daily", "keys"} <= set(relations)
        assert all(c["meaning"] for each in found["relations"] for c in each["columns"])
        assert "cost" in [each["name"] for each in found["metrics"]]
        nowhere = house.api.send("GET", "/v1/query/catalogue?source=x", who="admin")
        assert 404 == nowhere.status


def digest(sql: str) -> str:
    return hashlib.sha256(sql.encode()).hexdigest()
