"""Judging: operations that measure a pool, a model, or both, and the reports they write."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from veduta.judge.baseline import baseline as baseline
    from veduta.judge.pool_report import pool_report as pool_report
    from veduta.judge.report import Report as Report
    from veduta.judge.retrieval import retrieval as retrieval

__all__ = ["Report", "baseline", "pool_report", "retrieval"]
_HOMES = {"Report": "report", "baseline": "baseline", "pool_report": "pool_report", "retrieval": "retrieval"}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(f"veduta.judge.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'veduta.judge' has no attribute '{name}'")
