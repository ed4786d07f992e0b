"""Class names that Hugging Face's `datasets` leaves in the schema of its files."""

from __future__ import annotations

import json
from typing import Any

import pyarrow as pa


def class_names(schema: pa.Schema) -> dict[str, list[str]]:
    """Class names of number columns, from the features that Hugging Face's `datasets` leaves in a schema."""
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
                found[path] = list(feature.get("names") or [])
            elif feature.get("_type") in ("Sequence", "List", "LargeList"):
                visit(path, feature.get("feature"))
            elif "_type" not in feature:
                for name, inner in feature.items():
                    visit(f"{path}.{name}" if path else name, inner)

    visit("", features)
    return found
