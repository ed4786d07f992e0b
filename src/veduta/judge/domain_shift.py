"""How far a classifier falls on another domain, and whether its labels, its features or its decision are to blame.

Legend: n rows, k classes judged in both pools, d dimensions.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from veduta.engine.operation import Field
from veduta.errors import BadInput, NothingToDo, SpaceMismatch
from veduta.judge.classify import Judged, check_target, classes_of, read
from veduta.judge.intervals import bootstrap, wilson
from veduta.judge.scope import Scope, both
from veduta.judge.trained import OfModels
from veduta.learn import linear
from veduta.pool import withdrawn
from veduta.pool.schema import FINGERPRINT

if TYPE_CHECKING:
    from veduta.judge.report import Report
    from veduta.pool import View

CLASSIFY = "add it with: veduta annotate classify POOL, or predict POOL --model RUN"
WORTH = 0.05
"""A fall whose 95 % interval does not exclude this is not called a shift."""
LEARNABLE = 0.5
"""Share of what majority voting leaves open that a probe must tell for labels to count as separable."""


@dataclass(frozen=True)
class Probe:
    """A linear probe on this pool's own labels. accuracy: over folds; majority: of the commonest class."""

    target: str
    accuracy: float
    low: float
    high: float
    majority: float
    rows: int
    classes: int

    @property
    def learned(self) -> float:
        """Share of the errors of majority voting that the probe does not make; below 0 it is worse."""
        return (self.accuracy - self.majority) / max(1 - self.majority, 1e-9)


@dataclass(frozen=True)
class Shift:
    """own, reference: the rows judged in each pool. classes (k,): class numbers in both; recalls (k,) in [0, 1] of the two.

    drop: mean of reference - own over the classes; low, high: its 95 % interval. probe: None where it could not be fitted,
    then `unprobed` says why. sides: median short side in pixels, own and reference.
    """

    own: Judged
    reference: Judged
    classes: NDArray[np.int64]
    own_recall: NDArray[np.float64]
    reference_recall: NDArray[np.float64]
    own_top5: float
    reference_top5: float
    drop: float
    low: float
    high: float
    probe: Probe | None
    unprobed: str
    sides: tuple[float, float]
    notes: list[str] = field(default_factory=list)

    @property
    def shifted(self) -> bool:
        """Whether the fall is surely larger than is worth a word."""
        return self.low > WORTH

    @property
    def blame(self) -> str:
        """ "nothing", "undecided" (too few classes to tell), "labels", "decision" or "unknown" (no probe)."""
        if not self.shifted:
            return "nothing" if self.high <= WORTH else "undecided"
        if self.probe is None:
            return "unknown"
        return "decision" if self.probe.learned >= LEARNABLE else "labels"


class DomainShift(OfModels):
    """Measure how far a classifier falls on this pool against a reference pool, and say what is to blame.

    Bai et al. 2024 ("Let's Go Shopping", arXiv 2401.04575), sections 4.1 and 4.2: the recall of every class that both pools
    have, averaged over classes (not over images), on both, without any training; and a linear probe on frozen features of
    this pool (5-fold), which tells whether its labels can be learned at all. A fall with a good probe blames the classifier's
    decision, for which neither labels nor features are short; a fall with a poor probe blames labels or features.
    Reads `scores` (class scores with class names, as `classify` and `predict` write them, of the same model in both pools),
    labels that are names or ids of these classes (WordNet ids for ImageNet), and `embedding` for the probe. The interval is
    a bootstrap over classes (1,000 rounds), paired: a class keeps its two recalls. Different from the paper: the interval, and that rows that the classifier was trained on are left out, on both sides.
    Memory: 4 bytes x rows x classes of both pools; the probe sees at most `probe_rows` rows.
    """

    reference: str = Field(description="the other pool's folder", min_length=1)
    target: str = Field("synset", description="column of the true class in this pool")
    reference_target: str = Field("label", description="column of the true class in the reference pool")
    scores: str = Field("posterior", description="column of class scores in both pools")
    embedding: str = Field("embedding", description="vector column for the probe")
    probe_target: str | None = Field(None, description="column of labels for the probe; by default the target")
    group: str | None = Field(
        "variant_of", description="rows with the same value here stay in one fold, where there is such a column"
    )
    min_per_class: int = Field(1, ge=1, description="rows that a class must have in each pool")
    folds: int = Field(5, ge=2, le=20, description="folds of the probe")
    probe_rows: int = Field(5000, ge=10, description="rows that the probe sees at most")
    where: str | None = Field(None, description="SQL: judge only these rows of this pool")
    reference_where: str | None = Field(None, description="SQL: judge only these rows of the reference")
    seed: int = Field(0, ge=0, description="of the bootstrap and the folds")

    def reads(self) -> list[str]:
        return [self.target, self.scores]

    def check(self, pool: View) -> None:
        check_target(pool, self.target, self.operation())
        other = self._other()
        check_target(other, self.reference_target, f"{self.operation()} (in the reference)")
        names = [classes_of(each, self.scores, self.operation()) for each in (pool, other)]
        if names[0] != names[1]:
            raise BadInput(
                f"{self.operation()} compares one model on two pools, but '{self.scores}' has {len(names[0])} classes here and "
                f"{len(names[1])} others in {self.reference}; predict with the same model in both"
            )
        made = [(each.schema.field(self.scores).metadata or {}).get(FINGERPRINT, b"") for each in (pool, other)]
        if made[0] != made[1]:
            raise SpaceMismatch(
                f"{self.operation()}: '{self.scores}' comes from different models in the two pools; use one for both"
            )

    def _other(self) -> View:
        from veduta.pool import Pool

        return Pool.open(self.reference)

    def judge(self, pool: View) -> Report:
        """Measure and lay out."""
        from veduta.judge.domain_shift_report import report

        return report(self, self.measure(pool), pool, self._other())

    def measure(self, pool: View) -> Shift:
        """Recalls, the fall with its interval, and the probe. Raises NothingToDo if no class is in both pools."""
        self.check(pool)
        other = self._other()
        sides = [
            Scope(where, said, trained=self.trained(each, self.scores))
            for each, where, said in (
                (pool, self.where, "the rows"), (other, self.reference_where, "the reference's rows")
            )
        ]  # fmt: skip
        own = read(pool, self.target, self.scores, sides[0], self.operation())
        ref = read(other, self.reference_target, self.scores, sides[1], self.operation())
        k = len(own.names)
        counts = [np.bincount(each.truth, minlength=k) for each in (own, ref)]
        classes = np.flatnonzero((counts[0] >= self.min_per_class) & (counts[1] >= self.min_per_class))
        if not len(classes):
            raise NothingToDo(
                f"{self.operation()}: no class has {self.min_per_class} rows in both pools ({(counts[0] > 0).sum()} classes here, "
                f"{(counts[1] > 0).sum()} in the reference); name other targets or lower min_per_class"
            )
        here, there = recalls(own, 1)[classes], recalls(ref, 1)[classes]
        rng = np.random.default_rng([self.seed, 1])
        low, high = bootstrap(lambda rows: float((there - here)[rows].mean()), len(classes), rng)
        probe, unprobed = self._probe(pool)
        return Shift(
            own, ref, classes, here, there, float(recalls(own, 5)[classes].mean()), float(recalls(ref, 5)[classes].mean()),
            float((there - here).mean()), low, high, probe, unprobed,
            (_side(pool, own.rows), _side(other, ref.rows)), [*(note for side in sides for note in side.trained.told()), *_notes(own, ref, classes)],
        )  # fmt: skip

    def _probe(self, pool: View) -> tuple[Probe | None, str]:
        target = self.probe_target or self.target
        for column in (target, self.embedding):
            if column not in pool.schema.names:
                return None, f"this pool has no column '{column}' (see --probe-target and --embedding)"
        if not pa.types.is_fixed_size_list(pool.schema.field(self.embedding).type):
            return None, f"'{self.embedding}' holds no vectors"
        check_target(pool, target, self.operation())
        if self.where:
            pool.rows(self.where)
        condition = both(f"{target} is not null", self.where, withdrawn.present(pool))
        vectors, rows = pool.vectors(self.embedding, where=condition)
        sound = np.isfinite(vectors).all(1)
        vectors, rows = vectors[sound], rows[sound]
        rng = np.random.default_rng([self.seed, 2])
        if len(rows) > self.probe_rows:
            chosen = np.sort(rng.choice(len(rows), self.probe_rows, replace=False))
            vectors, rows = vectors[chosen], rows[chosen]
        labels = [str(value) for value in pool.take(rows, [target]).column(0).to_pylist()]
        grouped = self.group and self.group in pool.schema.names
        groups = pool.take(rows, [self.group]).column(0).to_pylist() if grouped else [None] * len(rows)  # type: ignore[list-item]
        return probe(vectors, labels, groups, self.folds, rng, target)


def recalls(judged: Judged, top: int) -> NDArray[np.float64]:
    """(c,) share of each class's rows whose true class is among the `top` likeliest; NaN for classes without rows."""
    hits = np.bincount(judged.truth, weights=(judged.place <= top).astype(np.float64), minlength=len(judged.names))
    with np.errstate(invalid="ignore"):
        return hits / np.bincount(judged.truth, minlength=len(judged.names))


def probe(
    vectors: NDArray[np.float32],
    labels: list[str],
    groups: list[object],
    folds: int,
    rng: np.random.Generator,
    target: str,
) -> tuple[Probe | None, str]:
    """A linear SVM on (n, d) vectors, its accuracy over folds; (None, why) where fewer than two classes have `folds` groups.

    groups: rows of one value go into one fold, None is a row of its own. C is chosen within the training folds.
    """
    numbers: dict[object, int] = {}
    owner = np.array(
        [numbers.setdefault(("row", i) if g is None else ("group", g), len(numbers)) for i, g in enumerate(groups)],
        np.int64,
    )
    leaders = np.unique(owner, return_index=True)[1] if len(owner) else np.empty(0, np.int64)
    frequent = {name for name in set(labels) if sum(labels[i] == name for i in leaders) >= folds}
    keep = np.array([label in frequent for label in labels], bool)
    if len(frequent) < 2:
        return (
            None,
            f"'{target}' has {len(frequent)} classes with at least {folds} rows (or groups), and a probe needs two",
        )
    names = sorted(frequent)
    x = np.asarray(vectors[keep], np.float32)
    x = x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), np.finfo(np.float32).tiny)
    truth = np.array([[label == name for name in names] for label, kept in zip(labels, keep, strict=True) if kept])
    _, first, inverse = np.unique(owner[keep], return_index=True, return_inverse=True)
    fold = linear.folds(truth[first], folds, rng)[inverse]
    hits = 0
    for train, test in linear.splits(fold, folds):
        c = linear.choose_c(x[train], truth[train], "linear-svm", rng)[0]
        weights, bias = linear.fit(x[train], truth[train], c)
        hits += round(linear.score(x[test] @ weights.T + bias, truth[test], exclusive=True) * len(test))
    n = len(x)
    low, high = wilson(hits, n)
    return Probe(target, hits / n, low, high, float(truth.mean(0).max()), n, len(names)), ""


def verdict(shift: Shift) -> str:
    """The outcome in a sentence or two."""
    own, ref = shift.own_recall.mean(), shift.reference_recall.mean()
    fall = (
        f"Over {len(shift.classes)} classes the recall is {own:.1%} here and {ref:.1%} in the reference: a fall of {100 * shift.drop:.1f} "
        f"points (95 %: {100 * shift.low:.1f} to {100 * shift.high:.1f})."
    )
    probe = shift.probe
    said = (
        f"a linear probe on this pool's own '{probe.target}' reaches {probe.accuracy:.1%} (majority {probe.majority:.1%})"
        if probe
        else ""
    )
    if shift.blame == "nothing":
        return f"{fall} That is no shift worth the name."
    if shift.blame == "undecided":
        return f"{fall} Whether that is a shift cannot be told from so few classes."
    if shift.blame == "unknown":
        return f"{fall} What is to blame cannot be told: {shift.unprobed}."
    if shift.blame == "decision":
        return f"{fall} Labels and features are not to blame: {said}. The classifier's decision does not carry over: fit it here."
    return f"{fall} Labels or features are to blame, not only the domain: {said}."


def _side(pool: View, rows: NDArray[np.int64]) -> float:
    sizes = pool.take(rows, ["width", "height"])
    short = np.minimum(*(np.array([v or 0 for v in sizes[name].to_pylist()]) for name in ("width", "height")))
    return float(np.median(short)) if len(short) else float("nan")


def _notes(own: Judged, ref: Judged, classes: NDArray[np.int64]) -> list[str]:
    notes = []
    for name, judged in (("this pool", own), ("the reference", ref)):
        outside = int((~np.isin(judged.truth, classes)).sum())
        if outside:
            notes.append(f"{outside:,} rows of {name} are of classes that the other pool lacks, and are left out.")
        if judged.unknown:
            count, some = sum(judged.unknown.values()), "', '".join(list(judged.unknown)[:3])
            notes.append(f"{count:,} rows of {name} have a label that is not a class of the model ('{some}').")
        if judged.unpredicted:
            notes.append(f"{judged.unpredicted:,} rows of {name} have a label and no scores.")
    single = int((np.bincount(ref.truth)[classes] == 1).sum())
    if single:
        notes.append(f"{single:,} classes have a single row in the reference; their recall there is 0 or 1.")
    if len(classes) < 10:
        notes.append(
            f"Only {len(classes)} classes are in both pools; an interval over so few is narrower than it should be."
        )
    return notes
