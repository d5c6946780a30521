"""
What a process saw of its keys, kept in memory until somebody writes it down.

Nothing here waits, and every table has a named size: what does not fit is counted under one name or
left out, so a flood of keys or callers costs no memory. Losing it with the process costs at most
the last minute of what people read, and no verdict on a key depends on it.
"""

import re
from typing import Final

from meterr.identity.client import Client
from meterr.identity.model import VerifiedKey
from meterr.identity.networks import address_in
from meterr.identity.uses.model import Calls, Page, Use

KEYS_MAX: Final = 100_000
CALLERS_MAX: Final = 1_000
MACS_MAX: Final = 10_000
AGENT_CHARS_MAX: Final = 120
# A key's last use is written at most this often: people ask which keys are idle, not since when.
USE_EVERY_MS: Final = 60_000
OTHERS: Final = "::"
"""The unspecified address: callers that were too many to keep apart."""

_KEY_LIKE: Final = re.compile(r"sk-meterr_[0-9A-Za-z_]*")
_Caller = tuple[str, str, str, bytes]


class Diary:
    """Uses, callers and MACs to move since the last page was taken. Belongs to one event loop."""

    def __init__(self) -> None:
        self._used: dict[str, tuple[str, int]] = {}
        self._written: dict[str, int] = {}
        self._callers: dict[_Caller, tuple[int, int]] = {}
        self._macs: dict[bytes, bytes] = {}

    def note(self, key: VerifiedKey, now_ms: int) -> None:
        """Note that ``key`` counted."""
        if len(self._used) < KEYS_MAX:
            principal = key.principal
            self._used[principal.key_id] = (principal.tenant_id, now_ms)

    def note_caller(self, key: VerifiedKey, client: Client, now_ms: int) -> None:
        """Note who called with ``key``, which is to be replaced."""
        principal = key.principal
        agent = client.user_agent[:AGENT_CHARS_MAX]
        caller = (principal.tenant_id, principal.key_id, client.address, agent)
        if caller not in self._callers and len(self._callers) >= CALLERS_MAX:
            caller = (principal.tenant_id, principal.key_id, OTHERS, b"")
            if caller not in self._callers and len(self._callers) >= 2 * CALLERS_MAX:
                return
        calls, _ = self._callers.get(caller, (0, 0))
        self._callers[caller] = (calls + 1, now_ms)

    def note_old_mac(self, found: bytes, new: bytes) -> None:
        """Note that a key is stored under ``found`` and belongs under ``new``."""
        if len(self._macs) < MACS_MAX:
            self._macs[found] = new

    def take(self, now_ms: int) -> Page:
        """Return what is to be written now and forget it; a use that was written lately waits."""
        horizon = now_ms - USE_EVERY_MS
        self._written = {key: at for key, at in self._written.items() if at > horizon}
        due = [key for key in self._used if key not in self._written]
        uses = []
        for key_id in due:
            tenant_id, at_ms = self._used.pop(key_id)
            uses.append(Use(tenant_id, key_id, at_ms))
            self._written[key_id] = now_ms
        callers, self._callers = self._callers, {}
        macs, self._macs = self._macs, {}
        return Page(
            uses=tuple(uses),
            callers=tuple(
                Calls(tenant, key, _told_address(address), told_agent(agent), calls, at)
                for (tenant, key, address, agent), (calls, at) in callers.items()
            ),
            macs=macs,
        )

    def take_all(self, now_ms: int) -> Page:
        """Return everything, also what was written lately: the process ends."""
        self._written = {}
        return self.take(now_ms)

    def put_back(self, page: Page) -> None:
        """Keep what could not be written for the next page; what came meanwhile counts more."""
        for use in page.uses:
            self._written.pop(use.key_id, None)
            self._used.setdefault(use.key_id, (use.tenant_id, use.at_ms))
        for told in page.callers:
            caller = (told.tenant_id, told.key_id, told.address, told.user_agent.encode())
            calls, at_ms = self._callers.get(caller, (0, 0))
            if calls or len(self._callers) < CALLERS_MAX:
                self._callers[caller] = (calls + told.calls, max(at_ms, told.at_ms))
        self._macs = {**page.macs, **self._macs}


def told_agent(raw: bytes) -> str:
    """Return what a program calls itself as short printable ASCII, and no key with it."""
    text = raw[:AGENT_CHARS_MAX].decode("ascii", "replace")
    shown = "".join(each if each.isascii() and each.isprintable() else "?" for each in text)
    return _KEY_LIKE.sub("sk-meterr_...", shown)[:AGENT_CHARS_MAX]


def _told_address(text: str) -> str:
    address = address_in(text)
    return OTHERS if address is None else str(address)
