"""Use case of reconciling: read a bill, read what we booked, compare; nothing is written."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

import msgspec

from meterr.core.db import Connection, Database
from meterr.core.errors import Invalid
from meterr.core.nearest import nearest
from meterr.ledger.reconcile import anthropic, csv_bill, openai, store
from meterr.ledger.reconcile.compare import behind_explanations, compare
from meterr.ledger.reconcile.days import Days, days_of
from meterr.ledger.reconcile.model import Bill, BillFile, Form, Group, Question, Reconciliation


class _Reader(Protocol):
    def __call__(self, file: BillFile, days: Days, *, allow_credits: bool) -> Bill: ...


_READERS: Mapping[Form, _Reader] = {
    Form.OPENAI: openai.read,
    Form.ANTHROPIC: anthropic.read,
    Form.CSV: csv_bill.read,
}


async def reconcile(
    db: Database, tenants: Sequence[str], file: BillFile, question: Question, now: datetime
) -> Reconciliation:
    """
    Compare a bill with the entries of ``tenants`` by day and by the model that was billed.

    Entries count on the day their call began and for the model that the answer named, else the
    one asked for. Raises ``Invalid`` for a bill that cannot be read as ``question`` says, naming
    file, place and field, and for days that are not over. Sums of several tenants are read one
    after the other; entries still in a journal are not in them.
    """
    days = days_of(question.first, question.end, question.tz, now)
    bill = _READERS[question.form](file, days, allow_credits=question.allow_credits)
    scope = store.Scope(question.provider, bill.surfaces, days)
    booked: dict[str, list[Group]] = {}
    async with db.transaction() as conn:
        known = await store.providers(conn)
    for tenant in tenants:
        async with db.tenant_transaction(tenant) as conn:
            booked[tenant] = await _booked(conn, tenant, scope)
    if known and question.provider not in known and not any(booked.values()):
        raise Invalid(
            f"No upstream of {question.provider[:64]!r} was ever configured, and the ledger has no "
            f"call to one{nearest(question.provider, known)}.",
            param="of",
        )
    found = _compared(bill, booked, question, days)
    for tenant, groups in booked.items():
        wanted, others = behind_explanations(found, groups, bill)
        async with db.tenant_transaction(tenant) as conn:
            booked[tenant] = others + await _named(conn, tenant, scope, wanted)
    return _compared(bill, booked, question, days)


async def _booked(conn: Connection, tenant: str, scope: store.Scope) -> list[Group]:
    """Return one tenant's sums, a statement for each day: none takes longer for a long period."""
    groups: list[Group] = []
    for day in scope.days.singly():
        groups += await store.sum_booked(conn, tenant, msgspec.structs.replace(scope, days=day))
    return groups


async def _named(
    conn: Connection, tenant: str, scope: store.Scope, groups: Sequence[Group]
) -> list[Group]:
    named: list[Group] = []
    for day in scope.days.singly():
        wanted = [group for group in groups if group.day == day.labels[0]]
        if wanted:
            of_day = msgspec.structs.replace(scope, days=day)
            named += await store.with_first_ids(conn, tenant, of_day, wanted)
    return named


def _compared(
    bill: Bill, booked: Mapping[str, Sequence[Group]], question: Question, days: Days
) -> Reconciliation:
    groups = [group for found in booked.values() for group in found]
    return compare(bill, groups, days.labels, question.tolerance)
