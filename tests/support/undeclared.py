"""A gateway with one more route than the policy registry knows: it must not come to listen."""

import asyncio
import json
import sys
from collections.abc import Mapping

from meterr.app.gateway_process import open_door
from meterr.core.clock import SystemClock
from meterr.core.http.asgi import Receive, Scope, Send
from meterr.core.http.route import Route
from meterr.core.settings import Settings
from meterr.core.telemetry import RequestLine, Telemetry


async def _forgotten(scope: Scope, receive: Receive, send: Send, line: RequestLine) -> None:
    raise AssertionError("served")


async def _serve(told: Mapping[str, str]) -> None:
    further = {told["path"]: Route("forgotten", {"GET": _forgotten})} if told["path"] else {}
    settings = Settings.model_validate(told["settings"])
    async with open_door(settings, told["dsn"], Telemetry(SystemClock()), further=further):
        sys.stdout.write("serves\n")


if __name__ == "__main__":
    asyncio.run(_serve(json.loads(sys.stdin.readline())))
