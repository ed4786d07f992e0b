"""JSON documents that hold records: a list of them, a mapping from names to them, or columns, as programs write them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from veduta.pool.readers import images

_CAPTIONS = ("caption", "text", "prompt", "descri")
_LABELS = ("label", "class", "tag", "categor")


def records(document: Any, name: str) -> tuple[list[dict[str, Any]], str]:
    """The records of a document, and how it was understood where that had to be guessed ("" where not).

    name: of the file, which may say whether plain texts are captions or labels. An empty list where nothing in the
    document is a list of records.
    """
    if isinstance(document, list):
        return _of_list(document, name)
    if not isinstance(document, Mapping) or not document:
        return [], ""
    if set(document) >= {"columns", "data"} and isinstance(document["data"], list):  # pandas, orient="split"
        return [dict(zip(document["columns"], row, strict=False)) for row in document["data"]], ""
    values = list(document.values())
    if all(isinstance(v, Mapping) for v in values) and _names_images(document):
        return [{"file_name": key, **value} for key, value in document.items()], "each key names an image"
    if all(isinstance(v, Mapping) for v in values) and len({tuple(v) for v in values}) == 1:  # pandas, orient="columns"
        return [{k: document[k][row] for k in document} for row in values[0]], ""
    are_columns = len(values) > 1 and all(isinstance(v, list) for v in values) and len({len(v) for v in values}) == 1
    if are_columns and not _names_images(document):
        return [dict(zip(document, row, strict=True)) for row in zip(*values, strict=True)], ""
    if _names_images(document):
        column = _column(name, values)
        return [
            {"file_name": key, column: value} for key, value in document.items()
        ], f"each key names an image, each value is its {column}"
    lists = {k: v for k, v in document.items() if isinstance(v, list) and v and isinstance(v[0], (dict, list))}
    if len(lists) == 1:
        ((key, rows),) = lists.items()
        found, how = _of_list(rows, f"{name} {key}")
        return found, how or f"the records are the list '{key}'"
    return [], ""


def _of_list(rows: list[Any], name: str) -> tuple[list[dict[str, Any]], str]:
    found = [row for row in rows if isinstance(row, dict)]
    pairs = [r for r in rows if isinstance(r, list) and len(r) == 2 and isinstance(r[0], str) and images.is_image(r[0])]
    if not found and pairs and len(pairs) == len(rows):
        column = _column(name, [second for _, second in pairs])
        return [{"file_name": first, column: second} for first, second in pairs], f"pairs of image and {column}"
    return found, ""


def _names_images(document: Mapping[str, Any]) -> bool:
    keys = list(document)[:100]
    return sum(map(images.is_image, keys)) * 2 > len(keys)


def _column(name: str, values: list[Any]) -> str:
    many = any(isinstance(v, list) for v in values)
    lower = name.lower()
    texts = [t for v in values[:1000] for t in (v if isinstance(v, list) else [v]) if isinstance(t, str)]
    if any(word in lower for word in _CAPTIONS):
        caption = True
    elif any(word in lower for word in _LABELS):
        caption = False
    else:
        caption = sum(len(t.split()) > 3 for t in texts) * 2 > len(texts)
    return ("captions" if many else "caption") if caption else ("labels" if many else "label")
