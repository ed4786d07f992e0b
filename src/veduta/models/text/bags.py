"""Bags of words and of n-grams, weighted by idf, through a small network."""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from veduta.errors import BadInput
from veduta.models.text.base import TextTower, checked
from veduta.models.text.words import words_of

LEAST = 2
HASHED = 1 << 16
SKIP = 2
HIDDEN = 512
DROP = 0.3


def grams(words: Sequence[str], n: int, skip: bool) -> list[str]:
    """All runs of 1 ... n words, and with `skip` pairs of words with one or two others between them."""
    found = [" ".join(words[i : i + k]) for k in range(1, n + 1) for i in range(len(words) - k + 1)]
    if skip:
        found += [f"{words[i]} _ {words[i + gap]}" for gap in range(2, SKIP + 2) for i in range(len(words) - gap)]
    return found


def fit_bag(name: str, texts: Sequence[str], dim: int) -> dict[str, Any]:
    """Arguments of `BagTower` for bow, ngram:N or ngram:N+skip; vocabulary and idf are those of the given texts.

    Grams that occur twice or more are features. idf = log((1 + texts) / (1 + texts with it)) + 1, as scikit-learn has it.
    More than 65,536 features are hashed into so many buckets, with a sign; the vocabulary is then that of single words.
    Raises BadInput for another name, or if nothing occurs twice. Memory: all different grams of the texts.
    """
    order, plus, extra = name.removeprefix("ngram:").partition("+")
    if name != "bow" and (
        not name.startswith("ngram:") or order not in {"1", "2", "3", "4", "5"} or (plus and extra != "skip")
    ):
        raise BadInput(f"a text tower of n-grams is ngram:N or ngram:N+skip with N from 1 to 5, got '{name}'")
    n, skip = (1, False) if name == "bow" else (int(order), bool(plus))
    counts: Counter[str] = Counter()
    documents: Counter[str] = Counter()
    for text in texts:
        own = grams(words_of(text), n, skip)
        counts.update(own)
        documents.update(set(own))
    kept = sorted(gram for gram, count in counts.items() if count >= LEAST)
    if not kept:
        raise BadInput(f"nothing occurs twice in the {len(texts)} training texts; use --text-tower minilm")
    made = {"n": n, "skip": skip, "dim": dim, "drop": DROP, "hashed": len(kept) > HASHED}
    if not made["hashed"]:
        return {**made, "vocabulary": kept, "idf": [_idf(documents[gram], len(texts)) for gram in kept]}
    words = [gram for gram in kept if " " not in gram]
    known = set(words)
    # A bucket's documents are counted, not added up over its grams: two grams of one text are one text.
    buckets = np.zeros(HASHED, np.int64)
    for text in texts:
        buckets[list({_bucket(gram)[0] for gram in _hashable(text, n, skip, known)})] += 1
    return {**made, "vocabulary": words, "idf": [_idf(count, len(texts)) for count in buckets.tolist()]}


def _idf(count: int, texts: int) -> float:
    return round(math.log((1 + texts) / (1 + count)) + 1, 6)


def _hashable(text: str, n: int, skip: bool, known: set[str]) -> list[str]:
    """A text's grams of known words only: a bucket would take any other as readily."""
    return [g for g in grams(words_of(text), n, skip) if all(w in known or w == "_" for w in g.split(" "))]


def _bucket(gram: str) -> tuple[int, float]:
    number = int.from_bytes(hashlib.blake2b(gram.encode(), digest_size=8).digest(), "big")
    return number % HASHED, 1.0 if number >> 63 else -1.0


class BagTower(TextTower):
    """tf-idf of words or n-grams, scaled to unit length, then features -> 512 -> dim with ReLU and dropout between."""

    def __init__(
        self, n: int, skip: bool, dim: int, vocabulary: list[str], idf: list[float], hashed: bool = False,
        drop: float = DROP,
    ) -> None:  # fmt: skip
        super().__init__()
        self.n, self.skip, self.dim, self.hashed = n, skip, dim, hashed
        self.vocabulary, self.idf = vocabulary, idf
        self._number = {gram: i for i, gram in enumerate(vocabulary)}
        self._known = set(vocabulary)
        self.first = nn.EmbeddingBag(len(idf), HIDDEN, mode="sum")
        nn.init.normal_(self.first.weight, std=HIDDEN**-0.5)
        self.bias = nn.Parameter(torch.zeros(HIDDEN))
        self.drop = nn.Dropout(drop)
        self.second = nn.Linear(HIDDEN, dim)

    def features(self, text: str) -> dict[int, float]:
        """Feature number -> weight; unit length, or empty."""
        found: dict[int, float] = {}
        for number, sign in self._numbers(text):
            found[number] = found.get(number, 0.0) + sign * self.idf[number]
        length = math.sqrt(sum(value * value for value in found.values()))
        return {number: value / length for number, value in found.items()} if length else {}

    def _numbers(self, text: str) -> list[tuple[int, float]]:
        if self.hashed:
            return [_bucket(gram) for gram in _hashable(text, self.n, self.skip, self._known)]
        own = grams(words_of(text), self.n, self.skip)
        return [(self._number[gram], 1.0) for gram in own if gram in self._number]

    def tokens(self, texts: Sequence[str]) -> dict[str, Tensor]:
        bags = [self.features(text) for text in checked(texts)]
        starts = np.cumsum([0, *(len(bag) for bag in bags)], dtype=np.int64)[:-1]
        return {
            "ids": torch.tensor([number for bag in bags for number in bag], dtype=torch.int64),
            "weights": torch.tensor([value for bag in bags for value in bag.values()], dtype=torch.float32),
            "starts": torch.from_numpy(starts),
            "known": torch.tensor([bool(bag) for bag in bags], dtype=torch.bool),
        }

    def forward(self, tokens: Mapping[str, Tensor]) -> Tensor:
        hidden = self.first(tokens["ids"], tokens["starts"], per_sample_weights=tokens["weights"]) + self.bias
        return self.second(self.drop(torch.relu(hidden))) * tokens["known"][:, None]

    def config(self) -> dict[str, Any]:
        return {
            "n": self.n, "skip": self.skip, "dim": self.dim, "drop": self.drop.p, "hashed": self.hashed,
            "vocabulary": self.vocabulary, "idf": self.idf,
        }  # fmt: skip

    def unknown(self, texts: Sequence[str]) -> NDArray[np.bool_]:
        return np.array([not self.features(text) for text in checked(texts)], bool)
