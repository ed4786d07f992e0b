"""Class names of columns that hold class numbers, as Hugging Face's `datasets` leaves them in schemas and cards.

They are found by path: "label", or "objects.category" for a field below; lists add nothing to the path.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

Names = Mapping[str, Sequence[str]]


def class_names(schema: pa.Schema) -> dict[str, list[str]]:
    """Class names from the features that `datasets` leaves in the metadata of a schema."""
    try:
        features = json.loads((schema.metadata or {})[b"huggingface"])["info"]["features"]
    except (KeyError, ValueError, TypeError):
        return {}
    found: dict[str, list[str]] = {}

    def visit(path: str, feature: Any) -> None:
        if isinstance(feature, list) and feature:
            visit(path, feature[0])
        elif isinstance(feature, dict):
            if feature.get("_type") == "ClassLabel":
                found[path] = _texts(feature.get("names"))
            elif feature.get("_type") in ("Sequence", "List", "LargeList"):
                visit(path, feature.get("feature"))
            elif "_type" not in feature:
                for name, inner in feature.items():
                    visit(f"{path}.{name}" if path else name, inner)

    visit("", features)
    return {path: names for path, names in found.items() if names}


def card_names(features: Any) -> dict[str, list[str]]:
    """Class names from the `features` of a card's `dataset_info`."""
    found: dict[str, list[str]] = {}

    def visit(path: str, feature: Any) -> None:
        if isinstance(feature, list):
            for one in feature:
                if isinstance(one, dict) and "name" in one:
                    visit(f"{path}.{one['name']}" if path else str(one["name"]), one)
        elif isinstance(feature, dict):
            if isinstance(feature.get("class_label"), dict):
                found[path] = _texts(feature["class_label"].get("names"))
            for form in ("dtype", "list", "sequence", "struct"):
                visit(path, feature.get(form))

    visit("", features)
    return {path: names for path, names in found.items() if names}


def named_type(kind: pa.DataType, path: str, names: Names) -> pa.DataType:
    """The type of a column once its class numbers are names."""
    if path in names and pa.types.is_integer(kind):
        return pa.string()
    if pa.types.is_list(kind):
        return pa.list_(named_type(kind.value_type, path, names))
    if pa.types.is_struct(kind):
        return pa.struct([(f.name, named_type(f.type, f"{path}.{f.name}", names)) for f in kind])
    return kind


def named_value(value: Any, path: str, names: Names) -> Any:
    """A value with names for its class numbers; None for a number that has no name."""
    if isinstance(value, (list, tuple)):
        return [named_value(one, path, names) for one in value]
    if isinstance(value, dict):
        return {key: named_value(inner, f"{path}.{key}", names) for key, inner in value.items()}
    if path in names and isinstance(value, int) and not isinstance(value, bool):
        return names[path][value] if 0 <= value < len(names[path]) else None
    return value


def _texts(names: Any) -> list[str]:
    """Names from a list, or from a mapping of numbers to names; [] for a mapping with gaps."""
    if isinstance(names, dict):
        by_number = {str(number): name for number, name in names.items()}
        names = [by_number.get(str(number)) for number in range(len(by_number))]
    texts = names if isinstance(names, list) else []
    return [] if any(text is None for text in texts) else [str(text) for text in texts]
