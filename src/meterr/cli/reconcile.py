"""``meterr reconcile``: a provider's own bill against the ledger."""

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import click

from meterr.cli.context import chosen_tenants, configuration, open_database, run, with_settings
from meterr.cli.exits import Exit
from meterr.cli.output import Format, choose, note, write_list
from meterr.core.errors import OperatorError
from meterr.core.money import shown, wire
from meterr.core.settings import Settings
from meterr.ledger.reconcile import (
    BillFile,
    Form,
    Question,
    Reconciliation,
    Row,
    Tolerance,
    reconcile,
    tolerance_of,
)

_COLUMNS = ("day", "model", "measure", "theirs", "ours", "difference", "verdict", "explained")
_FILE_BYTES_MAX = 64 * 1024 * 1024
_Figure = Callable[[Row, Decimal | None], str | None]


class _Day(click.ParamType[date]):
    name = "date"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> date:
        try:
            return date.fromisoformat(str(value))
        except ValueError:
            self.fail(f"{value!r} is no date such as 2026-11-22; bills are compared by whole days.")


class _Tolerance(click.ParamType[Tolerance]):
    name = "usd|percent%"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> Tolerance:
        if isinstance(value, Tolerance):
            return value
        try:
            return tolerance_of(str(value))
        except ValueError as error:
            self.fail(f"{error}. Write US dollars, such as 0.01, or a share, such as 0.5%.")


@click.command("reconcile")
@with_settings
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--provider",
    "form_name",
    type=click.Choice([form.value for form in Form]),
    required=True,
    help="Whose report FILE is; csv: a table with columns of ours.",
)
@click.option("--from", "first", type=_Day(), required=True, help="First day.")
@click.option("--to", "end", type=_Day(), required=True, help="Day after the last.")
@click.option("--tz", default="UTC", show_default=True, help="IANA zone of the bill's days.")
@click.option("--of", "slug", help="Provider in the ledger; with csv required [default: as above].")
@click.option("--tolerance", type=_Tolerance(), default="0", show_default=True, help="May differ.")
@click.option("--allow-credits", is_flag=True, help="Set amounts below zero apart.")
@click.option("--tenant", "tenants", multiple=True, help="Tenant, by name; repeat [default: all].")
@click.option("--json", "as_json", is_flag=True, help="Write JSON; figures exact.")
@click.option("--csv", "as_csv", is_flag=True, help="Write CSV; figures exact.")
def command(
    config_file: Path | None,
    data_dir: Path | None,
    file: Path,
    form_name: str,
    first: date,
    end: date,
    tz: str,
    slug: str | None,
    tolerance: Tolerance,
    allow_credits: bool,
    tenants: tuple[str, ...],
    as_json: bool,
    as_csv: bool,
) -> int:
    """
    Compare FILE, a provider's own bill, with the ledger by day and model.

    Shows theirs, ours, the difference and the entries that may explain it. Reads costs or usage,
    as the provider's API returned them. Changes nothing. Exit 3 when a day and model, or the
    total, differs by more than the tolerance.
    """
    format_ = choose(as_json=as_json, as_csv=as_csv)
    form = Form(form_name)
    if slug is None and form is Form.CSV:
        raise click.UsageError(
            "--of is missing: name the provider as the ledger does, such as --of moonshotai."
        )
    question = Question(
        form=form,
        provider=slug or form.value,
        first=first,
        end=end,
        tz=tz,
        tolerance=tolerance,
        allow_credits=allow_credits,
    )
    settings = configuration(config_file, data_dir).settings
    found = run(_reconcile(settings, tenants, _bill(file), question))
    _write(found, question, format_)
    return Exit.FINDINGS if found.differs else Exit.OK


async def _reconcile(
    settings: Settings, names: Sequence[str], file: BillFile, question: Question
) -> Reconciliation:
    async with open_database(settings) as db:
        chosen = [await chosen_tenants(db, name) for name in names or (None,)]
        # Named twice, a tenant still counts once.
        tenants = list(dict.fromkeys(tenant.tenant_id for found in chosen for tenant in found))
        return await reconcile(db, tenants, file, question, datetime.now(UTC))


def _bill(path: Path) -> BillFile:
    try:
        with path.open("rb") as opened:
            content = opened.read(_FILE_BYTES_MAX + 1)
    except OSError as error:
        raise OperatorError(f"{path}: {error.strerror}") from None
    if len(content) > _FILE_BYTES_MAX:
        limit = _FILE_BYTES_MAX // 1024 // 1024
        raise OperatorError(f"{path}: larger than {limit} MiB; reconcile fewer days at once")
    try:
        return BillFile(str(path), content.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise OperatorError(f"{path}: line {line}: not UTF-8 text") from None


def _write(found: Reconciliation, question: Question, format_: Format) -> None:
    figure = _exact if format_ is not Format.AUTO else _readable
    rows = [_item(row, figure) for row in found.rows]
    if format_ is not Format.JSON:
        rows = [row | {"explained": _told(row["explained"])} for row in rows]
    write_list(
        "meterr.reconciliation/1",
        rows,
        _COLUMNS,
        format_,
        totals=[_item(row, figure) for row in found.totals],
        credits=[
            {"day": line.day, "model": line.name, "usd": wire(line.amount)}
            for line in found.credits
        ],
        days_absent=list(found.days_absent),
        period={"from": str(question.first), "to": str(question.end), "tz": question.tz},
        provider=question.provider,
        tolerance={
            "usd": wire(question.tolerance.usd),
            "percent": wire(question.tolerance.percent),
        },
        differs=found.differs,
    )
    if format_ is not Format.JSON:
        _tell(found, figure)


def _tell(found: Reconciliation, figure: _Figure) -> None:
    for row in found.totals:
        theirs, ours = figure(row, row.theirs) or "none", figure(row, row.ours) or "none"
        note(f"total {row.measure}: theirs {theirs}, ours {ours}: {row.verdict}")
    for line in found.credits:
        note(f"credit, not compared: {line.day} {line.name} {wire(line.amount)} USD")
    if found.days_absent:
        note(f"The bill says nothing about {', '.join(found.days_absent)}.")


def _item(row: Row, figure: _Figure) -> dict[str, Any]:
    return {
        "day": row.day,
        "model": row.name,
        "measure": row.measure.value,
        "theirs": figure(row, row.theirs),
        "ours": figure(row, row.ours),
        "difference": figure(row, row.difference),
        "verdict": row.verdict.value,
        "explained": [
            {
                "cause": each.cause.value,
                "calls": each.calls,
                "amount": figure(row, each.amount),
                "entries": list(each.ids),
            }
            for each in row.explanations
        ],
    }


def _told(explained: Sequence[dict[str, Any]]) -> str:
    return "; ".join(
        f"{each['cause']}: {each['calls']} calls, {each['amount'] or 'no cost'}"
        f" ({' '.join(each['entries'])})"
        for each in explained
    )


def _exact(_: Row, amount: Decimal | None) -> str | None:
    return None if amount is None else wire(amount)


def _readable(row: Row, amount: Decimal | None) -> str | None:
    """Round money for people, but never a difference to nothing."""
    if amount is None or row.measure != "usd":
        return _exact(row, amount)
    rounded = shown(amount)
    return wire(amount) if amount and not Decimal(rounded) else rounded
