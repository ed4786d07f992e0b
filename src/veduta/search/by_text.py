"""Rows found by the names of classes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
from pydantic import field_validator

from veduta.engine.operation import Field, Selector
from veduta.errors import BadInput
from veduta.pool import Selection
from veduta.search.exact import unit
from veduta.search.place import checked
from veduta.search.space import with_text
from veduta.select.columns import place, unit_vectors
from veduta.select.nearest import taken

if TYPE_CHECKING:
    from veduta.pool import Pool, View


class ByText(Selector):
    """Keep the images nearest to each of some class names, with that name as their label.

    How SELECT makes a training set from a description of its classes alone (Feuer et al., NeurIPS 2024, arXiv
    2410.05057, LA1000 t2i, which compares captions; here images and texts meet in the joint space of the encoder). No image
    is taken twice: it goes to the nearest class that has room left. `query` keeps what any of several texts finds, without
    labels.

    Adds `<column>`: string, the name; `<column>_cosine`: float32. Cost: names * rows * dimensions multiplications; memory the
    vectors.
    """

    classes: tuple[str, ...] = Field(min_length=1, description="the names")
    k: int = Field(100, ge=1, description="images that each class takes")
    templates: tuple[str, ...] = Field(
        ("a photo of a {}",), min_length=1, description="sentences in which {} is replaced by the name; averaged"
    )
    embedding: str = Field("embedding", description="the embedding column; texts meet it in its joint space")
    where: str = Field("split is null or split = 'train'", description="SQL: only among these rows")
    column: str = Field("by_text", pattern=r"^[A-Za-z_]\w*$", description="name of the column for the class")

    @field_validator("classes")
    @classmethod
    def _names(cls, classes: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(classes)) != len(classes) or not all(name.strip() for name in classes):
            raise ValueError("the classes must be different names of at least one word")
        return classes

    @field_validator("templates")
    @classmethod
    def _places(cls, templates: tuple[str, ...]) -> tuple[str, ...]:
        if not all("{}" in template for template in templates):
            raise ValueError("every template must contain {} for the name")
        return templates

    def reads(self) -> list[str]:
        return [self.embedding]

    def check(self, pool: View) -> None:
        with_text(pool, self.embedding)
        checked(pool, self.where)

    def select(self, pool: Pool) -> Selection:
        n, target = len(pool), with_text(pool, self.embedding)
        texts = [template.replace("{}", name) for name in self.classes for template in self.templates]
        means = target.text(texts).reshape(len(self.classes), len(self.templates), -1).mean(1)
        vectors, rows, remarks = unit_vectors(pool, target.column, self.operation())
        inside = np.isin(rows, pool.rows(self.where))
        if not inside.any():
            raise BadInput(f"by-text: no row with a vector satisfies {self.where}; give another condition with --where")
        owner, cosine = taken(unit(means), vectors[inside], self.k)
        got = owner >= 0
        found = rows[inside][got]
        keep = np.zeros(n, bool)
        reasons = np.full(n, f"not among the nearest {self.k} of any class", dtype=object)
        reasons[np.setdiff1d(np.arange(n), rows)] = f"no vector in {target.column}"
        reasons[rows[~inside]] = f"does not satisfy {self.where}"
        keep[found], reasons[found] = True, None
        names = pa.array([self.classes[i] for i in owner[got]], pa.string())
        counts = np.bincount(owner[got], minlength=len(self.classes))
        return Selection.of(
            self.operation(), keep, pa.array(reasons, pa.string()),
            columns={
                self.column: place(n, found, names),
                f"{self.column}_cosine": place(n, found, pa.array(cosine[got], pa.float32())),
            },
            summary={
                "kept": int(keep.sum()), "space": target.column, "remarks": remarks,
                "by_class": {name: int(count) for name, count in zip(self.classes, counts, strict=True)},
            },
        )  # fmt: skip
