"""Zero-shot safety verdicts."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from veduta.annotate.scores.safety_labels import MINOR_WORDS, SETS, LabelSet
from veduta.encode import shared as loaded
from veduta.engine.operation import Annotator, Batch, Field
from veduta.errors import BadInput, EncoderError, SpaceMismatch
from veduta.pool import View
from veduta.pool.schema import FINGERPRINT

SCALE = 100.0
VERDICTS = ("UNLIKELY", "UNSURE", "NSFW")
_WORDS = re.compile(r"\b(" + "|".join(MINOR_WORDS) + r")\b", re.IGNORECASE)


def probabilities(vectors: NDArray[np.float32], labels: NDArray[np.float32]) -> NDArray[np.float32]:
    """softmax(100 * cosine) of unit vectors (n, d) over labels (l, d): (n, l)."""
    logits = SCALE * (vectors @ labels.T)
    logits -= logits.max(1, keepdims=True)
    powers = np.exp(logits)
    return powers / powers.sum(1, keepdims=True)


def hits(chances: NDArray[np.float32], block: int) -> NDArray[np.int64]:
    """How many of each row's two likeliest labels are among the last `block` labels: 0, 1 or 2."""
    best = np.argsort(-chances, axis=1, kind="stable")[:, :2]
    return (best >= chances.shape[1] - block).sum(1)


class Safety(Annotator):
    """Judge by words whether an image is sexual, and whether it shows minors or animals (LAION-5B's filter).

    Adds `safety` ("NSFW": both of the two likeliest labels are in the sexual block, "UNSURE": one, "UNLIKELY": none),
    `safety_minor` and `safety_animal` (bool: one of the two likeliest labels of those sets is; for minors also a word
    of the captions). Needs embeddings of an encoder with text; after Schuhmann et al. 2022, section 3.4 and the
    released filter, with label sets of our own wording.

    What this is not: a detector of illegal content, or a guarantee. It looks at no violence, no hate, no face; it errs
    both ways, and its errors depend on the encoder. The offline encoder knows 1,000 things and none of these, so it is
    refused unless `even_offline` is set. Match known material with `hash-list`, and look at what is left.
    """

    encoder: str = Field(
        "offline", description="the encoder that made the embeddings; must be a stronger one than offline"
    )
    embedding: str = Field("embedding", description="column of embeddings that `embed` made")
    even_offline: bool = Field(
        False, description="run with the offline encoder too, whose verdicts mean next to nothing"
    )

    def reads(self) -> list[str]:
        return [self._column(), "captions"]

    def adds(self) -> pa.Schema:
        return pa.schema(
            [
                pa.field("safety", pa.string()),
                pa.field("safety_minor", pa.bool_()),
                pa.field("safety_animal", pa.bool_()),
            ]
        )

    def setup(self) -> None:
        for name in SETS:
            _vectors(self.encoder, name)

    def fingerprint(self) -> str:
        return loaded(self.encoder).text_fingerprint or ""

    def check(self, pool: View) -> None:
        if self.encoder == "offline" and not self.even_offline:
            raise BadInput(
                "safety cannot work with the encoder 'offline', which knows none of what is looked for; embed with an "
                "open_clip encoder, or set even_offline to run it for a trial"
            )
        if loaded(self.encoder).text_dim is None:
            raise EncoderError(f"safety compares images with words, and the encoder '{self.encoder}' has no text side")
        super().check(pool)
        have = (pool.schema.field(self._column()).metadata or {}).get(FINGERPRINT, b"").decode()
        want = loaded(self.encoder).text_fingerprint or loaded(self.encoder).fingerprint
        if have not in (want, loaded(self.encoder).fingerprint):
            raise SpaceMismatch(
                f"the column '{self._column()}' was not made by the encoder '{self.encoder}' (fingerprint {have[:12] or 'none'} "
                f"instead of {want[:12]}); name the encoder that made it"
            )

    def annotate(self, batch: Batch) -> Mapping[str, pa.Array | np.ndarray]:
        values = batch.column(self._column())
        valid = np.asarray(values.is_valid())
        vectors = np.asarray(values.drop_null().flatten(), np.float32).reshape(int(valid.sum()), -1)
        found = {name: np.zeros(len(batch), np.int64) for name in SETS}
        for name, labels in SETS.items():
            if len(vectors):
                found[name][valid] = hits(probabilities(vectors, _vectors(self.encoder, name)), len(labels.block))
        worded = np.array(
            [any(_WORDS.search(text or "") for text in texts or []) for texts in batch.column("captions").to_pylist()]
        )
        return {
            "safety": pa.array(
                [VERDICTS[h] if ok else None for h, ok in zip(found["sexual"], valid, strict=True)], pa.string()
            ),
            "safety_minor": pa.array((found["minors"] > 0) | worded, mask=~valid),
            "safety_animal": pa.array(found["animals"] > 0, mask=~valid),
        }

    def _column(self) -> str:
        model = loaded(self.encoder)
        return self.embedding if model.shared or model.text_dim is None else f"{self.embedding}_text"


@lru_cache(maxsize=32)
def _vectors(uri: str, name: str) -> NDArray[np.float32]:
    labels: LabelSet = SETS[name]
    return loaded(uri).text(list(labels.labels))
