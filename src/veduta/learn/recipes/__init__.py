"""Recipes of training: YAML files with values for an operation's parameters, each with its reason in a comment."""

from __future__ import annotations

import difflib
from importlib.resources import files
from pathlib import Path
from typing import Any

from veduta.errors import BadInput


def names() -> list[str]:
    """The recipes that come with Veduta."""
    return sorted(
        entry.name.removesuffix(".yaml") for entry in files(__name__).iterdir() if entry.name.endswith(".yaml")
    )


def values(recipe: str, operation: str, fields: list[str]) -> dict[str, Any]:
    """What the recipe says for the parameters `fields` of `operation`. Raises BadInput for any other content."""
    import yaml

    if recipe in names():
        place, text = f"the recipe {recipe}", (files(__name__) / f"{recipe}.yaml").read_text("utf-8")
    else:
        place, text = recipe, _read(recipe)
    try:
        content = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise BadInput(f"{place} is not valid YAML: {' '.join(str(error).split())}") from None
    if not isinstance(content, dict) or set(content) != {operation} or not isinstance(content[operation], dict):
        have = ", ".join(map(str, content)) if isinstance(content, dict) else type(content).__name__
        raise BadInput(f"{place} must be a mapping '{operation}: {{parameter: value}}' for this operation, got: {have}")
    found = {str(key).replace("-", "_"): value for key, value in content[operation].items()}
    for name in found:
        if name not in fields or name == "recipe":
            near = difflib.get_close_matches(name, fields, 1)
            hint = f"; did you mean '{near[0]}'?" if near else f" (it has: {', '.join(fields)})"
            raise BadInput(f"{place}: {operation} has no parameter '{name}'{hint}")
    return found


def _read(path: str) -> str:
    try:
        return Path(path).read_text("utf-8")
    except OSError as error:
        raise BadInput(
            f"the recipe {path} cannot be read: {error.strerror}; recipes that come with Veduta: {', '.join(names())}"
        ) from None
