"""How hard a labelled set of images is to learn, told before anything is trained."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from veduta.annotate.points import IMAGE, SIZE, Points, check_column, first_equal, labels_of, read_points
from veduta.engine.operation import Field
from veduta.errors import BadInput, NothingToDo
from veduta.judge import represented
from veduta.judge.difficulty_found import EPS, Found, Setup
from veduta.judge.dimension import intrinsic_dimension
from veduta.judge.operation import Judge
from veduta.judge.sharpness import label_sharpness
from veduta.pool import withdrawn

if TYPE_CHECKING:
    from veduta.judge.report import Report
    from veduta.pool import View


@dataclass(frozen=True)
class _Read:
    """The different points of one pool. labels: (n,) class numbers; agreed: (n,) whether all equal images have that label."""

    name: str
    pool: View
    points: Points
    labels: NDArray[np.int64]
    agreed: NDArray[np.bool_]
    conflicts: tuple[tuple[int, ...], ...]
    rows: int
    drawn: int
    duplicates: int


class Difficulty(Judge):
    """Tell before training how hard a labelled set is: intrinsic dimension, label sharpness, and what follows from them.

    Konz and Mazurowski, "The effect of intrinsic dataset properties on generalization", ICLR 2024 (arXiv 2401.08865): with d the
    intrinsic dimension of the images and K_F the label sharpness, the log of the test loss on N images is at most
    -log(N) / d + log K_F + const, and a model is the easier to attack the higher K_F is. The dimension is estimated by maximum
    likelihood (`intrinsic_dimension`), on at most `anchors` rows, drawn at random; the sharpness on `m` of these. Equal images
    count once; those with different labels are reported, and make K_F infinite. With `model`, the dimension of what an encoder
    makes of the images (its unit vectors), or of one `layer` of a run's network, flattened.
    `against` names other pools, which are measured on as many rows and compared. Values of different size, range, channels, n, k
    or m cannot be compared, so all of these are in the result. Bounds are upper bounds for many images and for networks that
    are trained to fit; they order sets, and do not tell a loss.
    Cost: n^2 d products, n rows of d numbers; memory: 4 n d bytes, at most 2 GiB. One pass.
    """

    target: str = Field("label", description="column with one label a row")
    column: str = Field(IMAGE, description="image: the pixels themselves, or a column of vectors")
    size: int = SIZE
    k: int = Field(20, ge=3, le=200, description="neighbours of the estimate of the dimension")
    anchors: int = Field(10_000, ge=10, le=60_000, description="rows that are looked at, at most")
    m: int = Field(1000, ge=2, le=10_000, description="rows whose pairs are all compared for the sharpness, at most")
    q: float = Field(0.999, gt=0, le=1, description="quantile of the sharpness that stands beside its maximum")
    model: str | None = Field(None, description="encoder, or run:FOLDER, whose representation is measured as well")
    layer: str | None = Field(
        None, description="layer of the run's network, as PyTorch names it; default: its features"
    )
    against: list[str] = Field([], description="other pools to measure in the same way and compare")
    where: str | None = Field(None, description="SQL: judge only these rows of every pool")
    seed: int = Field(0, ge=0, description="of the rows that are drawn and of the bootstrap")

    def reads(self) -> list[str]:
        return [self.target, *([] if self.column == IMAGE else [self.column])]

    def check(self, pool: View) -> None:
        check_column(pool, self.column, self.operation())
        labels_of(pool, self.target, np.empty(0, np.int64), self.operation())
        if self.layer is not None and not (self.model or "").startswith("run:"):
            raise BadInput(
                f"layer of {self.operation()} is one of a run's network; name the run with --model run:FOLDER"
            )

    def judge(self, pool: View) -> Report:
        """Measure and lay out."""
        from veduta.judge.difficulty_report import report

        return report(self, self.measure(pool), pool)

    def measure(self, pool: View) -> list[Found]:
        """The pool's, then those of `against`. Raises NothingToDo for fewer than 5 k different images or a single label."""
        from veduta.pool import Pool

        pools = [pool, *(Pool.open(path) for path in self.against)]
        for each in pools:
            self.check(each)
        read = [self._read(each) for each in pools]
        n = min(len(each.points) for each in read)
        m = min(self.m, *(int(each.agreed.sum()) for each in read))
        return [self._found(one, n, m) for one in read]

    def _read(self, pool: View) -> _Read:
        if self.where:
            pool.rows(self.where)
        rows = pool.rows(" and ".join(self._conditions(pool)))
        drawn = rows
        if len(rows) > self.anchors:
            drawn = np.sort(np.random.default_rng([self.seed, 0]).choice(rows, self.anchors, replace=False))
        points = read_points(pool, self.column, self.size, drawn, self.operation())
        labels = np.array(labels_of(pool, self.target, points.rows, self.operation()), str)
        name, classes = str(getattr(pool, "path", "the pool")), len(np.unique(labels))
        if classes < 2:
            raise NothingToDo(
                f"{self.operation()} needs images of two labels in '{self.target}' of {name}, got {classes}; "
                "name another column with --target"
            )
        first = first_equal(points.values)
        own = first == np.arange(len(first))
        strange = np.unique(first[labels != labels[first]])
        conflicts = tuple(tuple(points.rows[first == one].tolist()) for one in strange)
        numbers = np.unique(labels, return_inverse=True)[1]
        return _Read(
            name, pool, points.take(own), numbers[own], ~np.isin(first, strange)[own],
            conflicts, len(rows), len(drawn), int((~own).sum()),
        )  # fmt: skip

    def _conditions(self, pool: View) -> list[str]:
        there = withdrawn.present(pool)
        return [
            "error is null",
            *([there] if there else []),
            f"{self.target} is not null",
            *([f"({self.where})"] if self.where else []),
        ]

    def _found(self, read: _Read, n: int, m: int) -> Found:
        some = np.sort(np.random.default_rng([self.seed, 1]).permutation(len(read.points))[:n])
        points = read.points.take(some)
        dimension = intrinsic_dimension(points.values, self.k, rng=np.random.default_rng([self.seed, 2]))
        clear = np.random.default_rng([self.seed, 3]).permutation(np.flatnonzero(read.agreed))
        chosen = np.sort(clear[:m])
        sharp = label_sharpness(read.points.values[chosen], read.labels[chosen], q=self.q)
        of_model = None
        if self.model is not None:
            values = represented.read(read.pool, points.rows, self.model, self.layer, self.operation())
            values = values[first_equal(values) == np.arange(len(values))]
            of_model = intrinsic_dimension(values, self.k, rng=np.random.default_rng([self.seed, 4]))
        width = points.values.shape[1]
        return Found(
            read.name,
            Setup(points.space, n, self.k, m, self.q, self.model or "", self.layer or ""),
            dimension,
            sharp,
            of_model,
            read.rows,
            read.drawn,
            read.drawn - len(read.points) - read.duplicates,
            read.duplicates,
            len(np.unique(read.labels)),
            read.conflicts,
            read.points.rows[chosen][sharp.pairs],
            EPS * width**0.5 if self.column == IMAGE else 0.0,
        )
