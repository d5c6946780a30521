"""The shapes of parts that are not text: pictures, sound and files, in the body or by address."""

from typing import Annotated

from msgspec import Meta, Raw

from meterr.gateway.metering.bounds.shapes import NONE, ContentSource, Strict, TextSource

IMAGE_TOKENS = 50_000
"""Most tokens of one image: 8 tiles of 5,667 and 2,833 on the dearest list (gpt-4o-mini)."""

_UNCITED = frozenset({b"", b"null"})

# Other addresses, such as a document's data in the place of a picture, are not known as pictures.
PictureUrl = Annotated[str, Meta(pattern=r"^(?:https?://|data:image/)")]


class _Address(Strict):
    url: PictureUrl
    detail: str | None = None


class ChatImage(Strict, tag="image_url"):
    """A picture in a message of the chat surface."""

    image_url: _Address | PictureUrl
    cache_control: Raw = NONE
    prompt_cache_breakpoint: Raw = NONE

    @property
    def packed(self) -> int:
        """Bytes of the body that are the picture itself."""
        url = self.image_url
        return _packed(url if isinstance(url, str) else url.url)


class InputImage(Strict, tag="input_image"):
    """A picture in an item of the responses surface."""

    image_url: PictureUrl | None = None
    file_id: str | None = None
    detail: str | None = None
    prompt_cache_breakpoint: Raw = NONE

    @property
    def packed(self) -> int:
        """Bytes of the body that are the picture itself."""
        return _packed(self.image_url)


class _Base64(Strict, tag="base64"):
    data: str
    media_type: str | None = None


class _Url(Strict, tag="url"):
    url: str


class _FileId(Strict, tag="file"):
    file_id: str


class Image(Strict, tag="image"):
    """A picture in a message of the messages surface."""

    source: _Base64 | _Url | _FileId
    cache_control: Raw = NONE
    transformations: Raw = NONE

    @property
    def packed(self) -> int:
        """Bytes of the body that are the picture itself."""
        return len(self.source.data) if isinstance(self.source, _Base64) else 0


class _Samples(Strict):
    data: str
    format: str | None = None


class Sound(Strict, tag="input_audio"):
    """Sound in a message of the chat surface."""

    input_audio: _Samples
    prompt_cache_breakpoint: Raw = NONE

    @property
    def packed(self) -> int:
        """Bytes of the body that are the sound itself."""
        return len(self.input_audio.data)


class _File(Strict):
    file_data: str | None = None
    file_id: str | None = None
    filename: str | None = None


class ChatFile(Strict, tag="file"):
    """A file in a message of the chat surface."""

    file: _File
    prompt_cache_breakpoint: Raw = NONE

    @property
    def packed(self) -> int:
        """Bytes of the body that are the file itself."""
        return len(self.file.file_data or "")


class InputFile(Strict, tag="input_file"):
    """A file in an item of the responses surface."""

    file_data: str | None = None
    file_id: str | None = None
    file_url: str | None = None
    filename: str | None = None
    detail: str | None = None
    prompt_cache_breakpoint: Raw = NONE

    @property
    def packed(self) -> int:
        """Bytes of the body that are the file itself."""
        return len(self.file_data or "")


class Document(Strict, tag="document"):
    """A document in a message of the messages surface; its text may stand in the body."""

    source: _Base64 | _Url | _FileId | TextSource | ContentSource
    title: str | None = None
    context: str | None = None
    citations: Raw = NONE
    cache_control: Raw = NONE

    @property
    def is_here(self) -> bool:
        """Whether all that is read stands in the body: citations number each sentence of a text."""
        source, cites = self.source, bytes(self.citations) not in _UNCITED
        return isinstance(source, ContentSource) or (isinstance(source, TextSource) and not cites)

    @property
    def packed(self) -> int:
        """Bytes of the body that are the document itself."""
        return len(self.source.data) if isinstance(self.source, _Base64) else 0


Picture = ChatImage | InputImage | Image
File = ChatFile | InputFile | Document


def _packed(url: str | None) -> int:
    return len(url) if url is not None and url.startswith("data:") else 0
