"""How far frozen features go: the first thing to measure before anything is trained."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from veduta.encode import trained_on
from veduta.encode.head import Facts, Head, shaped
from veduta.encode.views import Views
from veduta.engine.operation import Field
from veduta.errors import BadInput, NothingToDo
from veduta.judge import handmade, neighbours
from veduta.judge.handmade import Handmade
from veduta.judge.intervals import bootstrap, wilson
from veduta.judge.split import split_rows
from veduta.judge.targets import Targets, require_rows
from veduta.judge.trained import OfModels
from veduta.learn import linear
from veduta.pool import withdrawn
from veduta.pool.durable import write_atomically
from veduta.pool.schema import FINGERPRINT

if TYPE_CHECKING:
    from veduta.judge.report import Report
    from veduta.pool import View

EMBED = "add it with: veduta annotate embed POOL"


@dataclass(slots=True)
class Arm:
    """One classifier on the test rows. scores: (m, k); value: accuracy, or mean average precision for lists."""

    name: str
    scores: NDArray[np.float32]
    value: float
    interval: tuple[float, float]
    seconds: float
    chosen: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Measured:
    """What `Baseline.measure` found; rows are positions in the whole pool."""

    targets: Targets
    train: NDArray[np.int64]
    test: NDArray[np.int64]
    pool_rows: NDArray[np.int64]
    arms: list[Arm]
    head: Head | None
    facts: dict[str, Any]
    head_file: Path | None = None

    @property
    def metric(self) -> str:
        """What `Arm.value` is."""
        return "accuracy" if self.targets.exclusive else "mean average precision"


class Baseline(OfModels):
    """Say how far frozen features and a linear classifier already go, beside hand-made features.

    Sharif Razavian et al. 2014 (arXiv 1403.6382): embeddings of a network that never saw the task, a linear SVM with C
    by cross-validation on the training rows, optionally the averaged scores of 8 or 16 views of each image. A column of
    lists is judged label by label (average precision). Everything is fitted on training rows only, and test rows that the encoder was trained on are left out; the fitted head is
    kept in the pool's `artifacts/` for `apply-head`. Memory: the embeddings, times `augment`; the hand-made SVM n * n
    * 8 bytes, so it sees at most `handmade_rows` training rows.
    """

    target: str = Field("label", description="column of labels: one a row, or a list")
    embedding: str = Field("embedding", description="vector column")
    classifier: Literal["linear-svm", "logistic", "knn"] = Field(
        "linear-svm", description="what is fitted on the embeddings"
    )
    C: float | Literal["cv"] = Field("cv", description="weight of the loss, or cv: chosen on the training rows")
    augment: Literal[0, 8, 16] = Field(
        0, description="views of each image whose scores are averaged; decodes every image"
    )
    power: float = Field(1.0, gt=0, description="exponent of the signed power before the classifier; 1 is none")
    handmade: list[Handmade] = Field(["hog+color", "bow-orb"], description="hand-made baselines; decodes every image")
    handmade_rows: int = Field(4000, ge=10, description="training rows that hand-made baselines see at most")
    split: str = Field("split", description="column with train and test; rows are split at random where it is empty")
    test_share: float = Field(0.3, gt=0, lt=1, description="share of test rows in a random split")
    group: str | None = Field(None, description="rows with the same value here stay on one side of a random split")
    folds: int = Field(3, ge=2, le=20, description="folds of the cross-validation")
    seed: int = Field(0, ge=0, description="of the random split and the folds")

    def reads(self) -> list[str]:
        return [self.target, self.embedding, *([self.group] if self.group else [])]

    def check(self, pool: View) -> None:
        pool.require(self.target, needed_by=self.operation(), mend="name the label column with target")
        kind = pool.require(self.embedding, needed_by=self.operation(), mend=EMBED).type
        if not pa.types.is_fixed_size_list(kind):
            raise BadInput(f"embedding of {self.operation()}: the column '{self.embedding}' holds {kind}, not vectors")
        if self.group:
            pool.require(self.group, needed_by=self.operation())
        if self.C != "cv" and not self.C > 0:
            raise BadInput(f"C of {self.operation()} must be positive or 'cv', got {self.C}")
        if self.augment and self.classifier == "knn":
            raise BadInput("augment needs a linear classifier; choose linear-svm or logistic, or leave augment out")

    def judge(self, pool: View) -> Report:
        """Measure, keep the head, and lay it all out."""
        from veduta.judge.baseline_report import report

        return report(self, self.measure(pool), pool)

    def measure(self, pool: View) -> Measured:
        """Fit and score all arms; rows without label or embedding are skipped and counted."""
        self.check(pool)
        vectors, pool_rows = pool.vectors(self.embedding, where=withdrawn.present(pool))
        if not len(pool_rows):
            raise NothingToDo(f"no row has a value in '{self.embedding}'; embed the images first")
        values = pool.take(pool_rows, [self.target]).column(0)
        targets = Targets.of(values, self.target)
        pool_rows, vectors = pool_rows[targets.rows], vectors[targets.rows]
        require_rows(targets, np.arange(len(targets.matrix)), self.target)
        trained = self.trained(pool, self.embedding)
        train, test, how = split_rows(
            pool, pool_rows, targets, column=self.split, share=self.test_share, seed=self.seed, group=self.group,
            trained=trained,
        )  # fmt: skip
        require_rows(targets, train, self.target)
        made = pool.schema.field(self.embedding).metadata or {}
        fingerprint = made.get(FINGERPRINT, b"").decode()
        uri = _encoder_uri(pool, self.embedding)
        arms, head = [], None
        arm, fitted = self._fit(vectors, targets, train, test, uri, fingerprint, 1, f"embedding + {self.classifier}")
        arms.append(arm)
        head = fitted
        if self.augment:
            views = self._view_vectors(pool, pool_rows, uri, fingerprint)
            arm, head = self._fit(
                views, targets, train, test, uri, fingerprint, self.augment, f"embedding + {self.classifier}, {self.augment} views",
            )  # fmt: skip
            arms.append(arm)
        for kind in self.handmade:
            arms.append(self._handmade(kind, pool, pool_rows, targets, train, test))
        arms.append(_majority(targets, train, test, self.seed))
        facts = {
            "rows": len(pool_rows), "train": len(train), "test": len(test), "classes": len(targets.classes), "split": how,
            "skipped": len(pool) - len(pool_rows), "encoder": uri, "fingerprint": fingerprint,
        }  # fmt: skip
        found = Measured(targets, train, test, pool_rows, arms, head, facts)
        folder = getattr(pool, "path", None)
        if head is not None and folder is not None:
            found.head_file = head.save(Path(folder) / "artifacts")
            digests = pool.take(pool_rows[train], ["digest"]).column(0).to_pylist()
            write_atomically(trained_on.file_of(found.head_file), trained_on.packed(digests, *trained.numbers))
        return found

    def _fit(
        self, x: NDArray[np.float32], targets: Targets, train: NDArray[np.int64], test: NDArray[np.int64],
        uri: str, fingerprint: str, views: Views, name: str,
    ) -> tuple[Arm, Head | None]:  # fmt: skip
        start = time.perf_counter()
        if self.classifier == "knn":
            unit = shaped(x, self.power)
            k = neighbours.choose_k(unit[train], targets.matrix[train], exclusive=targets.exclusive)
            scores = neighbours.votes(unit[train], targets.matrix[train], unit[test], k)
            return self._arm(name, scores, targets, test, start, {"k": k}), None
        c = None if self.C == "cv" else self.C
        head = fit_head(
            x[train], targets, train, self.classifier, c, self.folds, self.seed,
            uri=uri, fingerprint=fingerprint, views=views, power=self.power,
        )  # fmt: skip
        return self._arm(name, head.scores(x[test]), targets, test, start, {"C": head.facts.C}), head

    def _handmade(
        self, kind: Handmade, pool: View, rows: NDArray[np.int64], targets: Targets, train: NDArray[np.int64],
        test: NDArray[np.int64],
    ) -> Arm:  # fmt: skip
        start = time.perf_counter()
        rng = np.random.default_rng([self.seed, 3])
        seen = (
            train if len(train) <= self.handmade_rows else np.sort(rng.choice(train, self.handmade_rows, replace=False))
        )
        both = np.concatenate([seen, test])
        scores, chosen = handmade.classify(
            kind, _images(pool, rows[both]), targets.matrix[both], np.arange(len(seen)), np.arange(len(seen), len(both)),
            exclusive=targets.exclusive, seed=self.seed,
        )  # fmt: skip
        return self._arm(kind, scores, targets, test, start, {**chosen, "training rows": len(seen)})

    def _arm(
        self,
        name: str,
        scores: NDArray[np.float32],
        targets: Targets,
        test: NDArray[np.int64],
        start: float,
        chosen: dict[str, Any],
    ) -> Arm:
        truth = targets.matrix[test]
        value, interval = valued(scores, truth, exclusive=targets.exclusive, seed=self.seed)
        return Arm(name, scores, value, interval, time.perf_counter() - start, chosen)

    def _view_vectors(self, pool: View, rows: NDArray[np.int64], uri: str, fingerprint: str) -> NDArray[np.float32]:
        from veduta.encode import load, views

        if not uri or self.augment == 0:
            raise BadInput(
                f"augment needs a column made by an encoder of Veduta, but '{self.embedding}' came with the source"
            )
        model = load(uri)
        if model.fingerprint != fingerprint:
            raise BadInput(
                f"augment needs the encoder that made '{self.embedding}', but another '{uri}' is installed; embed again"
            )
        count = self.augment
        return np.stack([views.embed(image, count, model) for image in _images(pool, rows, model.resize * 3 // 2)])


def fit_head(
    x: NDArray[np.float32], targets: Targets, train: NDArray[np.int64], classifier: linear.Classifier, C: float | None,
    folds: int = 3, seed: int = 0, *, uri: str = "", fingerprint: str = "", views: Views = 1, power: float = 1.0,
) -> Head:  # fmt: skip
    """Fit a head on the training rows' vectors, (n, d) or (n, v, d) for v views; `C` None: by cross-validation on them.

    A row that comes as v views weighs as much as one without, so that the same C means the same.
    """
    matrix, x = targets.matrix[train], shaped(x, power)
    if C is None:
        rng = np.random.default_rng([seed, 1])
        C, _ = linear.choose_c(x, matrix, classifier, rng, exclusive=targets.exclusive, count=folds)
    rows, labels = linear.flat(x, matrix)
    weights, bias = linear.fit(rows, labels, C, classifier, exclusive=targets.exclusive, weight=len(matrix) / len(rows))
    return Head(
        weights, bias, Facts(targets.classes, classifier, targets.exclusive, uri, fingerprint, views, power, float(C))
    )


def valued(
    scores: NDArray[np.floating], truth: NDArray[np.bool_], *, exclusive: bool, seed: int = 0
) -> tuple[float, tuple[float, float]]:
    """Accuracy with its Wilson interval, or mean average precision with its bootstrap interval (200 rounds)."""
    value = linear.score(scores, truth, exclusive=exclusive)
    if exclusive:
        return value, wilson(round(value * len(truth)), len(truth))
    rng = np.random.default_rng([seed, 2])
    again = bootstrap(lambda rows: linear.score(scores[rows], truth[rows], exclusive=False), len(truth), rng, 200)
    return value, again


def baseline(pool: View, target: str = "label", **parameters: Any) -> Report:
    """`Baseline(target=target, ...).judge(pool)`."""
    return Baseline(target=target, **parameters).judge(pool)


def _majority(targets: Targets, train: NDArray[np.int64], test: NDArray[np.int64], seed: int) -> Arm:
    """What looking at nothing gives: always the most frequent class (for lists, each label's share)."""
    scores = np.tile(targets.matrix[train].mean(0).astype(np.float32), (len(test), 1))
    value, interval = valued(scores, targets.matrix[test], exclusive=targets.exclusive, seed=seed)
    return Arm("most frequent class" if targets.exclusive else "label frequency", scores, value, interval, 0.0)


def _encoder_uri(pool: View, column: str) -> str:
    import json

    from veduta.pool.schema import PARAMETERS

    made = pool.schema.field(column).metadata or {}
    return str(json.loads(made.get(PARAMETERS, b"{}")).get("encoder", ""))


def _images(pool: View, rows: NDArray[np.int64], side: int = handmade.ORB_SIDE) -> Iterator[NDArray[np.uint8]]:
    """The rows' images in their order, decoded one by one, short side about `side`."""
    from veduta.engine.decode import decode

    for start in range(0, len(rows), 256):
        part = rows[start : start + 256]
        for row, content in zip(part, pool.read_images(part), strict=True):
            if content is None:
                raise BadInput(
                    f"row {row} has an embedding but its image cannot be read; restore the file, or leave out handmade and augment"
                )
            yield decode(content, side).pixels
