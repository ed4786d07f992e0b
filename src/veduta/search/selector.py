"""Rows chosen by words: a stored selection of what a search would find."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
from pydantic import field_validator

from veduta.engine.operation import Field, Selector
from veduta.errors import BadInput
from veduta.pool import Selection
from veduta.search.lens import Finder
from veduta.search.place import checked
from veduta.search.space import with_text

if TYPE_CHECKING:
    from veduta.pool import Pool, View


class Query(Selector):
    """Keep the images nearest to any of some texts: the best k of each, or all above a cosine.

    Subset generation of LAION-5B (Schuhmann et al. 2022, arXiv 2210.08402): top-n or range search. Always exact. Also
    stores, for every row, its nearest text and their cosine. Cost: two passes over the vectors, q * n * d
    multiplications for q texts.
    """

    text: list[str] = Field(..., min_length=1, description="what to look for, one query each")
    k: int | None = Field(200, ge=1, description="results of each query; none for no limit")
    min_score: float | None = Field(None, ge=-1, le=1, description="least cosine of a result; none for no bar")
    where: str | None = Field(None, description="SQL: only among these rows")
    embedding: str = Field("embedding", description="the embedding column; texts meet it in its joint space")
    column: str = Field("query", pattern=r"^[A-Za-z_]\w*$", description="name of the column for the nearest text")

    @field_validator("text")
    @classmethod
    def _words(cls, text: list[str]) -> list[str]:
        if any(not each.strip() for each in text):
            raise ValueError("every text must have at least one word")
        return text

    def reads(self) -> list[str]:
        return [self.embedding]

    def check(self, pool: View) -> None:
        if self.k is None and self.min_score is None:
            raise BadInput("query needs a bar: give k, min_score or both")
        with_text(pool, self.embedding)
        checked(pool, self.where)

    def select(self, pool: Pool) -> Selection:
        n, target = len(pool), with_text(pool, self.embedding)
        queries = target.text(self.text)
        finder = Finder(pool, target.column, self.where, True)
        nearest, score = np.full(n, -1, np.int64), np.full(n, -np.inf, np.float32)
        for vectors, rows in finder.blocks():
            cosines = vectors @ queries.T
            nearest[rows], score[rows] = cosines.argmax(1), cosines.max(1)
        keep = np.zeros(n, bool)
        for rows, scores in finder.exactly(queries, self.k or n):
            keep[rows[scores >= (-1 if self.min_score is None else self.min_score)]] = True
        reasons = [
            None if kept else self._reason(int(q), float(s)) for kept, q, s in zip(keep, nearest, score, strict=True)
        ]
        if self.where is not None:
            inside = np.zeros(n, bool)
            inside[pool.rows(self.where)] = True
            reasons = [
                r if i or r is None else f"does not satisfy {self.where}" for r, i in zip(reasons, inside, strict=True)
            ]
        found = nearest >= 0
        names = pa.array([self.text[q] if q >= 0 else None for q in nearest], pa.string())
        counts = np.bincount(nearest[keep], minlength=len(self.text))
        return Selection.of(
            self.operation(), keep, reasons,
            columns={self.column: names, f"{self.column}_score": pa.array(score, mask=~found)},
            summary={"by_text": {text: int(c) for text, c in zip(self.text, counts, strict=True)}, "space": target.column},
        )  # fmt: skip

    def _reason(self, query: int, score: float) -> str:
        if query < 0:
            return "has no vector to compare with the texts"
        nearest = f"the nearest text is '{self.text[query]}' with a cosine of {score:.3f}"
        if self.min_score is not None and score < self.min_score:
            return f"below {self.min_score:g} for every text: {nearest}"
        return f"not among the best {self.k} of any text: {nearest}"


def subset(
    pool: Pool,
    text: list[str] | str,
    k: int | None = 200,
    name: str | None = None,
    *,
    min_score: float | None = None,
    where: str | None = None,
    embedding: str = "embedding",
) -> Selection:
    """Store the images nearest to any of some texts as the selection `name` (default "query"); see `Query`.

    The nearest text of every row and its cosine are stored beside it, as `<name>_text` and `<name>_text_score`.
    """
    texts = [text] if isinstance(text, str) else list(text)
    column = f"{name or 'query'}_text"
    operation = Query(text=texts, k=k, min_score=min_score, where=where, embedding=embedding, column=column)
    return pool.select(operation, name=name or "query")
