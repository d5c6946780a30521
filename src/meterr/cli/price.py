"""``meterr price``: your own prices, with dates, author and reason."""

import getpass
from collections.abc import Sequence
from datetime import UTC, date, datetime, time
from pathlib import Path

import click

from meterr import ledger
from meterr.cli.context import configuration, open_database, run, with_settings
from meterr.cli.output import choose, note, write_list
from meterr.cli.times import Moment, iso
from meterr.core.clock import SystemClock
from meterr.core.errors import Invalid
from meterr.core.ids import IdFactory
from meterr.core.settings import Settings
from meterr.ledger.price_override import PriceOverride

_COLUMNS = (
    "provider",
    "model",
    "context",
    "effective_from",
    "effective_to",
    "rates",
    "author",
    "reason",
)


@click.group("price")
def command() -> None:
    """Set and list your own prices."""


@command.command("set")
@with_settings
@click.argument("provider")
@click.argument("model")
@click.argument("rates", nargs=-1, required=True, metavar="CLASS=USD...")
@click.option("--reason", required=True, help="Why: the contract, the announcement.")
@click.option("--author", default=getpass.getuser, help="Who [default: the login name].")
@click.option("--from", "since", type=Moment(), help="In force from, UTC [default: now].")
@click.option("--to", "until", type=Moment(), help="In force until, exclusive [default: no end].")
@click.option("--context", default="standard", show_default=True, help="Service tier.")
@click.option("--json", "as_json", is_flag=True, help="Write JSON.")
def set_(
    config_file: Path | None,
    data_dir: Path | None,
    provider: str,
    model: str,
    rates: tuple[str, ...],
    as_json: bool,
    since: date | datetime | None,
    until: date | datetime | None,
    reason: str,
    author: str,
    context: str,
) -> None:
    """
    Set prices for MODEL of PROVIDER, in US dollars per million tokens.

    Example: meterr price set local llama-3 input=0 output=0 --reason "our own machines"

    An override is never changed: a newer one outdoes it. Entries keep the price they were made at.
    """
    now_ms = SystemClock().unix_ms()
    new = ledger.NewOverride(
        provider=provider,
        model=model,
        rates=_rates(rates),
        author=author,
        reason=reason,
        effective_from_ms=now_ms if since is None else _unix_ms(since),
        effective_to_ms=None if until is None else _unix_ms(until),
        context=context,
    )
    override = run(_set(configuration(config_file, data_dir).settings, new))
    write_list("meterr.prices/1", [_item(override)], _COLUMNS, choose(as_json=as_json))
    note("Every gateway process uses it within 5 seconds.")


@command.command("list")
@with_settings
@click.option("--json", "as_json", is_flag=True, help="Write JSON.")
def list_(config_file: Path | None, data_dir: Path | None, as_json: bool) -> None:
    """List your own prices, oldest first."""
    overrides = run(_list(configuration(config_file, data_dir).settings))
    items = [_item(override) for override in overrides]
    write_list("meterr.prices/1", items, _COLUMNS, choose(as_json=as_json))


async def _set(settings: Settings, new: ledger.NewOverride) -> PriceOverride:
    async with open_database(settings) as db:
        return await ledger.set_price_override(db, IdFactory(SystemClock()), new)


async def _list(settings: Settings) -> list[PriceOverride]:
    async with open_database(settings) as db:
        return await ledger.list_price_overrides(db)


def _rates(texts: Sequence[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, usd in map(_rate, texts):
        if name in found:
            raise Invalid(f"{name} is given twice; write each price once.", param=f"rates.{name}")
        found[name] = usd
    return found


def _rate(text: str) -> tuple[str, str]:
    name, separator, usd = text.partition("=")
    if not separator:
        raise Invalid(f"{text!r}: write CLASS=USD, such as input=0.95.", param="rates")
    return name.strip(), usd.strip()


def _unix_ms(moment: date | datetime) -> int:
    if not isinstance(moment, datetime):
        moment = datetime.combine(moment, time(), UTC)
    elif moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return int(moment.timestamp() * 1000)


def _item(override: PriceOverride) -> dict[str, object]:
    return {
        "override_id": override.override_id,
        "provider": override.provider,
        "model": override.model,
        "context": override.context,
        "effective_from": iso(override.effective_from_ms),
        "effective_to": iso(override.effective_to_ms),
        "rates": [f"{name}={rate.usd}" for name, rate in override.rates.items()],
        "author": override.author,
        "reason": override.reason,
        "created_at": iso(override.created_at_ms),
    }
