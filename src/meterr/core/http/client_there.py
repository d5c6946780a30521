"""Work that is done for somebody who waits for it: when they leave, it ends."""

import asyncio
from collections.abc import Coroutine

from meterr.core.http.asgi import Receive
from meterr.core.http.body import ClientGone


async def while_there(receive: Receive, work: Coroutine[object, object, None]) -> None:
    """
    Await ``work``; cancel it, and wait for its end, when the client of this request leaves.

    Raises ClientGone then. The body must have been read already.
    """
    working, leaving = asyncio.ensure_future(work), asyncio.ensure_future(_left(receive))
    try:
        await asyncio.wait([working, leaving], return_when=asyncio.FIRST_COMPLETED)
    finally:
        leaving.cancel()
        if working.cancel():  # it has not ended by itself
            await asyncio.wait([working])
    if working.cancelled():
        raise ClientGone
    working.result()


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
