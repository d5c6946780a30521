"""TLS towards others: what is promised whatever the interpreter was built with."""

import ssl
from pathlib import Path

import pytest

from meterr.core.http.tls import verifying_context
from support.certificates import Authority


def test_certificates_and_names_are_verified_and_nothing_old_is_spoken() -> None:
    """P6: builds of CPython differ in the oldest version that they leave on."""
    context = verifying_context()
    assert context.minimum_version == ssl.TLSVersion.TLSv1_2
    assert context.verify_mode == ssl.CERT_REQUIRED
    assert context.check_hostname


def test_an_authority_of_ones_own_is_the_only_one_then(tmp_path: Path) -> None:
    """A private mail server's authority does not come on top of the world's."""
    authority = Authority.create(tmp_path)
    trusted = verifying_context(authority.ca_file).get_ca_certs()
    assert ["meterr test authority"] == [dict(each["subject"][0])["commonName"] for each in trusted]


def test_a_file_that_is_no_authority_is_an_error(tmp_path: Path) -> None:
    """Never a context that trusts less or more than was asked."""
    nothing = tmp_path / "ca.pem"
    with pytest.raises(FileNotFoundError):
        verifying_context(nothing)
    nothing.write_text("not a certificate")
    with pytest.raises(ssl.SSLError):
        verifying_context(nothing)
