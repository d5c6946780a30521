"""``GET /v1/models``: one path, two families; the header ``anthropic-version`` chooses."""

import json
from typing import Any

import anthropic
import openai
import pytest

from support.conversation import ANTHROPIC_VERSION, Conversation
from support.simulator import Answer


def get(talk: Conversation, path: str, key: str | None = None, **headers: str) -> Answer:
    bearer = f"Bearer {talk.house.key if key is None else key}"
    return talk.wire.send("GET", path, headers={"authorization": bearer, **headers})


def test_openais_sdk_lists_and_reads_models(meterr: Conversation) -> None:
    """4.2, 2: the shape that OpenAI's callers expect."""
    with openai.OpenAI(base_url=f"{meterr.house.base_url}/v1", api_key=meterr.house.key) as sdk:
        names = [model.id for model in sdk.models.list()]
        assert "gpt-4o-mini" in names
        assert names == sorted(names)
        model = sdk.models.retrieve("gpt-4o-mini")
    assert ("gpt-4o-mini", "model", "openai") == (model.id, model.object, model.owned_by)


def test_anthropics_sdk_lists_pages_and_reads_models(meterr: Conversation) -> None:
    """4.2, 2: the shape that Anthropic's callers expect, page by page."""
    with anthropic.Anthropic(base_url=meterr.house.base_url, api_key=meterr.house.key) as sdk:
        whole = [model.id for model in sdk.models.list(limit=1000)]
        paged = [model.id for model in sdk.models.list(limit=2)]
        model = sdk.models.retrieve("claude-haiku-4-5")
    assert whole == paged
    assert "claude-haiku-4-5" in whole
    assert ("claude-haiku-4-5", "model") == (model.id, model.type)
    assert model.display_name


def test_pages_can_be_read_backwards(meterr: Conversation) -> None:
    """``before_id`` takes the page in front of it."""
    listed: Any = get(meterr, "/v1/models?limit=1000", **ANTHROPIC_VERSION).json()
    names = [model["id"] for model in listed["data"]]
    before: Any = get(
        meterr, f"/v1/models?limit=2&before_id={names[4]}", **ANTHROPIC_VERSION
    ).json()
    assert (names[2:4], True) == ([model["id"] for model in before["data"]], before["has_more"])


def test_a_family_lists_only_what_its_surfaces_serve(meterr: Conversation) -> None:
    """What is listed can be called: no claude on the OpenAI side, kimi on both."""
    ours = {model["id"] for model in get(meterr, "/v1/models").json()["data"]}
    theirs = {
        model["id"]
        for model in get(meterr, "/v1/models?limit=1000", **ANTHROPIC_VERSION).json()["data"]
    }
    assert not any(name.startswith("claude-") for name in ours)
    assert not any(name.startswith("gpt-") for name in theirs)
    assert "kimi-k2.6" in ours & theirs


def test_a_key_sees_only_its_own_models(meterr: Conversation) -> None:
    """The key's list of models narrows what it is told, in list and by name."""
    key = meterr.house.new_key(models=["gpt-4o-*"])
    listed = {model["id"] for model in get(meterr, "/v1/models", key).json()["data"]}
    assert listed
    assert all(name.startswith("gpt-4o-") for name in listed)
    assert 404 == get(meterr, "/v1/models/kimi-k2.6", key).status
    assert 200 == get(meterr, "/v1/models/gpt-4o-mini", key).status


@pytest.mark.parametrize("limit", ["0", "1001", "-1", "ten", "1.5", "%D9%A1", "1" * 5000])
def test_a_limit_out_of_range_is_refused_by_name(meterr: Conversation, limit: str) -> None:
    """Bad input: the text names the field."""
    answer = get(meterr, f"/v1/models?limit={limit}", **ANTHROPIC_VERSION)
    assert (400, "invalid_request_error") == (answer.status, answer.json()["error"]["type"])
    assert "limit" in answer.json()["error"]["message"]


@pytest.mark.parametrize("headers", [{}, ANTHROPIC_VERSION], ids=["openai", "anthropic"])
def test_an_unknown_model_is_refused_in_the_callers_shape(
    meterr: Conversation, headers: dict[str, str]
) -> None:
    """Bad input: 404 in the family's shape, and the way out is named."""
    answer = get(meterr, "/v1/models/nosuch%2Fmodel", **headers)
    told: Any = json.loads(answer.body)
    assert 404 == answer.status
    assert "nosuch/model" in told["error"]["message"]
    assert ("type" in told) is bool(headers)
