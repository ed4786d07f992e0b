"""Tags from names alone."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from veduta.annotate.text_space import check_space, class_vectors, present, temperature, text_column, with_text
from veduta.encode.conse import posterior
from veduta.engine.operation import Annotator, Batch, Field
from veduta.errors import BadInput
from veduta.pool import View


def best_names(
    vectors: NDArray[np.float32], classes: NDArray[np.float32], temperature: float, top: int
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """The likeliest classes (n, k), best first, and the probability of the best (n,), k = min(top, c).

    p(c | x) = softmax over classes of x . t_c / temperature (Radford et al. 2021, arXiv 2103.00020, section 3.1.2);
    `vectors` (n, d) and `classes` (c, d) of unit norm. Ties go to the class named first.
    """
    cosines = vectors @ classes.T
    order = np.argsort(-cosines, axis=1, kind="stable")[:, : min(top, classes.shape[0])]
    chances = posterior(cosines / np.float32(temperature))
    return order, np.take_along_axis(chances, order[:, :1], axis=1)[:, 0] if len(vectors) else np.empty(0, np.float32)


class ZeroShot(Annotator):
    """Tag images with the class names that fit best, without any training.

    Adds `tag`: string, the likeliest of `classes`; `tag_score`: float32 in (0, 1), its softmax probability among them;
    `tags`: list<string>, the `top` likeliest, best first. Rows without an embedding get null. Some class is always the
    likeliest: where images may show none of them, add a class like "something else" or filter by the score.
    """

    classes: tuple[str, ...] = Field(min_length=1, description="the names to choose from")
    encoder: str = Field("offline", description="the encoder that made the embedding")
    embedding: str = Field("embedding", description="embedding column, as embed names it")
    templates: tuple[str, ...] = Field(
        ("a photo of a {}",), min_length=1, description="sentences in which {} is replaced by the class name; averaged"
    )
    temperature: float | None = Field(None, gt=0, description="softmax temperature; by default the encoder's own")
    top: int = Field(3, ge=1, description="how many names 'tags' holds")

    def check(self, pool: View) -> None:
        if len(set(self.classes)) != len(self.classes) or not all(name.strip() for name in self.classes):
            raise BadInput(f"classes of zero-shot must be different, non-empty names, got {list(self.classes)}")
        if not all("{}" in template for template in self.templates):
            raise BadInput(f"templates of zero-shot must each contain {{}} for the name, got {list(self.templates)}")
        check_space(pool, self.reads()[0], with_text(self.encoder, "zero-shot"), "zero-shot")

    def reads(self) -> list[str]:
        return [text_column(with_text(self.encoder, "zero-shot"), self.embedding)]

    def adds(self) -> pa.Schema:
        return pa.schema(
            [
                pa.field("tag", pa.string()),
                pa.field("tag_score", pa.float32()),
                pa.field("tags", pa.list_(pa.string())),
            ]
        )

    def setup(self) -> None:
        class_vectors(self.encoder, self.classes, self.templates)

    def fingerprint(self) -> str:
        return with_text(self.encoder, "zero-shot").text_fingerprint or ""

    def annotate(self, batch: Batch) -> Mapping[str, pa.Array | np.ndarray]:
        classes = class_vectors(self.encoder, self.classes, self.templates)
        vectors, places = present(batch.column(self.reads()[0]))
        scale = self.temperature or temperature(with_text(self.encoder, "zero-shot"))
        order, chances = best_names(vectors, classes, scale, self.top)
        tags: list[list[str] | None] = [None] * len(batch)
        score: list[float | None] = [None] * len(batch)
        for place, row, chance in zip(places, order, chances, strict=True):
            tags[place] = [self.classes[i] for i in row]
            score[place] = float(chance)
        return {
            "tag": pa.array([names[0] if names else None for names in tags], pa.string()),
            "tag_score": pa.array(score, pa.float32()),
            "tags": pa.array(tags, pa.list_(pa.string())),
        }
