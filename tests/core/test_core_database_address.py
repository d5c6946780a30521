"""The server of a database that is elsewhere proves who it is."""

import pytest
from psycopg.conninfo import conninfo_to_dict

from meterr.core.database_address import proves_its_server

_ELSEWHERE = "postgresql://meterr@db.internal/meterr"


@pytest.mark.parametrize("mode", ["disable", "allow", "prefer", "require", "verify-ca"])
def test_a_mode_that_takes_another_server_is_no_proof(mode: str) -> None:
    """S2:39: whoever answers in the server's place is found out, not only whoever listens."""
    assert not proves_its_server(conninfo_to_dict(f"{_ELSEWHERE}?sslmode={mode}"), {})
    assert not proves_its_server(conninfo_to_dict(_ELSEWHERE), {"sslmode": mode})


@pytest.mark.parametrize(
    ("address", "defaults"),
    [
        (_ELSEWHERE, {}),
        ("host=192.0.2.7", {}),
        ("host=localhost hostaddr=192.0.2.7", {}),
        ("host=/run/postgresql,db.internal", {}),
        ("host=127.0.0.1,192.0.2.7", {}),
        ("host=localhost,db.internal hostaddr=127.0.0.1,", {}),
        ("host=db.internal,db.internal", {"hostaddr": ","}),
        ("service=production", {"sslmode": "verify-full"}),
        ("host=localhost.internal", {}),
        ("dbname=meterr", {"host": "db.internal"}),
        ("service=production", {}),
        ("dbname=meterr", {"service": "production"}),
        (f"{_ELSEWHERE}?sslmode=require", {"sslmode": "verify-full"}),
    ],
)
def test_one_place_elsewhere_is_enough_to_ask_for_proof(
    address: str, defaults: dict[str, str]
) -> None:
    """S2:39: every host that libpq may try counts, also one that a variable or a file names."""
    assert not proves_its_server(conninfo_to_dict(address), defaults)


@pytest.mark.parametrize(
    ("address", "defaults"),
    [
        (f"{_ELSEWHERE}?sslmode=verify-full", {}),
        (_ELSEWHERE, {"sslmode": "verify-full"}),
        ("service=production sslmode=verify-full", {}),
        ("dbname=meterr", {}),
        ("host=/run/postgresql", {}),
        ("host=@abstract", {}),
        ("postgresql://meterr@localhost:5433/meterr", {}),
        ("postgresql://meterr@[::1]/meterr?sslmode=disable", {}),
        ("host=127.0.0.9,/run/postgresql", {"host": "db.internal"}),
    ],
)
def test_a_certificate_for_its_name_or_this_machine_is_proof(
    address: str, defaults: dict[str, str]
) -> None:
    """S2:39: nobody else can answer there."""
    assert proves_its_server(conninfo_to_dict(address), defaults)
