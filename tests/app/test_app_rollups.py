"""A deployment keeps its own ledger: partitions ahead without a call, rollups, retention."""

import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg

from support.meterr_house import House, open_house

NOW = datetime.now(UTC)
OLD = (NOW - timedelta(days=90)).replace(hour=9, minute=0, second=0, microsecond=0)
_PARTITIONS = "select relname from pg_class where relispartition and relkind = 'r' order by 1"
_OLD_ENTRY = """
    insert into meterr.ledger_entry (tenant_id, id, at, key_id, surface, upstream, provider, model,
                                     state, usage_known, cost_usd)
    values (%(tenant)s, gen_random_uuid(), %(at)s, gen_random_uuid(), '', '', '', '', 'settled',
            false, 1)
"""


def partitions(house: House) -> set[str]:
    with psycopg.connect(house.admin_dsn) as connection:
        return {name for (name,) in connection.execute(_PARTITIONS)}


def day(at: datetime) -> str:
    return f"ledger_entry_{at:%Y%m%d}"


def test_a_deployment_without_calls_keeps_its_ledger(
    database_url: str, admin_dsn: str, data_root: Path
) -> None:
    """Section 6: tomorrow's partition is there, yesterday's sums are made, what expired is gone."""
    with psycopg.connect(admin_dsn) as connection:
        connection.execute(
            "select meterr.ensure_ledger_partitions(%(day)s, %(day)s)", {"day": OLD.date()}
        )
        connection.execute(_OLD_ENTRY, {"tenant": uuid.uuid4(), "at": OLD})
    with open_house(
        database_url, admin_dsn, data_root, config="[ledger]\nretention_days = 62\n"
    ) as house:
        house.until(lambda: day(NOW + timedelta(days=1)) in partitions(house))
        house.until(lambda: day(OLD) not in partitions(house))
        house.meterr.wait_for(f'"ledger_day_dropped".*day={OLD.date()}')

    with psycopg.connect(admin_dsn) as connection:
        sums = connection.execute("select hour, calls, cost_usd from meterr.usage_hour").fetchall()
        due = connection.execute("select from meterr.rollup_due").fetchall()
    assert [(OLD, 1, 1)] == sums
    assert [] == due
