"""How well texts find their images, and images their texts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from veduta.annotate.text_space import check_space, text_column, with_text
from veduta.annotate.vectors import sound
from veduta.engine.operation import Field
from veduta.errors import BadInput, NothingToDo
from veduta.judge.cross_ranking import CrossFound, Direction, Score, cross_retrieval
from veduta.judge.scope import both, scope
from veduta.judge.trained import OfModels
from veduta.pool.schema import FINGERPRINT

if TYPE_CHECKING:
    from veduta.encode import Encoder
    from veduta.judge.report import Report
    from veduta.pool import View


@dataclass(frozen=True)
class Crossed:
    """What was compared. rows: (n,) pool rows of the images; texts: m; owner: (m,) the image of each text; groups: (n,).

    found: the ranks; column: where the image vectors came from; skipped: rows without a text, or whose vector is not sound; scope: which rows;
    notes: what of them is left out.
    """

    rows: NDArray[np.int64]
    texts: list[str]
    owner: NDArray[np.int64]
    groups: NDArray[np.int64]
    found: CrossFound
    column: str
    skipped: int
    scope: str
    notes: list[str]

    @property
    def directions(self) -> dict[str, Direction]:
        """Both directions by what the report calls them."""
        return {"text to image": self.found.text_to_image, "image to text": self.found.image_to_text}


class CrossRetrieve(OfModels):
    """Measure how well texts find their images and images their texts: R@k and median rank, both ways.

    Image vectors come from the column that the encoder made, text vectors from the encoder. Every text searches all images of
    the view, every image all texts; of several true ones the first found counts (as Karpathy and Fei-Fei 2015 count the five
    captions of an image). Images with the same value of `group` are true for each other's texts. Intervals are 95 %,
    bootstrapped over images with all their texts. Images that the encoder was trained on are left out. Hubness: for which share of the queries one and the same thing comes
    first. Exact: images * texts * dimensions multiplications, twice; memory both sets of vectors, twice.
    """

    text: str = Field("captions", description="column of texts: a string or a list of strings a row")
    encoder: str = Field("offline", description="the encoder of the texts, which also made the image vectors")
    embedding: str | None = Field(None, description="image column; by default the one that the encoder made")
    group: str | None = Field(None, description="rows with the same value here are true for each other's texts")
    k: list[int] = Field([1, 5, 10], min_length=1, description="depths of recall")
    score: Score = Field("cosine", description="how vectors are compared")
    split: str | None = Field(
        None, description="judge the rows of this split; by default test where there is one, else all"
    )
    where: str | None = Field(None, description="SQL: judge only these rows")
    seed: int = Field(0, ge=0, description="of the bootstrap")

    def reads(self) -> list[str]:
        return [self.text, *([self.embedding] if self.embedding else []), *([self.group] if self.group else [])]

    def check(self, pool: View) -> None:
        name = self.operation()
        kind = pool.require(self.text, needed_by=name, mend="name the column of the texts with --text").type
        inner = kind.value_type if pa.types.is_list(kind) or pa.types.is_large_list(kind) else kind
        if not (pa.types.is_string(inner) or pa.types.is_large_string(inner)):
            raise BadInput(
                f"text of {name} must be a column of strings or lists of strings, but '{self.text}' holds {kind}"
            )
        if self.group is not None:
            told = pool.require(
                self.group, needed_by=name, mend="name the column that tells what belongs together"
            ).type
            if pa.types.is_nested(told) or pa.types.is_floating(told):
                raise BadInput(f"group of {name} must be strings or integers, but '{self.group}' holds {told}")
        if min(self.k) < 1:
            raise BadInput(f"k of {name} must be at least 1, got {min(self.k)}")
        model = with_text(self.encoder, name)
        check_space(pool, self.embedding or image_column(pool, model), model, name)

    def judge(self, pool: View) -> Report:
        """Measure and lay out."""
        from veduta.judge.cross_retrieve_report import report

        return report(self, self.measure(pool), pool)

    def measure(self, pool: View) -> Crossed:
        """Encode the texts and search both ways. Raises NothingToDo for fewer than two images with a text."""
        self.check(pool)
        model = with_text(self.encoder, self.operation())
        column = self.embedding or image_column(pool, model)
        chosen = scope(pool, self.where, self.split, self.trained(pool, column, encoder=self.encoder))
        vectors, rows = pool.vectors(column, where=both(chosen.condition, f"{self.text} is not null"))
        given = pool.take(rows, [self.text]).column(0).to_pylist()
        own = [[value] if isinstance(value, str) else value for value in given]
        own = [[text for text in texts if text and text.strip()] for texts in own]
        used = (
            sound(vectors) & chosen.keep(rows) & np.array([bool(texts) for texts in own], bool)
            if len(rows)
            else np.zeros(0, bool)
        )
        if used.sum() < 2:
            raise NothingToDo(
                f"{self.operation()} needs two rows with a vector in '{column}' and a text in '{self.text}', and among "
                f"{chosen.said} there {'is 1' if used.sum() == 1 else 'are none'}; add captions, or widen the condition"
            )
        own = [texts for texts, use in zip(own, used, strict=True) if use]
        texts = [text for each in own for text in each]
        owner = np.repeat(np.arange(len(own)), [len(each) for each in own])
        groups = self._groups(pool, rows[used]) if self.group else np.arange(len(own))
        found = cross_retrieval(vectors[used], encoded(model, texts), owner, groups=groups, score=self.score)
        everything = int(chosen.keep(pool.rows(chosen.condition)).sum())
        left = everything - int(used.sum())
        return Crossed(rows[used], texts, owner, groups, found, column, left, chosen.said, chosen.notes)

    def _groups(self, pool: View, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """(n,) a number for each value; a row without one is a group of its own."""
        number: dict[object, int] = {}
        values = pool.take(rows, [str(self.group)]).column(0).to_pylist()
        keys = [("row", i) if value is None else ("value", value) for i, value in enumerate(values)]
        return np.array([number.setdefault(key, len(number)) for key in keys], np.int64)

    def figures(self, crossed: Crossed) -> list[dict[str, Any]]:
        """R@k and median rank of both directions with 95 % intervals and what chance gives; one dict each."""
        rng, rows = np.random.default_rng(self.seed), []
        for name, direction in crossed.directions.items():
            for k in sorted(set(self.k)):
                low, high = direction.interval(lambda ranks, k=k: float((ranks <= k).mean()), rng)
                rows.append(
                    {
                        "direction": name, "metric": f"R@{k}", "value": direction.recall(k), "from": low, "to": high,
                        "by chance": direction.by_chance(k),
                    }
                )  # fmt: skip
            low, high = direction.interval(lambda ranks: float(np.median(ranks)), rng)
            rows.append(
                {"direction": name, "metric": "median rank", "value": direction.median(), "from": low, "to": high}
            )
        return rows


def image_column(pool: View, model: Encoder) -> str:
    """The column that holds images in the space of the encoder's texts: by its fingerprint, else by its usual name."""
    usual = text_column(model, "embedding")
    wanted = ((model.fingerprint if model.shared else model.text_fingerprint) or "").encode()
    fitting = [
        field.name
        for field in pool.schema
        if pa.types.is_fixed_size_list(field.type) and (field.metadata or {}).get(FINGERPRINT) == wanted
    ]
    return usual if usual in fitting or not fitting else fitting[0]


def encoded(model: Encoder, texts: list[str]) -> NDArray[np.float32]:
    """Texts to (m, d); each distinct one is encoded once."""
    distinct = list(dict.fromkeys(texts))
    place = {text: i for i, text in enumerate(distinct)}
    return model.text(distinct)[[place[text] for text in texts]]
