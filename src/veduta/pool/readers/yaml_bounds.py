"""YAML of strangers: bounded in size, and without aliases, by which a few lines stand for billions of values."""

from __future__ import annotations

from typing import Any

import yaml

from veduta.pool import limits


class _Plain(yaml.BaseLoader):
    """Texts, lists and mappings; nothing else is constructed."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError("a part of it stands for another one (*name); write it out")
        return super().compose_node(parent, index)


class _Typed(_Plain, yaml.SafeLoader):
    """Numbers, dates and truth values too."""


def load(text: str, *, typed: bool = False) -> Any:
    """The content; yaml.YAMLError or ValueError where it has none. typed: values that are numbers, dates or truth values."""
    if len(text) > limits.YAML:
        raise ValueError(f"longer than the {limits.YAML >> 20} MiB of YAML that are read")
    try:
        return yaml.load(text, Loader=_Typed if typed else _Plain)
    except RecursionError:
        raise ValueError("nested too deep") from None
