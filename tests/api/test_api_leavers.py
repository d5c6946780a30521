"""What somebody who was shown out still gets by way of keys, over HTTP."""

import asyncio

from meterr.core.policy import Role as MemberRole
from support.api_house import JSON, REASON, ApiHouse, Services, Who, told

_CHAT = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "x"}]}


# The own tenant has the house's key, so every key of a tenant is ended in the other one.
_ADMINS = {"own": "admin", "other": "admin-elsewhere"}


def keys(api: ApiHouse, tail: str = "", tenant: str = "own") -> str:
    return f"/api/v1/tenants/{api.tenants[tenant]}/keys{tail}"


def second_admin(api: ApiHouse, name: str, tenant: str = "own") -> str:
    async def make() -> str:
        async with Services(api.house.database_url, api.keks) as at:
            who = Who(name, MemberRole.ADMIN, tenant, factor=True)
            return await at.make(who, api.tenants[tenant])

    api.users[name] = asyncio.run(make())
    return api.users[name]


def works(api: ApiHouse, secret: str) -> int:
    headers = {"authorization": f"Bearer {secret}"}
    return api.send("POST", "/v1/chat/completions", _CHAT, headers).status


def made(api: ApiHouse, tenant: str = "own") -> str:
    asked = {"name": "x", "scopes": ["chat"]}
    answer = api.send("POST", keys(api, tenant=tenant), asked, who=_ADMINS[tenant])
    assert 201 == answer.status, answer.body
    key_id: str = told(answer)["key"]["key_id"]
    return key_id


def shown_out(api: ApiHouse, user_id: str, tenant: str = "own") -> None:
    path = f"/api/v1/tenants/{api.tenants[tenant]}/members/{user_id}"
    assert 204 == api.send("DELETE", path, who=_ADMINS[tenant]).status


def test_codes_of_an_admin_who_was_removed_are_worth_nothing(api: ApiHouse) -> None:
    """A code is a key for its bearer: no door that somebody keeps open for later."""
    mallory = second_admin(api, "mallory", "other")
    made(api, "other")
    asked = {"reason": REASON}
    struck = told(api.send("POST", keys(api, "/rotate-all", "other"), asked, who="mallory"))
    asked = {"reason": REASON, "emergency_id": struck["emergency_id"]}
    path = keys(api, "/claims", "other")
    lost = told(api.send("POST", path, asked, who="mallory"))["items"]
    shown_out(api, mallory, "other")
    collect = "/api/v1/key-claims/collect"
    refused = api.send("POST", collect, {"code": lost[0]["code"]}, JSON)
    assert (404, "code-refused") == (refused.status, told(refused)["code"])
    again = told(api.send("POST", path, asked, who="admin-elsewhere"))["items"]
    assert lost[0]["successor_id"] == again[0]["successor_id"]
    assert 200 == api.send("POST", collect, {"code": again[0]["code"]}, JSON).status


def test_what_a_removed_admin_rotated_is_found_by_author(api: ApiHouse) -> None:
    """`revoke-made-by` ends every secret that somebody was shown, not only keys of their making."""
    trent = second_admin(api, "trent")
    key_id = made(api)
    asked = {"reason": REASON, "grace_s": 86400}
    new = told(api.send("POST", keys(api, f"/{key_id}/rotate"), asked, who="trent"))["new"]
    shown_out(api, trent)
    path = keys(api, "/revoke-made-by")
    for dry_run in (True, False):
        assert 200 == works(api, new["secret"])
        asked = {"author": f"user {trent}", "dry_run": dry_run}
        ended = told(api.send("POST", path, asked, who="admin"))["keys"]
        assert [new["key"]["key_id"]] == ended
    api.house.until(lambda: works(api, new["secret"]) == 401)
