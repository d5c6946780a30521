"""Files have names that meterr made, whatever callers call theirs."""

import re
from collections.abc import Iterator

from meterr.core.principal import UnknownPrice
from support.conversation import BODIES, CHAT, Conversation

# What a filter of letters lets through, makes of two names one, or cannot store.
_NAMES = [
    *("..", ".", ".env", ".htaccess", "-rf", "CON", "NUL.txt", "a/b", "a_b"),
    *("../../etc/cron.d/meterr", "/etc/passwd", "résumé.pdf", "x" * 300, "a.journal", "%2e%2e%2f"),
]
_OURS = re.compile(
    r"journal/(([0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/)([0-9]{8}\.journal|owner\.lock)"
    r"|carried\.open|(drain|space)\.lock)"
    r"|meterr\.toml|calls\.jsonl"
)


def files(talk: Conversation) -> Iterator[str]:
    """Yield every file of the house, by its place in the data directory."""
    for path in talk.house.data_dir.rglob("*"):
        if path.is_file():
            yield str(path.relative_to(talk.house.data_dir))


def test_no_name_of_a_callers_becomes_a_files(meterr: Conversation) -> None:
    """S1:357: names are made here; a caller's is text of a call, and there is nothing to upload."""
    for name in _NAMES:
        escaped = name.encode().decode("latin-1")
        meterr.tenant_key(name[:100], UnknownPrice.REFUSE)
        named = {"user-agent": escaped, "x-request-id": escaped, "x-filename": escaped}
        body = {**BODIES[CHAT], "user": name, "metadata": {"filename": name}}
        assert 200 == meterr.post(CHAT, body, named).status
        assert 404 == meterr.post(CHAT, {**body, "model": name[:256]}, named).status
        upload = (
            f'--b\r\ncontent-disposition: form-data; name="file"; filename="{name}"\r\n\r\nx\r\n'
            "--b--\r\n"
        )
        multipart = {"content-type": "multipart/form-data; boundary=b"}
        assert 404 == meterr.post("/v1/files", upload.encode(), multipart).status
    found = sorted(files(meterr))
    assert any(name.endswith(".journal") for name in found)
    assert [] == [name for name in found if not _OURS.fullmatch(name)]
