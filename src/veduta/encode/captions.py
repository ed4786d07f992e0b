"""The texts of a row, read alike by what trains on them and what scores them."""

from __future__ import annotations

from collections.abc import Iterable


def texts_in(value: str | Iterable[str | None] | None) -> list[str]:
    """A cell's string or list of strings as its different texts, white space made single, empty ones left out."""
    texts = [value] if isinstance(value, str) else value or []
    clean = (" ".join(text.split()) for text in texts if text is not None)
    return [text for text in dict.fromkeys(clean) if text]
