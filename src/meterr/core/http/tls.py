"""How this house speaks TLS to others: 1.2 or newer, certificates and names always verified."""

import ssl
from pathlib import Path


def verifying_context(only: Path | None = None) -> ssl.SSLContext:
    """
    Return a client's context that trusts the system's authorities, or those of the PEM ``only``.

    The version is said here because it depends on the interpreter's build what comes without.
    Raises OSError or ssl.SSLError when ``only`` cannot be read.
    """
    context = ssl.create_default_context(cafile=only)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context
