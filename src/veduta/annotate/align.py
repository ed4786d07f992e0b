"""How well a text describes its image."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from veduta.annotate.text_space import check_space, joined, text_column, with_text
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
        given = batch.column(self.text).to_pylist()
        captions = [[given_] if isinstance(given_, str) else given_ or [] for given_ in given]
        captions = [[caption for caption in each if caption and caption.strip()] for each in captions]
        vectors, places = self._vectors(batch)
        trained = self._trained_on()
        if trained is not None:
            fresh = ~seen(batch.column("digest").to_pylist(), trained)[places]
            vectors, places = vectors[fresh], places[fresh]
        # Web pools repeat their texts ("image", a shop's name): each distinct one is encoded once a batch.
        distinct = sorted({caption for place in places for caption in captions[place]})
        score: list[float | None] = [None] * len(batch)
        if distinct:
            texts = with_text(self.encoder, "align").text(distinct)
            number = {caption: i for i, caption in enumerate(distinct)}
            for vector, place in zip(vectors, places, strict=True):
                if captions[place]:
                    cosines = texts[[number[caption] for caption in captions[place]]] @ vector
                    score[place] = float(cosines.max() if self.over == "max" else cosines.mean())
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
        if column in batch.made:
            base = getattr(model, "base", None)
            if base is not None and base.dim == model.dim:
                raise BadInput(
                    f"align cannot tell whether '{column}', which is made in the same pass, comes from '{model.uri}' or from the "
                    "encoder it was trained on; let align run after embed"
                )
            return joined(model, batch.column(column), "")
        stored = batch.rows.schema.field(column).metadata or {}
        return joined(model, batch.column(column), stored.get(FINGERPRINT, b"").decode())
