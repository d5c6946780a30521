"""The answer to what is no request, in the one shape that both families' SDKs read. Pure."""

_TEXT = (
    b"HTTP/1.1 %b\r\ncontent-type: application/json\r\n"
    b"content-length: %d\r\nconnection: close\r\n%b%b"
)
_STATUS = {
    400: b"400 Bad Request",
    408: b"408 Request Timeout",
    501: b"501 Not Implemented",
    431: b"431 Request Header Fields Too Large",
}


def refusal(status: int, message: str, head: bytes) -> bytes:
    """
    Return a whole answer with the block ``head`` of header lines.

    ``message`` is a sentence of ours, never a caller's bytes.
    """
    body = (
        b'{"type":"error","error":{"type":"invalid_request_error","message":"%b",'
        b'"param":null,"code":"invalid-http"}}' % message.encode("ascii")
    )
    return _TEXT % (_STATUS[status], len(body), head, body)
