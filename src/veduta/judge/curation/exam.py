"""The rows that every arm is tested on, and the labels that they are tested with.

Legend: n test rows, c reference classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from veduta.errors import BadInput, NothingToDo
from veduta.judge.scope import both
from veduta.judge.trained import NO_MODEL, Trained
from veduta.learn.rows import TRAIN
from veduta.pool import View, withdrawn


@dataclass(frozen=True)
class Exam:
    """column: of the reference labels (or texts). rows: (n,) of the pool. truth: (n,) class numbers, zeros where there are no classes. names: the c reference classes.

    weight: (n,) sums to 1: a class counts as much as any other, whatever it has of rows; without classes a row does.
    eligible: (pool rows,) bool: may be trained on: decodable, of the split train or of none, and not in the test.
    """

    column: str
    rows: NDArray[np.int64]
    truth: NDArray[np.int64]
    names: list[str]
    weight: NDArray[np.float64]
    eligible: NDArray[np.bool_]

    @property
    def chance(self) -> float:
        """The score of guessing."""
        return 1 / len(self.names) if self.names else 0.0


def exam(pool: View, test: str, column: str, needed: str, *, classes: bool, trained: Trained = NO_MODEL) -> Exam:
    """The rows of the condition `test` that have a value in `column` and satisfy `needed`; none that the encoder behind the
    vectors was trained on.

    Raises NothingToDo where there is no test row, BadInput where the reference classes are fewer than two.
    """
    there = len(pool.rows(test))  # alone first: a mistake in it is told as it was written
    sound = withdrawn.sound(pool)
    usable = both(sound, f"{column} is not null", needed)
    rows = pool.rows(both(f"({test})", usable))
    if not classes:  # texts, of which some may be blank
        given = pool.take(rows, [column]).column(0).to_pylist()
        said = [[value] if isinstance(value, str) else value for value in given]
        rows = rows[np.array([any(text and text.strip() for text in each) for each in said], bool)]
    if not len(rows):
        raise NothingToDo(
            f"judge curation has nothing to test on: no row satisfies {test}; name the test rows with --test, as SQL"
            if not there
            else f"judge curation has nothing to test on: of the {there:,} rows with {test} none is decodable and has what is "
            f"needed ({usable}); add it, or name other rows with --test"
        )
    unseen = trained.unseen(rows)
    if not unseen.any():
        raise NothingToDo(trained.refusal("every test row").replace("--where or --split", "--test"))
    rows = rows[unseen]
    eligible = np.zeros(len(pool), bool)
    eligible[pool.rows(sound)] = True
    eligible[pool.rows(test)] = False
    splits = pool.table(["split"]).column(0).to_pylist() if "split" in pool.schema.names else [None] * len(pool)
    eligible &= np.array([not split or split.lower() in TRAIN for split in splits], bool)
    if not eligible.any():
        raise NothingToDo(
            f"judge curation has nothing to train on: every decodable row satisfies {test} or is of another split than train"
        )
    if not classes:
        return Exam(column, rows, np.zeros(len(rows), np.int64), [], np.full(len(rows), 1 / len(rows)), eligible)
    labels = values(pool, column)
    names = sorted({str(labels[row]) for row in rows})
    if len(names) < 2:
        raise BadInput(f"the test rows ({test}) must have two classes or more in '{column}', got only '{names[0]}'")
    number = {name: i for i, name in enumerate(names)}
    truth = np.array([number[str(labels[row])] for row in rows], np.int64)
    return Exam(column, rows, truth, names, 1 / (len(names) * np.bincount(truth)[truth]), eligible)


def values(pool: View, column: str) -> list[str | None]:
    """A column as strings, one a row of the pool; None stays."""
    return [None if value is None else str(value) for value in pool.table([column]).column(0).to_pylist()]


def numbers(labels: Sequence[str | None], names: Sequence[str]) -> NDArray[np.int64]:
    """The class number of each label, -1 for none of the classes."""
    number = {name: i for i, name in enumerate(names)}
    return np.array([-1 if label is None else number.get(label, -1) for label in labels], np.int64)
