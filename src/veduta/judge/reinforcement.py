"""What a pool's stored answers of teachers are worth."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from veduta.annotate.classes import CLASSES, class_numbers
from veduta.engine.operation import Field
from veduta.errors import BadInput, NothingToDo
from veduta.judge.operation import Judge
from veduta.judge.scope import both
from veduta.pool import withdrawn

if TYPE_CHECKING:
    from veduta.judge.report import Report
    from veduta.learn.augment.records import Arrays, Recipe
    from veduta.pool import View


@dataclass(frozen=True)
class Answers:
    """Records of m looked-at rows, R each; c classes.

    rows: (m,) positions; classes: their names (c,); arrays: the records, (m * R, ...). mass, entropy, right: (m, R) probability
    kept, entropy in nats of the answer with the missing mass spread evenly, and 1 where the likeliest class is the label (NaN
    without a known label). agreement: (m,) share of the row's records that name its most frequent class. with_records, without:
    of all sound rows. bytes_a_row: of the column as it is held in memory; pixels_a_row: 3 * width * height. replayed, same:
    records that were replayed, and how many gave the very pixels that the teachers saw.
    """

    rows: NDArray[np.int64]
    labels: list[str | None]
    classes: tuple[str, ...]
    recipe: Recipe
    arrays: Arrays
    mass: NDArray[np.float64]
    entropy: NDArray[np.float64]
    right: NDArray[np.float64]
    agreement: NDArray[np.float64]
    with_records: int
    without: int
    bytes_a_row: float
    pixels_a_row: float
    replayed: int
    same: int

    @property
    def accuracy(self) -> float:
        """Share of the records of labelled rows whose likeliest class is the label; NaN without any."""
        known = self.right[np.isfinite(self.right)]
        return float(known.mean()) if len(known) else float("nan")


class Reinforcement(Judge):
    """Measure what annotate reinforce stored: its size, what the answers say, and whether the views still replay.

    Of up to `rows` rows, evenly spread over those with records: bytes a row, the probability that the kept classes hold, the
    teachers' accuracy on the stored views where the label is one of their classes, how far the answers about one image agree,
    their entropy; and whether one record each of `replays` rows gives, with the libraries installed here, the very pixels that
    the teachers saw. Answers with next to no entropy teach little more than labels: a teacher that was fitted on these images
    without augmentation gives such. The report shows replayed views with the teachers' words.

    Cost: the records of the looked-at rows in memory, and `replays` decodes.
    """

    column: str = Field("reinforce", description="column of records")
    target: str = Field("label", description="column of labels to compare with")
    where: str | None = Field(None, description="SQL: the rows to look at; all by default")
    rows: int = Field(2_000, ge=1, description="rows that are looked at, at most")
    replays: int = Field(100, ge=0, description="rows of which one record is replayed")
    seed: int = Field(0, ge=0, description="of the rows that are shown")

    def reads(self) -> list[str]:
        return [self.column]

    def check(self, pool: View) -> None:
        field = pool.require(
            self.column, needed_by=self.operation(), mend="make it with: veduta annotate reinforce POOL"
        )
        if b"veduta:reinforcement" not in (field.metadata or {}):
            raise BadInput(
                f"column of {self.operation()} must be one that annotate reinforce made, but '{self.column}' holds {field.type}"
            )
        pool.require(self.target, needed_by=self.operation(), mend="name the column of labels with --target")

    def judge(self, pool: View) -> Report:
        """Measure and lay out."""
        from veduta.judge.reinforcement_report import report

        return report(self, self.measure(pool), pool)

    def measure(self, pool: View) -> Answers:
        """Look at the records. Raises NothingToDo where there are none."""
        from veduta.learn.augment.records import Recipe
        from veduta.learn.targets.reinforced import densify, read

        self.check(pool)
        sound = pool.rows(both("error is null", self.where, withdrawn.present(pool)))
        held = pool.rows(both(f"error is null and {self.column} is not null", self.where, withdrawn.present(pool)))
        if not len(held):
            raise NothingToDo(
                f"{self.operation()}: none of {len(sound):,} rows has records in '{self.column}'; make them with: veduta annotate "
                "reinforce POOL"
            )
        field = pool.schema.field(self.column)
        recipe, classes = Recipe.of(field), tuple(json.loads(field.metadata[CLASSES]))
        rows = held[np.linspace(0, len(held) - 1, min(self.rows, len(held))).astype(int)]
        facts = pool.take(rows, [self.target, "width", "height"]).to_pydict()
        labels = [None if label is None else str(label) for label in facts[self.target]]
        _, arrays = read(pool, self.column, rows)
        shape = (len(rows), recipe.samples)
        dense = _each(arrays, lambda p, cls: _entropy(densify(p, cls, len(classes), smooth=True)))
        told = arrays["cls"][:, 0].reshape(shape)
        truth = class_numbers(labels, classes)[:, None]
        replayed, same = self._replay(pool, recipe, rows, arrays)
        pixels = [3 * w * h for w, h in zip(facts["width"], facts["height"], strict=True)]
        return Answers(
            rows, labels, classes, recipe, arrays,
            arrays["p"].astype(np.float64).sum(1).reshape(shape), dense.reshape(shape),
            np.where(truth >= 0, told == truth, np.nan), _agreement(told), len(held), len(sound) - len(held),
            sum(values.nbytes for values in arrays.values()) / len(rows), float(np.mean(pixels)), replayed, same,
        )  # fmt: skip

    def _replay(self, pool: View, recipe: Recipe, rows: NDArray[np.int64], arrays: Arrays) -> tuple[int, int]:
        """How many records were replayed, and how many of them show what the teachers saw. A missing image shows nothing."""
        from veduta.engine.fused import try_decode
        from veduta.learn.augment.records import unpack
        from veduta.learn.augment.witness import crc

        some = np.unique(np.linspace(0, len(rows) - 1, min(self.replays, len(rows))).astype(int))
        same = 0
        for number, (place, data) in enumerate(zip(some.tolist(), pool.read_images(rows[some]), strict=True)):
            at = place * recipe.samples + number % recipe.samples
            pixels = try_decode(data, recipe.side)[0]
            try:
                shown = None if pixels is None else recipe.view.apply(pixels, unpack(recipe.view, arrays, at))
            except BadInput:  # its window lies outside of what the image is now
                shown = None
            same += shown is not None and crc(shown) == arrays["crc"][at]
        return len(some), same


def _each(arrays: Arrays, function: Any, size: int = 4096) -> NDArray[np.float64]:
    """`function` of (p, cls) in pieces, so that dense answers of many classes need little memory."""
    starts = range(0, len(arrays["p"]), size)
    return np.concatenate([function(arrays["p"][at : at + size], arrays["cls"][at : at + size]) for at in starts])


def _entropy(chances: NDArray[np.float32]) -> NDArray[np.float64]:
    """In nats, of each row."""
    logs = np.log(np.maximum(chances, np.finfo(np.float32).tiny), dtype=np.float64)
    return -(chances * logs).sum(1)


def _agreement(told: NDArray[np.integer]) -> NDArray[np.float64]:
    """(m, R) class numbers to (m,) the share of the most frequent one in each row."""
    ordered = np.sort(told, axis=1)
    most, run = np.ones(len(told), int), np.ones(len(told), int)
    for column in range(1, told.shape[1]):
        run = np.where(ordered[:, column] == ordered[:, column - 1], run + 1, 1)
        most = np.maximum(most, run)
    return most / told.shape[1]
