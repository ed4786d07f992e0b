"""The search lens: `veduta.search(pool, text="a dog in the snow")`.

The module is the function: call it to search. `veduta.search.index` builds an approximate index, `veduta.search.subset`
stores what texts find as a selection; `Whiten`, `EmbedPatches` and `Query` are operations for pools.
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from veduta.search.hits import Hit as Hit
    from veduta.search.hits import Hits as Hits
    from veduta.search.lens import build_index as index
    from veduta.search.lens import search as search
    from veduta.search.patches import EmbedPatches as EmbedPatches
    from veduta.search.plan import choose as choose
    from veduta.search.selector import Query as Query
    from veduta.search.selector import subset as subset
    from veduta.search.whiten import Whiten as Whiten

_HOMES = {
    "Hit": "hits:Hit",
    "Hits": "hits:Hits",
    "EmbedPatches": "patches:EmbedPatches",
    "Query": "selector:Query",
    "Whiten": "whiten:Whiten",
    "choose": "plan:choose",
    "index": "lens:build_index",
    "subset": "selector:subset",
}
__all__ = ["EmbedPatches", "Hit", "Hits", "Query", "Whiten", "choose", "index", "search", "subset"]


class _Search(ModuleType):
    """A module that can be called, so that `veduta.search` is both the function and the room it lives in."""

    def __call__(self, *arguments: Any, **options: Any) -> Hits:
        return importlib.import_module("veduta.search.lens").search(*arguments, **options)

    @property
    def search(self) -> _Search:
        """The module itself: `from veduta.search import search` gives what `veduta.search` is."""
        return self

    def __getattr__(self, name: str) -> Any:
        if name in _HOMES:
            module, _, attribute = _HOMES[name].partition(":")
            return getattr(importlib.import_module(f"veduta.search.{module}"), attribute)
        raise AttributeError(f"module 'veduta.search' has no attribute '{name}'")

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *__all__})


sys.modules[__name__].__class__ = _Search
