"""An emergency of the whole installation, over HTTP: every tenant's keys, and who gets new ones."""

from collections.abc import Iterator

import pytest

from meterr.core.postgres import EmbeddedPostgres
from support.api_house import REASON, ApiHouse, shared_api_house, told

_CHAT = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "x"}]}
_ALL = "/api/v1/platform/keys/rotate-all"


@pytest.fixture
def house(postgres: EmbeddedPostgres) -> Iterator[ApiHouse]:
    """A house of the test's own: nothing in it has a key afterwards."""
    with shared_api_house(postgres) as api:
        yield api


def works(api: ApiHouse, secret: str) -> int:
    headers = {"authorization": f"Bearer {secret}"}
    return api.send("POST", "/v1/chat/completions", _CHAT, headers).status


def test_every_key_of_every_tenant_ends_and_each_owner_gets_a_successor(house: ApiHouse) -> None:
    """Issue 4, item 3: dry first, one call, codes by each tenant's own people, owners told."""
    admins = {"own": "admin", "other": "admin-elsewhere"}
    paths = {each: f"/api/v1/tenants/{house.tenants[each]}/keys" for each in admins}
    terms = {"name": "billing", "scopes": ["chat"]}
    secrets = {"of the house": house.house.key}
    for each, admin in admins.items():
        owner = house.users["user" if each == "own" else "user-elsewhere"]
        made = house.send("POST", paths[each], {**terms, "owner_user_id": owner}, who=admin)
        secrets[each] = told(made)["secret"]
    assert {200} == {works(house, secret) for secret in secrets.values()}

    dry = told(house.send("POST", _ALL, {"reason": REASON, "dry_run": True}, who="super-admin"))
    assert (3, 2, None) == (dry["keys"], len(dry["tenants"]), dry["emergency_id"])
    assert {200} == {works(house, secret) for secret in secrets.values()}
    struck = told(house.send("POST", _ALL, {"reason": REASON}, who="super-admin"))
    assert 3 == struck["keys"]
    for secret in secrets.values():
        house.house.until(lambda secret=secret: works(house, secret) == 401)

    asked = {"reason": REASON, "emergency_id": struck["emergency_id"]}
    for each, admin in admins.items():
        assert 403 == house.send("POST", f"{paths[each]}/claims", asked, who="super-admin").status
        claims = told(house.send("POST", f"{paths[each]}/claims", asked, who=admin))["items"]
        assert len(claims) == (2 if each == "own" else 1)
        for claim in claims:
            collected = told(
                house.send("POST", "/api/v1/key-claims/collect", {"code": claim["code"]})
            )
            assert 200 == works(house, collected["new"]["secret"])
    for who in ("user", "user-elsewhere"):
        notices = told(house.send("GET", "/api/v1/me/notices", who=who))["items"]
        assert ("key.emergency", "billing") in {(n["kind"], n["about"]) for n in notices}
