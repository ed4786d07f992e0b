"""What is trained on every arm, and how right it is on every test row.

Legend: n test rows, c reference classes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from veduta.encode.base import Preprocess, unit
from veduta.engine.pipeline import batched, ordered_map
from veduta.judge.cross_ranking import cross_retrieval
from veduta.judge.curation.bench import Bench
from veduta.judge.curation.exam import Exam
from veduta.learn.decoded import pixels_of
from veduta.learn.operation import Learn
from veduta.learn.run import Run

Change = Callable[[NDArray[np.uint8], int], NDArray[np.uint8]]
"""(image as the network gets it (s, s, 3) uint8, its place among the test rows) to the same size."""


class Battery(Protocol):
    """A task. `has`: (pool rows,) bool, rows with what it reads besides labels. `chance`: the score of guessing."""

    has: NDArray[np.bool_]
    chance: float
    metric: str

    def settings(self, column: str, seed: int, batch: int) -> Learn:
        """The learner for an arm whose labels (or texts) are in `column`."""
        ...

    def right(self, run: Run) -> NDArray[np.float32]:
        """(n,) in [0, 1]: how right the run is on each test row."""
        ...

    def changed(self, run: Run, places: NDArray[np.int64], change: Change, name: str) -> NDArray[np.float32] | None:
        """The same on the test rows `places` with changed pixels; None for a task that reads none."""
        ...

    def material(self, rows: NDArray[np.int64], column: str) -> str:
        """A digest of all that a run on these rows reads."""
        ...


class Classified:
    """`learn classify` from scratch: whether the network names the class of each test image.

    Its pixels are prepared once for all arms: 3 s^2 bytes a test row.
    """

    def __init__(self, bench: Bench, exam: Exam, steps: int, training: Mapping[str, Any]) -> None:
        self.bench, self.exam, self.steps, self.training = bench, exam, steps, dict(training)
        self.has = np.ones(len(bench), bool)
        self.chance, self.metric = exam.chance, "mean recall over classes"
        self._pixels: dict[str, NDArray[np.uint8]] = {}
        self._changed: tuple[str, NDArray[np.uint8]] = ("", np.zeros(0, np.uint8))
        self._digests = bench.table(["digest"]).column(0).to_pylist()

    def settings(self, column: str, seed: int, batch: int) -> Learn:
        from veduta.learn.classify import Classify

        given = {"batch": batch, "pretrained": False, **self.training}
        return Classify(**{**given, "target": column, "steps": self.steps, "seed": seed, "validation": 0})

    def right(self, run: Run) -> NDArray[np.float32]:
        from veduta.encode.restored import restore

        preprocess = preprocess_of(run)
        logits = restore(run.path).images(self._prepared(preprocess), preprocess)[1]
        return named(logits, run, self.exam)

    def changed(self, run: Run, places: NDArray[np.int64], change: Change, name: str) -> NDArray[np.float32] | None:
        from veduta.encode.restored import restore

        preprocess = preprocess_of(run)
        seen = self._prepared(preprocess)[places]
        if self._changed[0] != name:  # changed once for all arms
            self._changed = (name, np.stack([change(image, int(i)) for image, i in zip(seen, places, strict=True)]))
        return named(restore(run.path).images(self._changed[1], preprocess)[1], run, self.exam, places)

    def material(self, rows: NDArray[np.int64], column: str) -> str:
        return digest([self._digests[row] for row in rows], labels_of(self.bench, column, rows))

    def _prepared(self, preprocess: Preprocess) -> NDArray[np.uint8]:
        key = json.dumps(preprocess.parameters())
        if key not in self._pixels:
            self._changed = ("", np.zeros(0, np.uint8))
            self._pixels = {key: pixels(self.bench, self.exam.rows, preprocess.prepare, preprocess.resize)}
        return self._pixels[key]


class Probed:
    """`learn probe` on stored vectors: whether a linear classifier names the class of each test image.

    It is fitted to its optimum, so that there are no steps of which a larger arm could have more.
    """

    def __init__(self, bench: Bench, exam: Exam, embedding: str, training: Mapping[str, Any]) -> None:
        self.bench, self.exam, self.embedding, self.training = bench, exam, embedding, dict(training)
        self.chance, self.metric = exam.chance, "mean recall over classes"
        self.has, self._vectors = stored(bench, embedding, exam.rows)
        self._digests = bench.table(["digest"]).column(0).to_pylist()
        self._changed: tuple[str, NDArray[np.float32]] = ("", np.zeros((0, 0), np.float32))

    def settings(self, column: str, seed: int, batch: int) -> Learn:
        from veduta.learn.probe import Probe

        seed = 0 if "C" in self.training else seed  # with C given nothing is drawn, and one fit serves all seeds
        return Probe(**{**self.training, "target": column, "embedding": self.embedding, "seed": seed, "validation": 0})

    def right(self, run: Run) -> NDArray[np.float32]:
        from veduta.encode.restored import restore

        return named(restore(run.path).logits(self._vectors), run, self.exam)

    def changed(self, run: Run, places: NDArray[np.int64], change: Change, name: str) -> NDArray[np.float32] | None:
        from veduta.encode import load as load_encoder
        from veduta.encode.restored import restore

        if self._changed[0] != name:  # the encoder sees the changed images once for all arms
            encoder = load_encoder(run.about["base"]["uri"])
            seen = pixels(self.bench, self.exam.rows[places], encoder.prepare, encoder.resize)
            made = np.stack([change(image, int(place)) for image, place in zip(seen, places, strict=True)])
            parts = ordered_map(lambda part: encoder.image(made[part]), batched(list(range(len(made))), 16))
            self._changed = (name, np.concatenate(list(parts)))
        return named(restore(run.path).logits(unit(self._changed[1])), run, self.exam, places)

    def material(self, rows: NDArray[np.int64], column: str) -> str:
        made = origins(self.bench, [self.embedding])
        return digest([self._digests[row] for row in rows], [made, labels_of(self.bench, column, rows)])


class Paired:
    """`learn pairs` on stored vectors: the share of a test image's searches, both ways, whose true one is among the first k."""

    def __init__(
        self, bench: Bench, exam: Exam, embedding: str, text: str, k: int, steps: int, training: Mapping[str, Any]
    ) -> None:
        self.bench, self.exam, self.embedding = bench, exam, embedding
        self.k, self.steps, self.training = k, steps, dict(training)
        self.has, self._vectors = stored(bench, embedding, exam.rows)
        given = bench.take(exam.rows, [text]).column(0).to_pylist()
        own = [[value] if isinstance(value, str) else value or [] for value in given]
        self._texts = [[one for one in each if one and one.strip()] for each in own]
        self.chance = min(1.0, k / len(exam.rows))
        self.metric = f"R@{k}, both ways"
        self._digests = bench.table(["digest"]).column(0).to_pylist()

    def settings(self, column: str, seed: int, batch: int) -> Learn:
        from veduta.learn.pairs import Pairs

        given = {"batch": batch, **self.training}
        own = {"image": self.embedding, "text": [column], "steps": self.steps, "seed": seed, "validation": 0}
        return Pairs(**{**given, **own})

    def right(self, run: Run) -> NDArray[np.float32]:
        from veduta.encode.restored import restore

        model = restore(run.path)
        owner = np.repeat(np.arange(len(self._texts)), [len(each) for each in self._texts])
        distinct = list(dict.fromkeys(text for each in self._texts for text in each))
        place = {text: i for i, text in enumerate(distinct)}
        texts = unit(model.texts(distinct))[[place[text] for each in self._texts for text in each]]
        found = cross_retrieval(unit(model.features(self._vectors)), texts, owner)
        total = np.zeros(len(self._texts), np.float64)
        for direction in (found.text_to_image, found.image_to_text):
            hits = np.bincount(direction.units, direction.rank <= self.k, len(total))
            total += hits / np.maximum(np.bincount(direction.units, minlength=len(total)), 1)
        return (total / 2).astype(np.float32)

    def changed(self, run: Run, places: NDArray[np.int64], change: Change, name: str) -> NDArray[np.float32] | None:
        return None

    def material(self, rows: NDArray[np.int64], column: str) -> str:
        made = origins(self.bench, [self.embedding])
        return digest([self._digests[row] for row in rows], [made, labels_of(self.bench, column, rows)])


@dataclass(frozen=True)
class Trained:
    """A run and how right it is on each test row (n,)."""

    run: Run
    right: NDArray[np.float32]


def trained(
    bench: Bench, battery: Battery, exam: Exam, rows: NDArray[np.int64], column: str, seed: int, batch: int
) -> Trained:
    """Train on the rows and test. What was done before, for this judgement or another, is not done again."""
    settings = battery.settings(column, seed, batch)
    what = digest([battery.material(rows, column), origins(bench, settings.reads())], settings.parameters())
    run = bench.train(settings, rows, f"{settings.operation()}-{what[:16]}")
    tested = digest([battery.material(exam.rows, exam.column)], [exam.names, battery.metric])
    right = bench.kept(f"{settings.operation()}-{what[:16]}-{tested[:16]}", lambda: battery.right(run))
    return Trained(run, right)


def named(
    logits: NDArray[np.float32], run: Run, exam: Exam, places: NDArray[np.int64] | None = None
) -> NDArray[np.float32]:
    """(n,) 1 where the likeliest of the run's classes is the true one. A class that the run never saw is never right."""
    number = {name: i for i, name in enumerate(exam.names)}
    own = np.array([number.get(name, -1) for name in run.about["classes"]], np.int64)
    truth = exam.truth if places is None else exam.truth[places]
    return (own[logits.argmax(1)] == truth).astype(np.float32)


def preprocess_of(run: Run) -> Preprocess:
    """How the run wants its images."""
    said = run.about["preprocess"]
    return Preprocess(**{key: tuple(value) if isinstance(value, list) else value for key, value in said.items()})


def pixels(
    bench: Bench, rows: NDArray[np.int64], prepare: Callable[[NDArray[np.uint8]], NDArray[np.uint8]], side: int
) -> NDArray[np.uint8]:
    """(n, s, s, 3) uint8: the rows' images as `prepare` makes them from images of a short side of at least `side`."""
    bench.rows()  # fills the address cache before threads share it

    def read(part: list[int]) -> NDArray[np.uint8]:
        images = zip(part, bench.read_images(np.asarray(part)), strict=True)
        return np.stack([prepare(pixels_of(bench, row, data, side)) for row, data in images])

    return np.concatenate(list(ordered_map(read, batched(rows.tolist(), 64))))


def stored(bench: Bench, column: str, rows: NDArray[np.int64]) -> tuple[NDArray[np.bool_], NDArray[np.float32]]:
    """Which rows of the pool have a sound vector, and the unit vectors (n, d) of the given rows, zero where there is none."""
    vectors, positions = bench.unit_vectors(column)
    place = np.full(len(bench), -1, np.int64)
    place[positions] = np.arange(len(positions))
    has = place >= 0
    found = np.zeros((len(rows), vectors.shape[1]), np.float32)
    found[has[rows]] = vectors[place[rows[has[rows]]]]
    return has, found


def labels_of(bench: Bench, column: str, rows: NDArray[np.int64]) -> list[Any]:
    """A column's values at the rows."""
    return bench.take(rows, [column]).column(0).to_pylist()


def origins(bench: Bench, columns: Sequence[str]) -> list[Any]:
    """How columns were made, of those that are there: whatever was computed otherwise is another column."""
    fields = [bench.schema.field(name) for name in columns if name in bench.schema.names]
    return [
        [field.name, sorted((k.decode(), v.decode()) for k, v in (field.metadata or {}).items())] for field in fields
    ]


def digest(parts: Sequence[Any], more: Any = None) -> str:
    """SHA-256 over JSON of the parts."""
    return hashlib.sha256(json.dumps([list(parts), more], default=str, sort_keys=True).encode()).hexdigest()
