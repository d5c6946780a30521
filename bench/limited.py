"""The same gateway process seen with keys that are held to limits: what leases and limits cost."""

import json
from dataclasses import replace

from bench.contenders import Contender
from bench.meterr_process import Meterr

BUDGET, LIMITS = "budget", "limits"
# So large that no call is refused: what is measured is the way of the calls that pass.
_USD, _COUNT = "1000000000", "1000000000000"


def limited(running: Meterr) -> list[Contender]:
    """Return contenders with a key under a hard budget, and under a budget and both rates."""
    budget, limits = _key(running, BUDGET), _key(running, LIMITS)
    for key in (budget, limits):
        running.command("budget", "set", _USD, "--per", "month", "--key", key["key_id"])
    for measure in ("requests", "tokens"):
        running.command("limit", "set", measure, _COUNT, "--key", limits["key_id"])
    return [_as(running, BUDGET, budget["secret"]), _as(running, LIMITS, limits["secret"])]


def _key(running: Meterr, name: str) -> dict[str, str]:
    made = running.command("key", "create", "--name", name, "--json")
    (key,) = json.loads(made)["items"]
    return {"key_id": key["key_id"], "secret": key["secret"]}


def _as(running: Meterr, name: str, key: str) -> Contender:
    return replace(running.contender(), name=name, headers=[f"authorization: Bearer {key}"])
