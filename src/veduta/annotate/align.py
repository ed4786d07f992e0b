"""How well a text describes its image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from veduta.annotate.text_space import check_space, in_space, present, text_column, with_text
from veduta.encode import Encoder
from veduta.encode.captions import texts_in
from veduta.encode.trained_on import seen
from veduta.engine.operation import Annotator, Batch, Field
from veduta.errors import BadInput
from veduta.pool import View
from veduta.pool.schema import FINGERPRINT


class Align(Annotator):
    """Score how well each image's own text describes it.

    Adds `alignment`: float32 in [-1, 1], the cosine of the image and its caption in the encoder's text space, the largest
    or the mean over several captions (LAION-5B, arXiv 2210.08402, section 3.1; CLIPScore, arXiv 2104.08718, without its
    factor 2.5). Rows without a text or an embedding get null; empty texts do not count. Thresholds belong to one encoder:
    LAION's 0.28 is for CLIP ViT-B/32, so cut by fraction or calibrate on known pairs.

    The encoder may be a run of `learn pairs`: a filtering network (Fang et al. 2024, arXiv 2309.17425). `embedding` then holds its
    own vectors, or those of the encoder whose vectors its head was trained on, which cost one product with the head. Images
    that the run was trained on, by digest, get null: it knows them by heart, wrong captions included. The same image in
    another file is not found so.
    """

    text: str = Field("captions", description="column of texts: a string or a list of strings a row")
    encoder: str = Field("offline", description="the encoder that made the embedding")
    embedding: str = Field("embedding", description="embedding column, as embed names it")
    over: Literal["max", "mean"] = Field("max", description="how several captions of an image are combined")
    seen: Literal["skip", "score"] = Field(
        "skip",
        description="images that the encoder was trained on, where it is a run: no score, or one like the others",
    )
    column: str = Field("alignment", pattern=r"^[A-Za-z_]\w*$", description="name of the column")

    def check(self, pool: View) -> None:
        check_space(pool, self.reads()[0], with_text(self.encoder, "align"), "align", base=True)
        kind = pool.require(self.text, needed_by="align", mend="name the column of the texts with --text").type
        inner = kind.value_type if pa.types.is_list(kind) or pa.types.is_large_list(kind) else kind
        if not (pa.types.is_string(inner) or pa.types.is_large_string(inner)):
            raise BadInput(
                f"text of align must name a column of strings or lists of strings, '{self.text}' holds {kind}"
            )

    def reads(self) -> list[str]:
        model = with_text(self.encoder, "align")
        return [text_column(model, self.embedding), self.text, *(["digest"] if self._trained_on() is not None else [])]

    def adds(self) -> pa.Schema:
        return pa.schema([pa.field(self.column, pa.float32())])

    def fingerprint(self) -> str:
        return with_text(self.encoder, "align").text_fingerprint or ""

    def annotate(self, batch: Batch) -> Mapping[str, pa.Array | np.ndarray]:
        captions = [texts_in(value) for value in batch.column(self.text).to_pylist()]
        vectors, places = self._vectors(batch)
        trained = self._trained_on()
        if trained is not None:
            fresh = ~seen(batch.column("digest").to_pylist(), trained)[places]
            vectors, places = vectors[fresh], places[fresh]
        score: list[float | None] = [None] * len(batch)
        own = [captions[place] for place in places]
        for place, value in zip(places, scores(with_text(self.encoder, "align"), vectors, own, self.over), strict=True):
            score[place] = None if np.isnan(value) else float(value)
        return {self.column: pa.array(score, pa.float32())}

    def afterwards(self, pool: View) -> list[str]:
        empty = len(pool.rows(f"{self.column} is null"))
        trained = self._trained_on()
        known = 0
        if trained is not None:
            known = sum(int(seen(b.column(0).to_pylist(), trained).sum()) for b in pool.batches(["digest"]))
        said = [f"{known:,} rows have no {self.column}: '{self.encoder}' was trained on their images"] if known else []
        if empty > known:
            said.append(f"{empty - known:,} rows have no {self.column}: they lack a text or a vector")
        return said

    def _trained_on(self) -> NDArray[np.uint64] | None:
        return getattr(with_text(self.encoder, "align"), "trained_on", None) if self.seen == "skip" else None

    def _vectors(self, batch: Batch) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        model, column = with_text(self.encoder, "align"), self.reads()[0]
        vectors, places = present(batch.column(column))
        if column not in batch.made:
            made = (batch.rows.schema.field(column).metadata or {}).get(FINGERPRINT, b"").decode()
            return in_space(model, vectors, made), places
        base = getattr(model, "base", None)
        if base is not None and base.dim == model.dim:
            raise BadInput(
                f"align cannot tell whether '{column}', which is made in the same pass, comes from '{model.uri}' or from the "
                "encoder it was trained on; let align run after embed"
            )
        return in_space(model, vectors, ""), places


def scores(
    model: Encoder,
    vectors: NDArray[np.float32],
    captions: Sequence[Sequence[str]],
    over: Literal["max", "mean"] = "max",
) -> NDArray[np.float32]:
    """(n,) the cosine of each image (n, d), in the encoder's text space, and its captions; NaN for one without any.

    A text is encoded once a call: web pools repeat theirs ("image", a shop's name).
    """
    found = np.full(len(vectors), np.nan, np.float32)
    distinct = sorted({caption for own in captions for caption in own})
    if not distinct:
        return found
    texts = model.text(distinct)
    number = {caption: i for i, caption in enumerate(distinct)}
    for row, (vector, own) in enumerate(zip(vectors, captions, strict=True)):
        if own:
            cosines = texts[[number[caption] for caption in own]] @ vector
            found[row] = cosines.max() if over == "max" else cosines.mean()
    return found
