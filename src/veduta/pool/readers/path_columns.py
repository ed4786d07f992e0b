"""Which column of a record names its image."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from veduta.pool.readers import images, json_bounds

# Looked for in this order, whatever their case and with or without underscores.
PATH_COLUMNS = (
    *(
        "file_name",
        "file",
        "path",
        "image",
        "image_path",
        "filepath",
        "filename",
        "img_path",
        "image_name",
        "image_file",
    ),
    *("image_filename", "file_path", "img", "img_name", "img_file", "picture", "photo", "image_file_path"),
)
IDS = ("image_id", "img_id", "id")
LINKS = ("uri", "url", "image_url", "img_url", "link", "image_link", "src")


def plain(name: str) -> str:
    """The name as names are compared."""
    return name.strip().lower().replace("_", "").replace(" ", "").replace("-", "")


def named(names: Iterable[str], wanted: Iterable[str]) -> str | None:
    """The first of `wanted` that is among `names`, as it is spelled there."""
    have = {plain(name): name for name in reversed(list(names))}
    return next((have[plain(w)] for w in wanted if plain(w) in have), None)


def of_values(records: Iterable[Mapping[str, Any]]) -> str | None:
    """The column whose values look like the names of image files in more than half of the records."""
    votes: dict[str, int] = {}
    total = 0
    for record in records:
        total += 1
        for name, value in record.items():
            if isinstance(value, str) and len(value) < 4096 and images.is_image(value.partition("?")[0]):
                votes[name] = votes.get(name, 0) + 1
    best = max(votes, key=lambda n: votes[n], default=None)
    return best if best is not None and votes[best] * 2 > total else None


def named_by(value: Any) -> list[str]:
    """The names that a value holds: one, or those of a list, which CSV has as JSON text."""
    if isinstance(value, str) and value.startswith("[") and value.endswith("]"):
        try:
            value = json_bounds.loads(value)
        except ValueError:
            return [value]
    many = value if isinstance(value, (list, tuple)) else [value]
    return [str(one) for one in many if isinstance(one, (str, int)) and not isinstance(one, bool) and one != ""]
