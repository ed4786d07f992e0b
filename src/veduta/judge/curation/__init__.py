"""Judging ways of curating: the same small training and test for each selection of a pool."""

from __future__ import annotations

from veduta.judge.curation.operation import Curation as Curation

__all__ = ["Curation"]
