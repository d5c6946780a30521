"""The address of a tenant's database: read once, judged, never repeated."""

import ssl
from pathlib import Path

import pytest
from psycopg.conninfo import conninfo_to_dict

from meterr.core.errors import Invalid
from meterr.core.http.outbound import AllowList, Guard
from meterr.core.http.outbound.address import Address as IpAddress
from meterr.core.http.outbound.destination import address_of
from meterr.query.protection import (
    Address,
    Shape,
    SourceRefused,
    SourceUnavailable,
    Table,
    located,
    opened,
)
from meterr.query.protection.connecting import refuse_version
from support.certificates import Authority
from support.shop import Shop
from support.tcp_door import tcp_door

URL = "postgresql://ada:geheim@db.example:6432/shop"


def resolving(*addresses: str, allow: tuple[str, ...] = ()) -> Guard:
    async def resolve(host: str, port: int) -> tuple[str, ...]:
        return addresses

    return Guard(AllowList.parse(allow), resolve)


class TestReading:
    def test_tls_is_verified_unless_the_address_names_this_machine(self) -> None:
        """Nobody has to think of it."""
        there, here = Address.parse(URL), Address.parse(URL.replace("db.example", "127.0.0.1"))
        assert ("verify-full", True) == (there.sslmode, there.destination.tls)
        assert ("prefer", False) == (here.sslmode, here.destination.tls)

    def test_what_is_kept_reads_the_same_again(self) -> None:
        """Also with what libpq has to quote."""
        address = Address.parse(URL.replace("geheim", "ge%27he%20i%5Cm") + "?sslrootcert=/ca.pem")
        assert address == Address.parse(address.stored())
        assert "ge'he i\\m" == address.password.get_secret_value()

    def test_libpq_connects_to_what_was_judged(self) -> None:
        """No second look-up, no other host, no way around TLS."""
        ip = address_of("93.184.215.14")
        assert ip is not None
        at: tuple[IpAddress, ...] = (ip, ip)
        given = conninfo_to_dict(Address.parse(URL).conninfo(at, "/roots.pem"))
        assert ("93.184.215.14,93.184.215.14", "db.example,db.example") == (
            given["hostaddr"], given["host"],
        )  # fmt: skip
        assert ("verify-full", "/roots.pem") == (given["sslmode"], given["sslrootcert"])
        assert "disable" == given["gssencmode"]

    @pytest.mark.parametrize(
        ("url", "said"),
        [
            ("", "host is missing"),
            ("not an address", "cannot read"),
            (URL.replace("geheim", ""), "password is missing"),
            (URL.replace("/shop", ""), "dbname is missing"),
            (URL.replace("db.example", ""), "host is missing"),
            (URL.replace("db.example", "%2Ftmp"), "over TCP"),
            (URL.replace("db.example", "a,b"), "over TCP"),
            (URL.replace("db.example", "0x7f.1"), "number"),
            (URL.replace("db.example", "a..b"), "not a host name"),
            (URL.replace("6432", "0"), "port"),
            (URL + "?sslmode=off", "sslmode"),
            (URL + "?hostaddr=10.0.0.1", "hostaddr cannot be set"),
            (URL + "?options=-crole%3Dx", "options cannot be set"),
            (URL + "?service=x", "service cannot be set"),
            (URL + "?passfile=/etc/passwd", "passfile cannot be set"),
            (URL + "\x00", "printed"),
            (URL + "x" * 5000, "too long"),
        ],
    )
    def test_what_cannot_be_used_is_told_and_not_repeated(self, url: str, said: str) -> None:
        """P6: it holds a password."""
        with pytest.raises(Invalid) as refused:
            Address.parse(url)
        assert said in refused.value.detail
        assert not any(part in str(refused.value) for part in ("geheim", "db.example", "ada"))
        assert "geheim" not in repr(refused.value.__cause__)

    def test_a_password_is_in_no_repr(self) -> None:
        """P6."""
        assert "geheim" not in repr(Address.parse(URL))

    @pytest.mark.parametrize(
        ("text", "table"),
        [
            ("orders", Table("public", "orders")),
            ("shop.Orders", Table("shop", "Orders")),
            ("shop.orders(a, b)", Table("shop", "orders", ("a", "b"))),
        ],
    )
    def test_a_table_is_read_as_it_is_shown(self, text: str, table: Table) -> None:
        """Names stand as the server has them; no quotes, no folding."""
        assert table == Table.parse(text)
        assert table == Table.parse(table.shown())

    @pytest.mark.parametrize("text", ["", "a.b.c", "a b", "a(", "a()", "a(,)", "é" * 40])
    def test_what_is_no_table_is_refused(self, text: str) -> None:
        """Before anything is asked of a server."""
        with pytest.raises(Invalid):
            Table.parse(text)

    @pytest.mark.parametrize(
        "shape",
        [
            Shape(()),
            Shape((Table("a", "b"), Table("a", "b", ("c",)))),
            Shape((Table("a", "b"),), tenant_column="c"),
            Shape((Table("a", "b"),), tenant_value="c"),
            Shape((Table("a", "b"),), tenant_column="c", tenant_value=""),
        ],
    )
    def test_half_a_choice_is_refused(self, shape: Shape) -> None:
        """A column without a value would be everybody's."""
        with pytest.raises(Invalid):
            shape.checked()


class TestWhereTo:
    async def test_a_global_address_with_verified_tls_passes(self) -> None:
        """And is connected to without another look-up."""
        dsn = await located(Address.parse(URL), resolving("93.184.215.14"))
        assert "93.184.215.14" == conninfo_to_dict(dsn)["hostaddr"]

    @pytest.mark.parametrize("mode", ["disable", "prefer", "require", "verify-ca"])
    async def test_across_the_internet_tls_has_to_be_verified(self, mode: str) -> None:
        """The operator may say otherwise for a host of theirs, and for no other."""
        address = Address.parse(f"{URL}?sslmode={mode}")
        with pytest.raises(SourceRefused, match="sslmode=verify-full"):
            await located(address, resolving("93.184.215.14"))
        assert await located(address, resolving("93.184.215.14", allow=("db.example",)))

    @pytest.mark.parametrize("ip", ["10.0.0.5", "127.0.0.1", "169.254.169.254", "::1", "fd00::1"])
    async def test_an_address_inside_is_refused_in_the_same_words(self, ip: str) -> None:
        """As for every connection out: nothing is told of what is inside."""
        with pytest.raises(SourceRefused) as refused:
            await located(Address.parse(URL), resolving(ip))
        with pytest.raises(SourceRefused) as nothing:
            await located(Address.parse(URL), resolving())
        assert refused.value.detail == nothing.value.detail
        assert "db.example" not in f"{refused.value} {refused.value.private}"

    async def test_a_network_of_the_operators_is_reached(self) -> None:
        """outbound.allow."""
        assert await located(Address.parse(URL), resolving("10.0.0.5", allow=("10.0.0.0/8",)))

    @pytest.mark.parametrize(("version", "fits"), [(140022, False), (150000, True),
                                                   (180004, True), (190000, False)])  # fmt: skip
    def test_a_server_is_as_old_as_ours_and_no_newer_than_the_guard(
        self, version: int, fits: bool
    ) -> None:
        """A newer grammar could say what the guard does not know."""
        if fits:
            refuse_version(version)
        else:
            with pytest.raises(SourceRefused, match="15 to 18"):
                refuse_version(version)


class TestTls:
    async def test_a_certificate_is_verified_by_name(self, shop: Shop, tmp_path: Path) -> None:
        """verify-full, with an authority of the operator's own; anybody else's is refused."""
        authority = Authority.create(tmp_path)
        right = authority.server_context("IP:127.0.0.1")
        wrong = authority.server_context("DNS:other.example")
        guard = Guard(AllowList.parse(["127.0.0.1"]))
        assert "server" in await self._hello(
            shop, right, f"&sslrootcert={authority.ca_file}", guard
        )
        for context, roots in (
            (wrong, f"&sslrootcert={authority.ca_file}"),
            (right, ""),
            (None, ""),
        ):
            with pytest.raises(SourceUnavailable, match="certificate"):
                await self._hello(shop, context, roots, guard)

    async def test_whom_the_system_trusts_is_trusted(
        self, shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """psycopg's own libpq looks for authorities where no system has them; we tell it."""
        authority = Authority.create(tmp_path)
        context = authority.server_context("IP:127.0.0.1")
        guard = Guard(AllowList.parse(["127.0.0.1"]))
        monkeypatch.setenv("SSL_CERT_FILE", str(authority.ca_file))
        assert "server" in await self._hello(shop, context, "", guard)

    async def _hello(
        self, shop: Shop, context: ssl.SSLContext | None, roots: str, guard: Guard
    ) -> str:
        if context is not None:
            context.set_alpn_protocols(["postgresql"])
        with tcp_door(shop.admin_dsn, context) as port:
            url = shop.url().get_secret_value().replace(f":{shop.port}/", f":{port}/")
            address = Address.parse(f"{url}?sslmode=verify-full{roots}")
            async with opened(address, guard) as connection:
                return f"server {connection.info.server_version}"
