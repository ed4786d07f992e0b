"""Embedding columns that texts can be compared with."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from veduta.annotate.vectors import sound
from veduta.encode import Encoder, shared
from veduta.encode.base import unit
from veduta.errors import BadInput, EncoderError, MissingColumn, SpaceMismatch
from veduta.pool import View
from veduta.pool.schema import FINGERPRINT

# Softmax temperatures. Contrastive encoders are trained with a logit scale of 100 (CLIP, arXiv 2103.00020, section 2.5).
# The word-vector space of `offline` was calibrated once: 0.05 to 0.07 give the least loss on CIFAR-10 (10 classes) and on
# in1k-sample (1,000 classes) alike.
CONTRASTIVE, WORDS = 0.01, 0.06


def with_text(uri: str, needed_by: str) -> Encoder:
    """The encoder called `uri`; EncoderError if it has no text side."""
    model = shared(uri)
    if model.text_dim is None:
        raise EncoderError(
            f"{needed_by} compares images with texts, but the encoder '{uri}' has no text side; "
            "use offline or open_clip:ARCH/TAG, for the embedding too"
        )
    return model


def text_column(model: Encoder, embedding: str) -> str:
    """The column, among those `embed` makes, that lives in the space of the encoder's texts."""
    return embedding if model.shared or embedding.endswith("_text") else f"{embedding}_text"


def check_space(pool: View, column: str, model: Encoder, needed_by: str, *, base: bool = False) -> None:
    """Raise unless `column` holds vectors of the space of the encoder's texts.

    base: vectors of the encoder whose features a run's head was trained on will do as well; see `in_space`.
    """
    if column not in pool.schema.names:
        mend = f"make it with: veduta annotate embed POOL --encoder {model.uri}"
        raise MissingColumn(column, needed_by=needed_by, have=pool.schema.names, mend=mend)
    field = pool.schema.field(column)
    made = (field.metadata or {}).get(FINGERPRINT, b"").decode()
    vectors = pa.types.is_fixed_size_list(field.type)
    if base and vectors and of_base(model, field.type.list_size, made):
        return
    fits = vectors and field.type.list_size == model.text_dim
    if not fits or (made and made not in (model.fingerprint, model.text_fingerprint)):
        below = getattr(model, "base", None) if base else None
        also = f" nor in the space of '{below.uri}', which it was trained on" if below is not None else ""
        raise SpaceMismatch(
            f"{needed_by}: the column '{column}' does not live in the text space of the encoder '{model.uri}'{also}; "
            "give the encoder that made the column, or embed again with this one"
        )


def of_base(model: Encoder, dim: int, made: str) -> bool:
    """Whether vectors of `dim` dimensions with the fingerprint `made` ("" if unknown) are what a run's head takes."""
    base = getattr(model, "base", None)
    if base is None or dim != base.dim:
        return False
    return made == base.fingerprint if made else base.dim != model.dim


def in_space(model: Encoder, vectors: NDArray[np.float32], made: str) -> NDArray[np.float32]:
    """Unit vectors (n, d) in the space of the encoder's texts: those of a run's base go through its image head.

    So a pool that has the base's vectors need not be decoded again for a run that is a head on them. made: the
    fingerprint of the column, "" where it is unknown and the number of dimensions must tell.
    """
    if len(vectors) and of_base(model, vectors.shape[1], made):
        head: Any = model
        return unit(head.headed(vectors))
    return vectors


def temperature(model: Encoder) -> float:
    """The softmax temperature that suits the encoder's cosines."""
    return CONTRASTIVE if model.shared else WORDS


@lru_cache(maxsize=32)
def class_vectors(uri: str, names: tuple[str, ...], templates: tuple[str, ...]) -> NDArray[np.float32]:
    """(c, d) unit vectors of class names: the mean over the templates, each with its {} replaced by the name.

    Raises BadInput for a class of which the encoder knows no word.
    """
    model = shared(uri)
    texts = [template.replace("{}", name) for name in names for template in templates]
    vectors = model.text(texts).reshape(len(names), len(templates), -1)
    for name, own in zip(names, vectors, strict=True):
        if not own.any():
            raise BadInput(
                f"the encoder '{uri}' knows no word of the class '{name}'; name it in words of the texts that it was trained on"
            )
    return unit(vectors.mean(axis=1))


def present(column: pa.Array) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Unit vectors (m, d) of the rows of a fixed-size-list column that have a sound vector, and these m places."""
    places = np.flatnonzero(np.asarray(column.is_valid()))
    vectors = column.filter(column.is_valid()).flatten().to_numpy(zero_copy_only=False)
    vectors = np.asarray(vectors, np.float32).reshape(len(places), column.type.list_size)
    fine = sound(vectors)
    return unit(vectors[fine]), places[fine]
