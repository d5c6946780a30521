"""
What a process remembers of sessions: those that were asked about and live, and the keys of tokens.

A notice forgets whatever it may be about, and a read that was under way meanwhile is used once and
not remembered; so nothing that ended comes back. There is no list of what has ended: what is not
here is asked for.
"""

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from typing import Final

import msgspec

from meterr.core.db import Connection
from meterr.identity.deadline import within
from meterr.identity.notify import ANSWER_TIMEOUT_S
from meterr.identity.sessions import store
from meterr.identity.sessions.key_states import KnownKey
from meterr.identity.sessions.model import LiveSession

# About 1 kB each. A process that meets more people at once reads some of them again.
SESSIONS_MAX: Final = 10_000


class _Payload(msgspec.Struct):
    """What of a notice matters here; notices of keys and limits come by, too."""

    tenant_id: str | None = None
    user_id: str | None = None
    session_id: str | None = None
    signing_key: str | None = None
    mac: str | None = None


class SessionMemory:
    """Live sessions by id, and the keys that verify; fed by a listener."""

    def __init__(self, sessions_max: int = SESSIONS_MAX) -> None:
        self._sessions_max = sessions_max
        self._sessions: OrderedDict[str, LiveSession] = OrderedDict()
        self._concerning: dict[str, set[str]] = {}
        self._payloads = msgspec.json.Decoder(_Payload)
        self._keys_are_stale = True
        self.keys: Mapping[str, KnownKey] = {}
        self.notices = 0
        """How many notices came; a read is remembered only if this did not change meanwhile."""

    def __len__(self) -> int:
        return len(self._sessions)

    def get(self, session_id: str) -> LiveSession | None:
        """Return a session that was read and about which nothing was heard since."""
        return self._sessions.get(session_id)

    def remember(
        self, session: LiveSession | None, keys: Mapping[str, KnownKey] | None, notices: int
    ) -> None:
        """Remember what a read found that began when ``notices`` had come."""
        if notices != self.notices:
            return
        if keys is not None:
            self.keys = keys
        if session is None or not session.lives:
            return
        self._forget(session.session_id)
        while len(self._sessions) >= self._sessions_max:
            self._forget(next(iter(self._sessions)))
        self._sessions[session.session_id] = session
        for subject in _subjects(session):
            self._concerning.setdefault(subject, set()).add(session.session_id)

    def hear(self, payload: str) -> bool:
        """Forget the sessions that a notice may be about; False when it is none of ours."""
        try:
            told = self._payloads.decode(payload)
        except ValueError:
            return False
        about = (told.signing_key, told.session_id, told.user_id, told.tenant_id)
        if about == (None, None, None, None):
            return told.mac is not None  # of a key: whatever is being read here stays true
        self.notices += 1
        if told.signing_key is not None:
            self._keys_are_stale = True
        elif told.session_id is not None:
            self._forget(told.session_id)
        elif told.user_id is not None:
            self._forget_all(told.user_id)
        elif told.tenant_id is not None:
            self._forget_all(told.tenant_id)
        return True

    def start_generation(self) -> None:
        """Forget everything: there was a gap in the notices."""
        self.notices += 1
        self._sessions.clear()
        self._concerning.clear()
        self._keys_are_stale = True

    async def catch_up(self, connection: Connection) -> None:
        """Read the keys again if something was heard of them; sessions wait for their people."""
        if self._keys_are_stale:
            self._keys_are_stale = False
            self.keys = await within(ANSWER_TIMEOUT_S, store.read_verifying_keys(connection))

    def _forget_all(self, subject: str) -> None:
        for session_id in list(self._concerning.get(subject, ())):
            self._forget(session_id)

    def _forget(self, session_id: str) -> None:
        known = self._sessions.pop(session_id, None)
        if known is None:
            return
        for subject in _subjects(known):
            concerned = self._concerning[subject]
            concerned.discard(session_id)
            if not concerned:
                del self._concerning[subject]


def _subjects(session: LiveSession) -> Iterable[str]:
    return {session.user_id, *session.tenants}
