"""Rules: what ``meterr budget`` and ``meterr limit`` do alike."""

import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

import click

from meterr import identity
from meterr.cli.context import (
    DEFAULT_TENANT,
    chosen_tenants,
    configuration,
    of_tenant,
    open_database,
    run,
    with_settings,
)
from meterr.cli.dry_run import replayed, tell
from meterr.cli.output import Format, choose, note, write_list
from meterr.cli.owner import owner_name
from meterr.cli.times import Span as Age
from meterr.core.clock import SystemClock
from meterr.core.errors import Invalid
from meterr.core.limits import Holder, Measure, Span
from meterr.core.money import shown, wire
from meterr.core.nearest import nearest
from meterr.core.settings import Settings
from meterr.ledger.limits import LimitRecord, NewLimit, end_limit, list_limits, set_limit
from meterr.ledger.limits.terms import NEGATIVE, checked

_COLUMNS = (
    "tenant",
    "holder",
    "subject",
    "model",
    "measure",
    "amount",
    "per",
    "hard",
    "remaining",
    "starts_at",
    "ends_at",
    "limit_id",
)
_NEGATIVE = re.compile(r"-(?:[^a-z-]|inf|nan)", re.IGNORECASE)
_Command = TypeVar("_Command", bound=Callable[..., Any])


class AmountCommand(click.Command):
    """Tells a negative amount as one: to the parser it is an option that does not exist."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        given = tuple(args)  # the parser empties its own
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as unknown:
            named = (each for each in given if each.startswith(unknown.option_name))
            if any(map(_NEGATIVE.match, named)):
                raise Invalid(NEGATIVE, param="amount") from None
            raise


class Word(click.ParamType[str]):
    """One of some words; another is refused with the nearest of them."""

    def __init__(self, name: str, *words: str) -> None:
        self.name = name
        self._words = words

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> str:
        text = str(value)
        if text not in self._words:
            self.fail(f"{text!r} is no {self.name}{nearest(text, self._words)}.")
        return text

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str:
        return f"[{'|'.join(self._words)}]"


def with_rule_options(command: _Command) -> _Command:
    """Add the options of ``set_rule``."""
    for option in (
        click.option("--json", "as_json", is_flag=True, help="Write JSON; amounts exact."),
        click.option(
            "--dry-run",
            type=Age(),
            metavar="SPAN",
            help="Write nothing: replay the last days (7d) and list what would have been refused.",
        ),
        click.option("--soft", is_flag=True, help="Refuse nothing; only note what is used."),
        click.option("--model", default="", help="Only calls of this model or pattern [all]."),
        click.option("--key", help="All calls of one key, by its id."),
        click.option("--owner", help="All calls of the keys of one owner together."),
        click.option(
            "--tenant",
            default=DEFAULT_TENANT,
            show_default=True,
            help="Tenant, by name: all its calls together, unless --owner or --key is given.",
        ),
    ):
        command = option(command)
    return with_settings(command)


def set_rule(
    measure: Measure,
    span: Span,
    amount: str,
    *,
    config_file: Path | None,
    data_dir: Path | None,
    tenant: str,
    owner: str | None,
    key: str | None,
    model: str,
    soft: bool,
    dry_run: timedelta | None,
    as_json: bool,
) -> None:
    """Put a rule in force, or replay the ledger against it, and write what came of it."""
    settings = configuration(config_file, data_dir).settings
    new = NewLimit(
        measure=measure,
        holder=_holder(owner, key),
        span=span,
        amount=amount,
        subject=owner_name(owner) if owner else key or "",
        model=model,
        hard=not soft,
    )
    format_ = choose(as_json=as_json)
    if dry_run is not None:
        tell(run(replayed(settings, tenant, checked(new), dry_run)), format_)
        return
    record = run(_set(settings, tenant, checked(new)))
    _write([_item(record, tenant)], format_)
    if record.spent:
        note(f"{shown(record.spent)} USD of its present window are spent already.")
    note("Every gateway process holds calls to it at once.")


def add_list_and_end(group: click.Group, rule: str, *, budgets: bool) -> None:
    """Add the commands that take no more than words to tell a ``rule`` from another."""

    @group.command("list", help=f"List {rule}s with what is left of them now, oldest first.")
    @with_settings
    @click.option("--tenant", help="Tenant, by name [default: all].")
    @click.option("--ended", is_flag=True, help="Ended ones, too.")
    @click.option("--json", "as_json", is_flag=True, help="Write JSON; amounts exact.")
    def list_(
        config_file: Path | None,
        data_dir: Path | None,
        tenant: str | None,
        ended: bool,
        as_json: bool,
    ) -> None:
        settings = configuration(config_file, data_dir).settings
        _write(run(_list(settings, tenant, budgets, ended)), choose(as_json=as_json))

    @group.command("end", help=f"End the {rule} LIMIT_ID at once, in every process.")
    @with_settings
    @of_tenant
    @click.argument("limit_id")
    def end(config_file: Path | None, data_dir: Path | None, tenant: str, limit_id: str) -> None:
        run(_end(configuration(config_file, data_dir).settings, tenant, limit_id))
        note(f"The {rule} {limit_id} is ended.")


def _holder(owner: str | None, key: str | None) -> Holder:
    if owner is not None and key is not None:
        raise click.UsageError("--owner and --key exclude each other: a rule holds for one.")
    if key is not None:
        return Holder.KEY
    return Holder.TENANT if owner is None else Holder.OWNER


async def _set(settings: Settings, tenant_name: str, new: NewLimit) -> LimitRecord:
    async with open_database(settings) as db:
        tenant = await identity.find_tenant(db, tenant_name)
        return await set_limit(db, SystemClock(), tenant.tenant_id, new)


async def _list(
    settings: Settings, tenant_name: str | None, budgets: bool, ended: bool
) -> list[dict[str, object]]:
    items: list[dict[str, object]] = []
    async with open_database(settings) as db:
        for tenant in await chosen_tenants(db, tenant_name):
            try:
                records = await list_limits(db, SystemClock(), tenant.tenant_id, ended=ended)
            except Invalid as error:  # its time zone: this machine does not know it
                raise Invalid(f"Tenant {tenant.name}: {error.detail}", param=error.param) from None
            items += [
                _item(record, tenant.name)
                for record in records
                if (record.measure is Measure.USD) is budgets
            ]
    return items


async def _end(settings: Settings, tenant_name: str, limit_id: str) -> None:
    async with open_database(settings) as db:
        tenant = await identity.find_tenant(db, tenant_name)
        await end_limit(db, tenant.tenant_id, limit_id)


def _write(items: list[dict[str, object]], format_: Format) -> None:
    write_list("meterr.limits/1", items, _COLUMNS, format_)


def _item(record: LimitRecord, tenant: str) -> dict[str, object]:
    return {
        "tenant": tenant,
        "limit_id": record.limit_id,
        "holder": record.holder.value,
        "subject": record.subject,
        "model": record.model or "*",
        "measure": record.measure.value,
        "amount": wire(record.amount),
        "per": record.span.value,
        "hard": record.hard,
        "taken": wire(record.taken),
        "spent": wire(record.spent) if record.measure is Measure.USD else None,
        "remaining": wire(max(record.amount - record.taken, record.amount * 0)),
        "starts_at": None if record.starts_at is None else record.starts_at.isoformat(),
        "ends_at": None if record.ends_at is None else record.ends_at.isoformat(),
        "created_at": record.created_at.isoformat(),
        "ended_at": None if record.ended_at is None else record.ended_at.isoformat(),
    }
