"""Images pasted into text: base64, with or without `data:image/...;base64,` before it."""

from __future__ import annotations

import base64
import binascii
import re
from urllib.parse import unquote_to_bytes

from veduta.errors import SourceError
from veduta.pool.readers import images

_DATA = re.compile(r"data:(?:image|application/octet-stream)[^,]{0,100},", re.IGNORECASE)
_BASE64 = re.compile(r"[A-Za-z0-9+/_-][A-Za-z0-9+/=_\s-]*")
_SHORTEST = 64


def is_pasted(text: str) -> bool:
    """Whether a text is the bytes of an image, not its path; looks at its start only."""
    if _DATA.match(text):
        return True
    if len(text) < _SHORTEST or not _BASE64.fullmatch(text[:_SHORTEST]):
        return False
    try:
        return images.has_image_magic(_decoded(text[:_SHORTEST])) or text.startswith(("Qk", "UklGR"))
    except binascii.Error:
        return False


def content(text: str) -> bytes:
    """The bytes of a pasted image; SourceError where they are malformed."""
    head = _DATA.match(text)
    body = text[head.end() :] if head else text
    try:
        if head and ";base64" not in head[0].lower():
            return unquote_to_bytes(body)
        return _decoded(body)
    except binascii.Error as error:
        raise SourceError(f"the pasted image {text[:40]!r}... is not base64: {error}") from None


def _decoded(text: str) -> bytes:
    text = re.sub(r"\s+", "", text).replace("-", "+").replace("_", "/").rstrip("=")
    return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
