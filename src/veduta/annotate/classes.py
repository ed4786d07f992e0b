"""Class names of probability columns, and labels found among them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from veduta.errors import BadInput

CLASSES = b"veduta:classes"
"""Key in the Arrow field metadata of a column of class probabilities: a JSON list of the class names, in order."""

SCORES = b"veduta:scores"
"""Key beside it that says what the values are: `probabilities`, which exclude each other and sum to 1, `logits`, or
`independent`, of which several may be high. Columns without it are told apart by `probable`."""


def probable(values: NDArray[np.floating]) -> bool:
    """Whether rows (n, c) are probabilities, not logits: none below 0, and each sums to 1 within 0.01."""
    return bool((values >= 0).all() and (np.abs(values.sum(axis=1) - 1) <= 1e-2).all())


def said(field: pa.Field, needed_by: str) -> str:
    """What the values of a scores column are, "" where it does not say. Raises BadInput for scores that do not compete."""
    told = (field.metadata or {}).get(SCORES, b"").decode()
    if told == "independent":
        raise BadInput(
            f"{needed_by}: the scores in '{field.name}' do not sum to 1, so that several classes may be true at once; if they are "
            "logits of classes that exclude each other, import them again with --values logits"
        )
    return told


def class_numbers(labels: Sequence[str | None], names: Sequence[str]) -> NDArray[np.int64]:
    """(n,) the class number of each label, -1 where it is none of the classes.

    A label is a class if it is its name, letters' case apart. Labels of ImageNet may also be WordNet ids ("n02084071"),
    other names of the class, if no other class has the same, or class numbers.
    """
    table = _aliases(names)
    return np.array([-1 if label is None else table.get(label.strip().casefold(), -1) for label in labels], np.int64)


def _aliases(names: Sequence[str]) -> dict[str, int]:
    from veduta.encode.vocabulary import imagenet_lemmas, imagenet_names, imagenet_synsets

    table: dict[str, int] = {}
    if tuple(names) == imagenet_names():
        seen: dict[str, int] = {}
        for number, lemmas in enumerate(imagenet_lemmas()):
            for lemma in {lemma.casefold() for lemma in lemmas}:
                seen[lemma] = -1 if lemma in seen else number
        table |= {lemma: number for lemma, number in seen.items() if number >= 0}
        table |= {str(number): number for number in range(len(names))}
        table |= {synset: number for number, synset in enumerate(imagenet_synsets())}
    return table | {name.casefold(): number for number, name in enumerate(names)}
