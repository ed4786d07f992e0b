"""Judging: operations that measure a pool, a model, or both, and the reports they write."""

from __future__ import annotations

from veduta.judge.baseline import baseline
from veduta.judge.retrieval import retrieval

__all__ = ["baseline", "retrieval"]
