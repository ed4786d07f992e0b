"""Veduta: an engine for visual data.

`open` and `create` give pools; operations live in `veduta.annotate`, `veduta.select`, `veduta.judge`. Everything is
imported on first use, so `import veduta` is quick and touches neither torch nor Lance.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from veduta import silence
from veduta._version import __version__ as __version__

if TYPE_CHECKING:
    from pathlib import Path

    from veduta.curation import curate as curate
    from veduta.engine.recipe import Recipe as Recipe
    from veduta.engine.recipe import run_recipe as run_recipe
    from veduta.pool import Pool as Pool
    from veduta.pool import Selection as Selection
    from veduta.pool.readers.look import look as look
    from veduta.pool.writers import export as export
    from veduta.search import search as search

_HOMES = {
    "Pool": "veduta.pool",
    "Selection": "veduta.pool",
    "Recipe": "veduta.engine.recipe",
    "run_recipe": "veduta.engine.recipe",
    "curate": "veduta.curation",
    "export": "veduta.pool.writers",
    "look": "veduta.pool.readers.look",
    "search": "veduta.search",
}
__all__ = ["Pool", "Recipe", "Selection", "create", "curate", "export", "look", "open", "run_recipe", "search"]

silence.keep()


def open(path: str | Path, version: int | None = None) -> Pool:
    """Open the pool in the folder `path`, at its newest version or a given one."""
    from veduta.pool import Pool

    return Pool.open(path, version)


def create(path: str | Path) -> Pool:
    """Make an empty pool in the new folder `path`."""
    from veduta.pool import Pool

    return Pool.create(path)


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'veduta' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
