"""Words with their vectors in an encoder's text space, for naming what images have in common."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from veduta.annotate.nouns import NOUNS
from veduta.encode import cache, shared
from veduta.encode.base import fingerprint
from veduta.encode.offline import Offline
from veduta.encode.vocabulary import imagenet_names

# A dog is better called dog than German shepherd; a litter of terriers is not. Seen on the clusters of in1k-sample.
EVERYDAY = 0.1


@lru_cache(maxsize=8)
def vocabulary(uri: str) -> tuple[tuple[str, ...], NDArray[np.float32], NDArray[np.float32]]:
    """Words (w,), their unit vectors (w, d) in the text space of the encoder `uri`, and a bonus (w,) for everyday words.

    Everyday nouns for every encoder, and the class names of ImageNet for `offline`, which has their vectors anyway.
    Computed once (some seconds for a large text network), then read from the cache folder.
    """
    model = shared(uri)

    def make(target: Path) -> None:
        with open(target, "wb") as stream:
            np.save(stream, model.text([f"a photo of {_article(word)}" if model.shared else word for word in NOUNS]))

    key = fingerprint(text=model.text_fingerprint, words=NOUNS, version=1)
    vectors = np.load(cache.made(f"nouns-{key[:16]}.npy", make), allow_pickle=False)
    if isinstance(model, Offline):
        words = (*NOUNS, *imagenet_names())
        bonus = np.repeat(np.float32([EVERYDAY, 0]), [len(NOUNS), len(words) - len(NOUNS)])
        return words, np.concatenate([vectors, model.words()]), bonus
    return NOUNS, vectors, np.zeros(len(NOUNS), np.float32)


def _article(word: str) -> str:
    return f"{'an' if word[0].lower() in 'aeiou' else 'a'} {word}"
