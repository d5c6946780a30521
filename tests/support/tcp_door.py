"""A TCP port in front of a PostgreSQL that listens on a Unix socket only; with TLS if wanted."""

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from psycopg.conninfo import conninfo_to_dict

_SSL_REQUEST = b"\x00\x00\x00\x08\x04\xd2\x16\x2f"
_BLOCK = 64 * 1024


@contextmanager
def tcp_door(dsn: str, tls: ssl.SSLContext | None = None) -> Iterator[int]:
    """Yield the port. Every connection is passed on to the server of ``dsn``."""
    parts = conninfo_to_dict(dsn)
    path = f"{parts['host']}/.s.PGSQL.{parts.get('port') or 5432}"
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=_accept, args=(listener, path, tls), daemon=True).start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)


def _accept(listener: socket.socket, path: str, tls: ssl.SSLContext | None) -> None:
    while True:
        try:
            client, _ = listener.accept()
        except OSError:
            return
        threading.Thread(target=_serve, args=(client, path, tls), daemon=True).start()


def _serve(client: socket.socket, path: str, tls: ssl.SSLContext | None) -> None:
    server = socket.socket(socket.AF_UNIX)
    with suppress(OSError), client, server:
        server.connect(path)
        first = client.recv(8, socket.MSG_WAITALL)
        if first == _SSL_REQUEST:
            client.sendall(b"S" if tls else b"N")
            if tls:
                with tls.wrap_socket(client, server_side=True) as secured:
                    _pass_both_ways(secured, server)
                return
        else:
            server.sendall(first)
        _pass_both_ways(client, server)


def _pass_both_ways(client: socket.socket, server: socket.socket) -> None:
    back = threading.Thread(target=_pass, args=(server, client), daemon=True)
    back.start()
    _pass(client, server)
    back.join()


def _pass(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while block := source.recv(_BLOCK):
            sink.sendall(block)
    with suppress(OSError):
        sink.shutdown(socket.SHUT_RDWR)
