"""uvicorn as this house runs it: our protocol limits, no logs of its own, an inherited socket."""

import asyncio
import gc
import socket
from typing import Any

import uvicorn

from meterr.app.acceptor import Acceptor
from meterr.app.child import say_ready, when_parent_is_gone
from meterr.app.turns import Seat
from meterr.core.http.answer_head import NO_BLOCK
from meterr.core.http.asgi import Application
from meterr.core.http.connection import Connection
from meterr.core.http.settings import ServerSettings

_BACKLOG = 2048

_GC_THRESHOLDS = (20_000, 50, 100)
"""A call leaves no cycles, so the collector has little to find; measured: 7 % of a call's time."""


async def serve(
    application: Application,
    settings: ServerSettings,
    listener: int,
    seat: Seat | None = None,
    usual_head: bytes = NO_BLOCK,
) -> None:
    """
    Serve until the parent goes or a signal says stop; running calls get their time to finish.

    With a ``seat`` other processes take connections from ``listener`` too. ``usual_head`` is the
    block of header lines that every answer carries unless its route chose another.
    """
    app: Any = application
    config = uvicorn.Config(
        app,
        http=_protocol(settings, usual_head),
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
    server = _Server(config, seat)

    def stop() -> None:
        server.should_exit = True

    when_parent_is_gone(stop)
    await server.serve(sockets=[socket.socket(fileno=listener)])


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, seat: Seat | None) -> None:
        super().__init__(config)
        self._seat = seat
        self._acceptor: Acceptor | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        if self._seat is None or not sockets:
            await super().startup(sockets)
        else:
            await super().startup([])  # the libraries would take whatever they can get
            self._acceptor = Acceptor(
                sockets[0], self._seat, self._new_protocol, self.server_state.connections
            )
            self._acceptor.start()
        _collect_what_calls_leave()
        say_ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        if self._acceptor is not None:
            await self._acceptor.close()
        await super().shutdown(sockets)

    def _new_protocol(self) -> asyncio.Protocol:
        make: Any = self.config.http_protocol_class
        made: asyncio.Protocol = make(
            config=self.config, server_state=self.server_state, app_state=self.lifespan.state
        )
        return made


def _collect_what_calls_leave() -> None:
    """Have garbage collected from now on. What is here (modules, prices, routes) stays, unseen."""
    gc.freeze()
    gc.set_threshold(*_GC_THRESHOLDS)
    gc.enable()


def _protocol(settings: ServerSettings, head: bytes) -> type[Connection]:
    class Protocol(Connection):
        usual_head = head
        head_bytes_max = settings.head_bytes_max
        head_timeout_s = settings.head_timeout_s
        write_timeout_s = settings.write_timeout_s
        keep_alive_s = settings.keep_alive_s
        linger_s = settings.body_timeout_s

    return Protocol
