"""Which space the vectors of a column live in, and how a query gets there.

A column says in its metadata which operation made it, with which encoder, and the encoder's fingerprint. A query is
encoded by the same encoder, and only if the fingerprint is still the same.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from veduta.encode import shared
from veduta.errors import BadInput, EncoderError, MissingColumn, SpaceMismatch
from veduta.pool.schema import FINGERPRINT, OPERATION, PARAMETERS
from veduta.search.exact import unit

if TYPE_CHECKING:
    from veduta.encode import Encoder
    from veduta.pool import View
    from veduta.search.whiten import Whitening

MEND = "add it with: veduta annotate embed POOL"


@dataclass(frozen=True, slots=True)
class Space:
    """A vector column: `encoder` is None for vectors that came with the source; `whitening` follows the encoder."""

    column: str
    dim: int
    encoder: Encoder | None
    joint: bool = False
    whitening: Whitening | None = None

    def image(self, image: NDArray[np.uint8]) -> NDArray[np.float32]:
        """One image (h, w, 3) uint8 to (dim,) float32 of unit norm."""
        model = self._encoder("an image")
        prepared = model.prepare(image)[None]
        made = model.both(prepared)[1] if self.joint else model.image(prepared)
        if made is None:
            raise EncoderError(
                f"the encoder '{model.uri}' puts no image into the space of '{self.column}'; name another column"
            )
        return self._finish(made)[0]

    def text(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Texts to (t, dim) float32 of unit norm. Raises BadInput for one of which the encoder knows no word."""
        model = self._encoder("text")
        vectors = model.text(list(texts))
        for text, vector in zip(texts, vectors, strict=True):
            if not vector.any():
                raise BadInput(
                    f"the encoder '{model.uri}' knows no word of {text!r:.80}, so there is nothing to search by; use words of the "
                    "texts that it was trained on"
                )
        return self._finish(vectors)

    def _encoder(self, what: str) -> Encoder:
        if self.encoder is None:
            raise BadInput(
                f"the column '{self.column}' was not made by an encoder of Veduta, so {what} cannot be compared with it; "
                "search it by row or vector, or name an embedding column"
            )
        return self.encoder

    def _finish(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        return unit(vectors) if self.whitening is None else self.whitening.apply(vectors)


def made_by(pool: View, column: str) -> dict[str, Any]:
    """{operation, parameters, fingerprint} of a column; empty strings and parameters for one of the source."""
    metadata = pool.schema.field(column).metadata or {}
    return {
        "operation": metadata.get(OPERATION, b"").decode(),
        "parameters": json.loads(metadata.get(PARAMETERS, b"{}")),
        "fingerprint": metadata.get(FINGERPRINT, b"").decode(),
    }


def space(pool: View, column: str) -> Space:
    """The space of a vector column. Raises MissingColumn, BadInput if it holds no vectors, SpaceMismatch."""
    field = pool.require(column, needed_by="search", mend=MEND)
    if not pa.types.is_fixed_size_list(field.type):
        raise BadInput(f"the column '{column}' holds {field.type}, not vectors; name an embedding column")
    made, dim = made_by(pool, column), field.type.list_size
    if made["operation"] == "whiten":
        from veduta.search.whiten import find

        source = space(pool, made["parameters"]["embedding"])
        return Space(column, dim, source.encoder, source.joint, find(pool, column))
    uri = made["parameters"].get("encoder")
    if not made["fingerprint"] or not uri:
        return Space(column, dim, None)
    model = shared(uri)
    if made["fingerprint"] == model.fingerprint:
        return Space(column, dim, model)
    if made["fingerprint"] == model.text_fingerprint and not model.shared:
        return Space(column, dim, model, joint=True)
    raise SpaceMismatch(
        f"the column '{column}' was made by an encoder '{uri}' with the fingerprint {made['fingerprint'][:12]}, but the one "
        f"installed here has {model.fingerprint[:12]}, so queries would land in another space; embed the pool again"
    )


def with_text(pool: View, column: str) -> Space:
    """The space in which texts meet the images of `column`: the column itself, or its sibling `<column>_text`.

    Raises EncoderError if the encoder has no text side, MissingColumn if the sibling is not there.
    """
    own = space(pool, column)
    model = own._encoder("text")
    if model.text_dim is None:
        raise EncoderError(
            f"the encoder '{model.uri}' of the column '{column}' has no text side; search by image, row or vector, "
            "or embed with 'offline' or an open_clip: encoder"
        )
    if own.joint or model.shared:
        return own
    base = made_by(pool, column)["parameters"]["embedding"] if own.whitening is not None else column
    sibling = f"{base}_text"
    if sibling not in pool.schema.names:
        raise MissingColumn(sibling, needed_by="text search", have=pool.schema.names, mend=MEND)
    return space(pool, sibling)
