"""Throw-away certificates for TLS tests, made by the openssl command."""

import ssl
import subprocess
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Authority:
    """A CA of our own: ``ca_file`` is what its believers load."""

    directory: Path

    @classmethod
    def create(cls, directory: Path) -> "Authority":
        authority = cls(directory)
        authority._openssl(
            "req", "-x509", "-nodes", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
            "-days", "2", "-subj", "/CN=meterr test authority",
            "-keyout", "ca.key", "-out", "ca.pem",
        )  # fmt: skip
        return authority

    @property
    def ca_file(self) -> Path:
        return self.directory / "ca.pem"

    def server_context(self, subject_alternative_name: str) -> ssl.SSLContext:
        """Return a server's context with a certificate for ``DNS:name`` or ``IP:address``."""
        stem = subject_alternative_name.replace(":", "-")
        self._openssl(
            "req", "-x509", "-nodes", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
            "-days", "2", "-subj", "/CN=meterr test server", "-CA", "ca.pem", "-CAkey", "ca.key",
            "-addext", f"subjectAltName={subject_alternative_name}",
            "-addext", "basicConstraints=critical,CA:FALSE",
            "-keyout", f"{stem}.key", "-out", f"{stem}.pem",
        )  # fmt: skip
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.set_alpn_protocols(["h2", "http/1.1"])
        context.load_cert_chain(self.directory / f"{stem}.pem", self.directory / f"{stem}.key")
        return context

    def _openssl(self, *arguments: str) -> None:
        subprocess.run(
            ["openssl", *arguments], cwd=self.directory, check=True, capture_output=True, timeout=30
        )
