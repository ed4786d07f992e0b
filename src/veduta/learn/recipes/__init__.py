"""Recipes of training: YAML files with values for an operation's parameters, each with its reason in a comment.

A recipe that is a list of rungs, `- name: {parameter: value}`, is a ladder: `RECIPE:RUNG` has the values of all rungs up to
that one, RECIPE alone those of all.
"""

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

    file, rung = _rung(recipe)
    if file in names():
        place, text = f"the recipe {file}", (files(__name__) / f"{file}.yaml").read_text("utf-8")
    else:
        place, text = file, _read(file)
    try:
        content = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise BadInput(f"{place} is not valid YAML: {' '.join(str(error).split())}") from None
    if isinstance(content, dict) and isinstance(content.get(operation), list):
        content = {**content, operation: _climbed(place, content[operation], rung)}
    elif rung is not None:
        raise BadInput(f"{place} has no rungs; leave out ':{rung}'")
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


def _rung(recipe: str) -> tuple[str, str | None]:
    """`NAME:RUNG` in two parts; a drive letter or a name that is a file is not a rung."""
    file, colon, rung = recipe.rpartition(":")
    if not colon or len(file) < 2 or "/" in rung or "\\" in rung or Path(recipe).exists():
        return recipe, None
    return file, rung


def _climbed(place: str, rungs: list[Any], last: str | None) -> dict[str, Any]:
    """The values of the rungs up to and with `last`, later ones over earlier."""
    found: dict[str, Any] = {}
    have: list[str] = []
    for rung in rungs:
        if not isinstance(rung, dict) or len(rung) != 1 or not isinstance(added := next(iter(rung.values())), dict):
            raise BadInput(f"{place} must be a mapping, or a list of rungs '- name: {{parameter: value}}', got: {rung}")
        found |= added
        have += map(str, rung)
        if have[-1] == last:
            return found
    if last is not None:
        raise BadInput(f"{place} has no rung '{last}' (it has: {', '.join(have)})")
    return found


def _read(path: str) -> str:
    try:
        return Path(path).read_text("utf-8")
    except OSError as error:
        raise BadInput(
            f"the recipe {path} cannot be read: {error.strerror}; recipes that come with Veduta: {', '.join(names())}"
        ) from None
