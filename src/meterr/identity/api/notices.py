"""``/api/v1/me/notices``: what one has been told."""

from collections.abc import Iterator
from datetime import datetime
from functools import partial
from typing import Final

from meterr.core.api import After, CallerHere, Limit, Operation, Shown
from meterr.core.policy import Permission
from meterr.identity.api.services import IdentityServices
from meterr.identity.notices import Notice, list_notices, mark_read
from meterr.identity.notices.text import TEXTS

_PATH: Final = "/api/v1/me/notices"


class NoticeShown(Shown):
    """That an event concerns one: what happened, to what, and what to do."""

    notice_id: str
    at: datetime
    kind: str
    tenant_id: str | None
    about: str
    many: int
    what: str
    then: str
    read_at: datetime | None


class NoticeList(Shown):
    """One page of notices, newest first."""

    items: list[NoticeShown]
    after: str | None


class NoticeRoutes:
    """One's own notices."""

    def __init__(self, services: IdentityServices) -> None:
        self._at = services

    async def list(
        self, caller: CallerHere, unread: bool = False, after: After = None, limit: Limit = 50
    ) -> NoticeList:
        """List one's own notices, newest first, or only those that one has not read."""
        page = await list_notices(
            self._at.people_db, caller.who.user_id, unread=unread, after=after, limit=limit
        )
        return NoticeList(items=[_shown(each) for each in page.notices], after=page.after)

    async def read(self, notice_id: str, caller: CallerHere) -> None:
        """Mark one of one's own notices as read."""
        await mark_read(self._at.people_db, caller.who.user_id, notice_id)

    def operations(self) -> Iterator[Operation]:
        """Yield the routes."""
        may, one = Permission.SELF_NOTICE_READ, f"{_PATH}/{{notice_id}}/read"
        of = partial(Operation.of, "notices")
        yield of("GET", _PATH, may, self.list)
        yield of("POST", one, may, self.read, status=204)


def _shown(notice: Notice) -> NoticeShown:
    text = TEXTS.get(notice.kind)
    return NoticeShown(
        notice_id=notice.event_id,
        at=notice.at,
        kind=notice.kind,
        tenant_id=notice.tenant_id,
        about=notice.about,
        many=notice.many,
        what="" if text is None else text.what,
        then="" if text is None else text.then,
        read_at=notice.read_at,
    )
