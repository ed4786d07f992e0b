"""What the networks that were trained on the arms are worth on other pools."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from veduta.encode.base import unit
from veduta.errors import BadInput
from veduta.judge.curation.battery import Trained, digest, pixels, preprocess_of
from veduta.judge.curation.bench import Bench
from veduta.judge.curation.exam import Exam, exam, numbers, values
from veduta.learn import linear
from veduta.pool import Pool

if TYPE_CHECKING:
    from veduta.judge.curation.axes import Task
    from veduta.judge.curation.operation import Curation

ROWS = 2_000
"""Training rows, and test rows, of another pool that are looked at, drawn evenly."""


def transferred(asked: Curation, bench: Bench, runs: Mapping[str, list[Trained]]) -> tuple[list[Task], str]:
    """A task for each pool: a linear classifier on what each network sees before its own classifier.

    Up to 2,000 rows of the splits train and test of each; C is chosen by cross-validation on the training rows.
    """
    from veduta.judge.curation.axes import Task

    if asked.task != "classify":
        return [], f"with the task {asked.task} all arms have the same features, so nothing transfers; take classify"
    tasks = []
    for path in asked.transfer:
        pool = Pool.open(path)
        pool.require(asked.target, needed_by=f"the axis transfer on {path}", mend="name the column with --target")
        tested = exam(pool, "split = 'test'", asked.target, "true", classes=True)
        rng = np.random.default_rng([asked.seed, 7])
        labels = numbers(values(pool, asked.target), tested.names)
        train = np.flatnonzero(tested.eligible & (labels >= 0))
        if not len(train):
            raise BadInput(f"the pool {path} has no training row of a class of its test rows; give it a split train")
        train = np.sort(rng.choice(train, min(ROWS, len(train)), replace=False))
        places = np.sort(rng.choice(len(tested.rows), min(ROWS, len(tested.rows)), replace=False))
        other = _Other(Bench(pool), tested, train, labels[train], places, asked.seed)
        weight = tested.weight[places] / tested.weight[places].sum()
        right = {arm: np.stack([other.right(bench, each) for each in own]) for arm, own in runs.items()}
        tasks.append(Task(Path(path).stem, right, weight, tested.chance))
    return tasks, ""


class _Other:
    """Another pool's rows, prepared once for all networks that want them alike."""

    def __init__(
        self,
        pool: Bench,
        tested: Exam,
        train: NDArray[np.int64],
        own: NDArray[np.int64],
        places: NDArray[np.int64],
        seed: int,
    ) -> None:
        self.pool, self.tested, self.train, self.own, self.places, self.seed = pool, tested, train, own, places, seed
        self._seen: tuple[Any, NDArray[np.uint8]] = (None, np.zeros(0, np.uint8))

    def right(self, bench: Bench, trained: Trained) -> NDArray[np.float32]:
        """(n,) 1 where the classifier on the network's features names the class of a test row."""
        rows = np.concatenate([self.train, self.tested.rows[self.places]])
        digests = self.pool.take(rows, ["digest"]).column(0).to_pylist()
        what = digest([trained.run.about["weights"], digests, self.own.tolist(), self.seed], self.tested.names)
        return bench.kept(f"transfer-{what[:24]}", lambda: self._fitted(trained, rows))

    def _fitted(self, trained: Trained, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        from veduta.encode.restored import restore

        preprocess = preprocess_of(trained.run)
        if self._seen[0] != preprocess:
            self._seen = (preprocess, pixels(self.pool, rows, preprocess.prepare, preprocess.resize))
        x = unit(restore(trained.run.path).images(self._seen[1], preprocess)[0])
        train, test = x[: len(self.train)], x[len(self.train) :]
        present = np.unique(self.own)
        targets = self.own[:, None] == present
        rng = np.random.default_rng([self.seed, 8])
        c, _ = linear.choose_c(train, targets, "logistic", rng)
        weights, bias = linear.fit(train, targets, c, "logistic")
        said = present[(test @ weights.T + bias).argmax(1)]
        return (said == self.tested.truth[self.places]).astype(np.float32)
