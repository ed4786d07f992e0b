"""What operations on labels share: a text column as one label a row, nouns by name, vectors of words, the review file."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from veduta.annotate.text_space import with_text
from veduta.encode import cache
from veduta.encode.base import fingerprint
from veduta.encode.vocabulary import picturable_nouns
from veduta.errors import BadInput
from veduta.pool import View
from veduta.pool.class_tree import ClassTree, from_wordnet
from veduta.pool.label_review import Calibrated, calibrate, read_review, write_review

THRESHOLD = b"veduta:threshold"
"""Key in the Arrow field metadata of a column of merged or mapped labels: the threshold that was used."""
CONTEXTS = 3


def nouns(wordnet: str | None) -> ClassTree:
    """The nouns of WordNet's folder, or those of ImageNet-21k, which need no download."""
    return picturable_nouns() if wordnet is None else from_wordnet(wordnet)


def check_texts(pool: View, column: str, needed_by: str, mend: str = "") -> None:
    """Raise MissingColumn or BadInput unless the column holds texts, or lists of them."""
    kind = pool.require(column, needed_by=needed_by, mend=mend).type
    inner = kind.value_type if pa.types.is_list(kind) or pa.types.is_large_list(kind) else kind
    if not (pa.types.is_string(inner) or pa.types.is_large_string(inner)):
        raise BadInput(
            f"{needed_by} reads texts or lists of texts, but the column '{column}' holds {kind}; name another column"
        )


def labels_of(pool: View, column: str) -> list[str | None]:
    """One label a row; of a list the last, as of a path."""
    values = pool.table([column]).column(0).to_pylist()
    return [(value[-1] if value else None) if isinstance(value, list) else value for value in values]


def contexts_of(pool: View, labels: Sequence[str | None], column: str) -> dict[str, str]:
    """label -> the commonest texts that stand in `column` on its rows, joined."""
    found: dict[str, Counter[str]] = {}
    for label, value in zip(labels, pool.table([column]).column(0).to_pylist(), strict=True):
        text = ", ".join(str(each) for each in value if each) if isinstance(value, list) else value
        if label is not None and text:
            found.setdefault(label, Counter())[str(text)[:300]] += 1
    return {
        label: "; ".join(text for text, _ in sorted(texts.items(), key=lambda item: (-item[1], item[0]))[:CONTEXTS])
        for label, texts in found.items()
    }


def embedder(uri: str, needed_by: str) -> Callable[[Sequence[str]], NDArray[np.float32]]:
    """Texts to unit vectors of the encoder's texts."""
    model = with_text(uri, needed_by)
    return lambda texts: model.text(list(texts))


def kept_embedder(uri: str, needed_by: str) -> Callable[[Sequence[str]], NDArray[np.float32]]:
    """As `embedder`, for the names of a vocabulary: computed once a machine, then read from the cache folder."""
    model = with_text(uri, needed_by)

    def embed(texts: Sequence[str]) -> NDArray[np.float32]:
        def make(target: Path) -> None:
            with open(target, "wb") as stream:
                np.save(stream, model.text(list(texts)))

        key = fingerprint(text=model.text_fingerprint, words=list(texts), version=1)
        return np.load(cache.made(f"names-{key[:16]}.npy", make), allow_pickle=False)

    return embed


class Reviewing:
    """The files of a review: `table`, where proposals are written to, and `review`, whose decisions hold."""

    def __init__(self, operation: str, table: str | None, review: str | None) -> None:
        self._operation, self._table, self._review = operation, table, review

    def given(self) -> pa.Table | None:
        """The reviewed table, or None. Raises SourceError where it cannot be read."""
        return None if self._review is None else read_review(self._review)

    def fingerprint(self) -> str:
        """Changes with the content of the review."""
        if self._review is None or not Path(self._review).is_file():
            return ""
        return hashlib.sha256(Path(self._review).read_bytes()).hexdigest()

    def check(self) -> None:
        """Raise if the review cannot be read, or if writing the table would lose decisions."""
        self.given()
        if self._table is None:
            return
        if Path(self._table).exists() and any(read_review(self._table)["decision"].to_pylist()):
            raise BadInput(
                f"table of {self._operation}: {self._table} holds decisions, which would be lost; give it as --review, "
                "or name another file"
            )
        if not Path(self._table).absolute().parent.is_dir():
            raise BadInput(f"table of {self._operation}: the folder of {self._table} does not exist; make it first")

    def write(self, proposals: pa.Table) -> None:
        """Write the proposals where that was asked for."""
        if self._table is not None:
            write_review(proposals, self._table)

    def threshold(self, asked: float | str, precision: float) -> Calibrated | float:
        """The number itself, in (0, 1], or the lowest threshold that is precise enough on the review. Raises BadInput."""
        if not isinstance(asked, str):
            if not 0 < asked <= 1:
                raise BadInput(f"threshold of {self._operation} must be above 0 and at most 1, or review, got {asked}")
            return asked
        review = self.given()
        if review is None:
            raise BadInput(
                f"threshold 'review' of {self._operation} is taken from a reviewed table; name it with --review"
            )
        return calibrate(review, precision)


def noted(schema: pa.Schema, chosen: Calibrated | float) -> pa.Schema:
    """The schema with the threshold that was used in the metadata of its first column."""
    value = chosen if isinstance(chosen, float) else chosen.threshold
    return schema.set(0, schema.field(0).with_metadata({THRESHOLD: f"{value:.4f}".encode()}))


def number(chosen: Calibrated | float) -> float:
    """The threshold as a number."""
    return chosen if isinstance(chosen, float) else chosen.threshold


def placed(pool: View, columns: Mapping[str, pa.Array | Sequence[Any]], schema: pa.Schema) -> pa.Table:
    """Columns of this view's rows with their positions."""
    arrays = [pa.array(pool.rows(), pa.int64())]
    arrays += [v if isinstance(v := columns[f.name], pa.Array) else pa.array(v, f.type) for f in schema]
    return pa.Table.from_arrays(arrays, names=["_row", *schema.names])
