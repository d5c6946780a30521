"""uvicorn as this house runs it: our protocol limits, no logs of its own, an inherited socket."""

import socket
from typing import Any

import uvicorn

from meterr.app.child import say_ready, when_parent_is_gone
from meterr.core.http.asgi import Application
from meterr.core.http.connection import Connection
from meterr.core.settings import ServerSettings

_BACKLOG = 2048


async def serve(application: Application, settings: ServerSettings, listener: int) -> None:
    """Serve until the parent goes or a signal says stop; running calls get their time to finish."""
    app: Any = application
    config = uvicorn.Config(
        app,
        http=_protocol(settings),
        loop="none",
        lifespan="off",
        ws="none",
        interface="asgi3",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        backlog=_BACKLOG,
        timeout_graceful_shutdown=settings.stop_timeout_s,
    )
    server = _Server(config)

    def stop() -> None:
        server.should_exit = True

    when_parent_is_gone(stop)
    await server.serve(sockets=[socket.socket(fileno=listener)])


class _Server(uvicorn.Server):
    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        say_ready()


def _protocol(settings: ServerSettings) -> type[Connection]:
    class Protocol(Connection):
        head_bytes_max = settings.head_bytes_max
        head_timeout_s = settings.head_timeout_s
        write_timeout_s = settings.write_timeout_s
        keep_alive_s = settings.keep_alive_s
        linger_s = settings.body_timeout_s

    return Protocol
