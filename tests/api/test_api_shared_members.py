"""People of two tenants: what an administrator of one of them can do to them."""

import asyncio
from collections.abc import Mapping
from typing import Any

from api_oracle import BODIES, TO_SHARED_MEMBERS

from meterr.core.policy import Role
from support.api_house import ApiHouse, Services, Who, told
from support.api_routes import described
from support.simulator import Answer


def shared(api: ApiHouse, name: str, *tenants: str) -> None:
    """Make somebody who is a user of each of the tenants."""

    async def make() -> str:
        async with Services(api.house.database_url, api.keks) as at:
            for tenant in tenants:
                who = Who(name, Role.USER, tenant, factor=False)
                user_id = await at.make(who, api.tenants[tenant])
            return user_id

    api.users[name] = asyncio.run(make())


def verdict(answer: Answer) -> str:
    ok = answer.status in (200, 204)
    return "yes" if ok else f"{answer.status} {told(answer)['code']}"


def ended(api: ApiHouse, who: str, whose: str) -> Answer:
    path = f"/api/v1/tenants/{api.tenants['own']}/members/{api.users[whose]}/sessions"
    return api.send("DELETE", path, who=who)


def signed_in(api: ApiHouse, token: str) -> bool:
    headers: Mapping[str, Any] = {"authorization": f"Bearer {token}"}
    return api.send("GET", "/api/v1/me", headers=headers).status == 200


def test_every_route_about_a_member_does_what_the_table_says_to_one_of_two_tenants(
    api: ApiHouse,
) -> None:
    """P4: no tenant reaches into another by way of a person; generated from the routes."""
    routes = [each for each in described(api) if "/members/{user_id}" in each.template]
    found = {}
    for n, route in enumerate(routes):
        name = f"shared-{n}"
        shared(api, name, "own", "other")
        path = route.template.replace("{tenant_id}", api.tenants["own"])
        path = path.replace("{user_id}", api.users[name])
        answer = api.send(route.method, path, BODIES.get(route.name), who="admin")
        found[route.name] = verdict(answer)
    assert TO_SHARED_MEMBERS == found


def test_sessions_of_somebody_of_two_tenants_are_the_platforms_to_end(api: ApiHouse) -> None:
    """A refusal that says what to do instead, and ends nothing; a super_admin has a reason."""
    shared(api, "both", "own", "other")
    token = api.token("both")
    refused = ended(api, "admin", "both")
    assert "Remove the membership" in told(refused)["detail"]
    assert signed_in(api, token)
    assert {"ended": 1} == told(ended(api, "super-admin", "both"))
    api.house.until(lambda: not signed_in(api, token))


def test_sessions_of_ones_own_people_are_ones_own_to_end(api: ApiHouse) -> None:
    """Also of somebody who left the other tenant since."""
    shared(api, "left", "own", "other")
    other = f"/api/v1/tenants/{api.tenants['other']}/members/{api.users['left']}"
    assert 204 == api.send("DELETE", other, who="admin-elsewhere").status
    token = api.token("left")
    assert {"ended": 1} == told(ended(api, "admin", "left"))
    assert not signed_in(api, token)
