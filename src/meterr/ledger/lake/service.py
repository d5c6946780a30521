"""Use cases of the export: write closed days to a folder, and compare a folder with the ledger."""

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from meterr.core.db import Database
from meterr.core.errors import Invalid
from meterr.ledger.lake import folder, store
from meterr.ledger.lake.batch import Batch, BatchLimits
from meterr.ledger.lake.columns import SCHEMA_VERSION
from meterr.ledger.lake.days import WRITTEN_AGAIN, DayState, Figures, judge
from meterr.ledger.lake.model import (
    DayReport,
    DayWriter,
    Footer,
    Format,
    Unreadable,
    Wanted,
)
from meterr.ledger.store import unknown_tenants

_DAY = timedelta(days=1)

Progress = Callable[[date, int], None]


def _silent(day: date, entries: int) -> None: ...


class _Stored(NamedTuple):
    figures: Figures
    tenants: list[str]  # those with entries, in order


class _Shrunk(Exception):
    """The ledger has fewer entries of a day than when they were counted."""


class Lake:
    """
    A folder of exported days, and the ledger that they come from.

    Acts as ``meterr_app``, one tenant a transaction: it sees what any reading command sees, and no
    statement of it could show one tenant's entries among another's.
    """

    def __init__(
        self, db: Database, root: Path, format_: Format, limits: BatchLimits | None = None
    ) -> None:
        self._db = db
        self._root = root
        self._format = format_
        self._limits = limits or BatchLimits()

    async def export(
        self, wanted: Wanted, now: datetime, on_progress: Progress = _silent
    ) -> list[DayReport]:
        """
        Write the days that have no file or got entries since; return every day, oldest first.

        A file appears whole or not at all, and one that cannot be explained by entries that came
        later is left as it is and reported. Raises Invalid when the folder holds another selection
        of tenants, OperatorError while another export writes to it. A day's tenants are read one
        after the other: what arrives meanwhile makes the day late, and the next export writes it.
        """
        reports = []
        with folder.only_one(self._root):
            self._check_selection(wanted)
            stored = await self._stored(wanted)
            for day in self._days(wanted, stored):
                found = self._look(day, stored.get(day))
                if found is not None and found.state in WRITTEN_AGAIN:
                    found = await self._written(found, stored[day], wanted, now, on_progress)
                if found is not None:
                    reports.append(found)
        return reports

    async def check(self, wanted: Wanted) -> list[DayReport]:
        """
        Compare each day's file with the ledger, and with what it says of itself; change nothing.

        Reads every file in full, so a damaged one is found whether or not the ledger still has its
        day. Raises Invalid like ``export``.
        """
        self._check_selection(wanted)
        stored = await self._stored(wanted)
        found = [self._look(day, stored.get(day)) for day in self._days(wanted, stored)]
        return [self._recounted(report) for report in found if report is not None]

    def _check_selection(self, wanted: Wanted) -> None:
        for day in folder.exported_days(self._root):
            try:
                tenant = self._format.footer(folder.file_of(self._root, day)).tenant
            except Unreadable:
                continue  # its own day reports it
            if tenant != wanted.tenant:
                holds = f"tenant {tenant}" if tenant else "every tenant"
                raise Invalid(
                    f"{self._root} holds the export of {holds}; use a folder for each selection.",
                    param="tenant",
                )

    async def _stored(self, wanted: Wanted) -> dict[date, _Stored]:
        """Return what the database has of each day that it has entries of, or a partition for."""
        async with self._db.transaction() as conn:
            days = await store.days_with_partition(conn, wanted.since, wanted.until)
            unknown = [] if wanted.tenant else await unknown_tenants(conn)
        found = {day: _Stored(Figures(), []) for day in days}
        for tenant in sorted({*wanted.tenants, *unknown}):
            async with self._db.tenant_transaction(tenant) as conn:
                by_day = await store.figures_by_day(conn, tenant, wanted.since, wanted.until)
            for day, figures in by_day.items():
                before = found.get(day, _Stored(Figures(), []))
                before.tenants.append(tenant)
                found[day] = before._replace(figures=before.figures.plus(figures))
        return found

    def _days(self, wanted: Wanted, stored: dict[date, _Stored]) -> list[date]:
        exported = folder.exported_days(self._root)
        return sorted({*stored, *(day for day in exported if wanted.since <= day < wanted.until)})

    def _look(self, day: date, stored: _Stored | None) -> DayReport | None:
        """Compare one day by what its file says of itself; None when nothing is on either side."""
        file = folder.file_of(self._root, day)
        there = None if stored is None else stored.figures
        try:
            here = self._footer(file, day).figures if file.exists() else None
        except Unreadable as error:
            return DayReport(day, DayState.UNREADABLE, False, Figures(), file, str(error))
        state = judge(there, here)
        if state is None:
            return None
        detail = "" if there is None or there == here else _told(there)
        return DayReport(day, state, False, here or Figures(), file, detail)

    def _footer(self, file: Path, day: date) -> Footer:
        footer = self._format.footer(file)
        if footer.day != day:
            raise Unreadable(f"the file of {footer.day}")
        return footer

    def _recounted(self, report: DayReport) -> DayReport:
        if report.state in (DayState.MISSING, DayState.UNREADABLE):
            return report
        try:
            counted = self._format.recount(report.file)
        except Unreadable as error:
            detail = str(error)
        else:
            if counted == report.figures:
                return report
            detail = f"it says otherwise of itself than it holds: {_told(counted)}"
        return DayReport(
            report.day, DayState.UNREADABLE, False, report.figures, report.file, detail
        )

    async def _written(
        self,
        found: DayReport,
        stored: _Stored,
        wanted: Wanted,
        now: datetime,
        on_progress: Progress,
    ) -> DayReport:
        day, file = found.day, found.file
        try:
            figures = await self._write(day, stored, wanted, now, on_progress)
        except _Shrunk:
            detail = "entries went out of the ledger while the day was written"
            return DayReport(day, DayState.DIFFERS, False, found.figures, file, detail)
        return DayReport(day, found.state, True, figures, file)

    async def _write(
        self,
        day: date,
        stored: _Stored,
        wanted: Wanted,
        now: datetime,
        on_progress: Progress,
    ) -> Figures:
        with folder.draft_of(self._root, day) as draft:
            writer = self._format.create(draft)
            try:
                await self._fill(writer, day, stored.tenants, on_progress)
                figures = writer.figures
                # What was dropped or removed meanwhile must not become a file that looks whole.
                if figures != stored.figures and not stored.figures.can_grow_to(figures):
                    raise _Shrunk
                at = now.astimezone(UTC).isoformat(timespec="seconds")
                writer.close(Footer.of(SCHEMA_VERSION, day, wanted.tenant, figures, at))
            finally:
                writer.release()
        return figures

    async def _fill(
        self, writer: DayWriter, day: date, tenants: Sequence[str], on_progress: Progress
    ) -> None:
        batch = Batch(self._limits)
        for tenant in tenants:
            async with aclosing(self._pages(tenant, day)) as pages:
                async for row in (row async for page in pages for row in page):
                    batch.add(row)
                    if batch.is_full:
                        writer.write(batch.take())
                        on_progress(day, writer.figures.entries)
        rest = batch.take()
        if rest:
            writer.write(rest)
        on_progress(day, writer.figures.entries)

    async def _pages(self, tenant: str, day: date) -> AsyncGenerator[list[bytes]]:
        place, rows = store.Place(), self._limits.page_rows
        async with self._db.tenant_transaction(tenant) as conn:
            while True:
                page = await store.copy_page(conn, tenant, day, day + _DAY, place, rows)
                if page:
                    yield page
                if len(page) < rows:
                    return
                place = store.place_of(page[-1])


def _told(figures: Figures) -> str:
    return f"{figures.entries} entries, {figures.tokens} tokens, {figures.cost_usd:f} USD"
