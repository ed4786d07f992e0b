"""How good a filter is at choosing training data, which its own accuracy does not say."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from veduta.annotate.align import scores as align_scores
from veduta.annotate.text_space import check_space, in_space, text_column, with_text
from veduta.annotate.vectors import sound
from veduta.encode.base import unit
from veduta.encode.captions import texts_in
from veduta.encode.trained_on import seen
from veduta.engine.operation import Field
from veduta.errors import BadInput, NothingToDo
from veduta.judge import induced
from veduta.judge.cross_ranking import CrossFound, cross_retrieval
from veduta.judge.intervals import bootstrap, over_draws
from veduta.judge.operation import Judge
from veduta.judge.planted import auroc_of, plant
from veduta.judge.scope import TEST, both
from veduta.pool import Pool, View, withdrawn
from veduta.pool.schema import FINGERPRINT

if TYPE_CHECKING:
    from veduta.encode import Encoder
    from veduta.judge.report import Report

HELD_OUT = 0.2
"""Share of the pool that is the test where no pairs are known to be right."""


@dataclass(frozen=True)
class Side:
    """Pairs of one side, the choice or the test. rows: (n,) positions; images: (n, d) unit vectors in the filter's text space; features: (n, e) what
    induced models are trained on; texts: each row's; groups: (n,) rows with the same texts are true for each other."""

    rows: NDArray[np.int64]
    images: NDArray[np.float32]
    features: NDArray[np.float32]
    texts: list[list[str]]

    @property
    def groups(self) -> NDArray[np.int64]:
        number: dict[tuple[str, ...], int] = {}
        return np.array([number.setdefault(tuple(sorted(own)), len(number)) for own in self.texts], np.int64)

    def take(self, at: NDArray[np.int64]) -> Side:
        return Side(self.rows[at], self.images[at], self.features[at], [self.texts[int(i)] for i in at])


@dataclass(frozen=True)
class Arm:
    """Models trained on one set of rows. values: R@k of each seed, the mean of both directions; passes: over its rows."""

    name: str
    rows: NDArray[np.int64]
    passes: float
    values: list[float]


@dataclass
class Quality:
    """What was found. scores: (n,) of the pool's pairs; auroc, low, high: on the planted mismatches; planted: the test scores and
    which of them are of mismatches; known: AUROC against the column `truth`; own: the filter as a retriever."""

    pairs: Side
    scores: NDArray[np.float32]
    test: Side
    auroc: float
    interval: tuple[float, float]
    planted: tuple[NDArray[np.float32], NDArray[np.bool_]]
    known: float | None
    arms: list[Arm]
    own: CrossFound
    steps: int
    batch: int
    facts: dict[str, Any] = field(default_factory=dict)

    def arm(self, name: str) -> Arm:
        return next(arm for arm in self.arms if arm.name == name)

    def gap(self, other: str) -> tuple[float, float, float]:
        """R@k of the models of the filter's choice minus those of another arm, seed by seed: mean and 95 % interval."""
        values = [a - b for a, b in zip(self.arm("filter").values, self.arm(other).values, strict=True)]
        return (float(np.mean(values)), *over_draws(values))


class FilterQuality(Judge):
    """Measure how well an image-text scorer chooses training data, apart from how accurate it is itself.

    Fang et al. 2024 (arXiv 2309.17425): a filtering network's own accuracy does not predict how good the model is that is trained on
    what it keeps (figure 3). So three things are measured, and kept apart. (a) AUROC of the score on planted mismatches: a
    share of the test pairs get another one's captions. (b) Induced models: fresh heads on stored vectors, trained on the `keep`
    share of the pool that scores best, on as many random rows, and on everything, all with the same number of pairs seen, as a filtered
    set is smaller and is repeated; R@k on the test pairs, both directions averaged, intervals over seeds. (c) The filter's own
    R@k on the test pairs.

    The filter is an encoder with texts, often a run of `learn pairs` (`run:FOLDER`). Pairs it was trained on, by digest, are in
    neither side. Test pairs should be known to be right: rows of the split test, or another pool (`test`); without any, a fifth of
    the pool is held out with its own mismatches, and the report says so. Differences from the paper: heads on frozen
    features instead of networks from pixels, retrieval instead of ImageNet. Cost: 3 * seeds trainings of two heads; memory the
    vectors, and 1.5 KB a text.
    """

    encoder: str = Field("offline", description="the filter: run:FOLDER, or any encoder with texts")
    text: str = Field("captions", description="column of texts: a string or a list of strings a row")
    embedding: str = Field("embedding", description="column with the filter's image vectors, or those of its base")
    features: str = Field("embedding", description="embedding column that induced models are trained on")
    keep: float = Field(0.15, gt=0, lt=1, description="share of the pool that the filter keeps")
    test: str | None = Field(
        None, min_length=1, description="another pool with pairs known to be right; by default this pool's split test"
    )
    truth: str | None = Field(None, description="boolean column that says which pairs of the pool are right, if known")
    where: str | None = Field(None, description="SQL: choose among these rows of the pool only")
    swapped: float = Field(0.5, gt=0, lt=1, description="share of the test pairs that get wrong captions")
    k: int = Field(5, ge=1, description="depth of recall")
    samples: int | None = Field(
        None,
        ge=1,
        description="pairs that each induced model sees; by default 32 passes over what is kept, at most 128,000",
    )
    seeds: int = Field(3, ge=2, description="induced models of each kind")
    seed: int = Field(0, ge=0, description="of the mismatches, the random rows and the models")

    def reads(self) -> list[str]:
        return [self.text, self.embedding, self.features, *([self.truth] if self.truth else [])]

    def check(self, pool: View) -> None:
        name, model = self.operation(), with_text(self.encoder, self.operation())
        for each in [pool, *([Pool.open(self.test)] if self.test else [])]:
            each.require(self.text, needed_by=name, mend="name the column of the texts with --text")
            check_space(each, text_column(model, self.embedding), model, name, base=True)
            each.require(self.features, needed_by=name, mend="make it with: veduta annotate embed POOL")
        if self.test and _made(pool, self.features) != _made(Pool.open(self.test), self.features):
            raise BadInput(
                f"{name}: '{self.features}' of {self.test} was made by another encoder than that of the pool; embed both alike"
            )
        if self.truth:
            import pyarrow as pa

            kind = pool.require(self.truth, needed_by=name).type
            if not pa.types.is_boolean(kind):
                raise BadInput(f"truth of {name} must be a column of booleans, but '{self.truth}' holds {kind}")

    def judge(self, pool: View) -> Report:
        """Measure and lay out."""
        from veduta.judge.filter_quality_report import report

        return report(self, self.measure(pool), pool)

    def measure(self, pool: View) -> Quality:
        """Score, plant, train, search. Raises NothingToDo where fewer than two pairs would be kept or tested."""
        self.check(pool)
        model = with_text(self.encoder, self.operation())
        facts: dict[str, Any] = {"left out": {}}
        pairs, test = self._sides(pool, model, facts)
        kept = max(1, round(self.keep * len(pairs.rows)))
        if kept < 2 or len(test.rows) < 2:
            raise NothingToDo(
                f"{self.operation()} needs two pairs to keep and two to test with, got {kept} of {len(pairs.rows)} and "
                f"{len(test.rows)}; more rows with texts and vectors, a larger --keep, or --test another pool"
            )
        score = align_scores(model, pairs.images, pairs.texts)
        gets, wrong = plant([tuple(own) for own in test.texts], self.swapped, np.random.default_rng([self.seed, 1]))
        shown = align_scores(model, test.images, [test.texts[int(i)] for i in gets])
        interval = bootstrap(
            lambda rows: auroc_of(shown[rows], wrong[rows]), len(wrong), np.random.default_rng([self.seed, 2]), 200
        )
        distinct = [text for own in test.texts for text in own]
        owner = np.repeat(np.arange(len(test.texts)), [len(own) for own in test.texts])
        own = cross_retrieval(test.images, model.text(distinct), owner, groups=test.groups)
        batch, steps = induced.batch_for(kept), induced.steps_for(kept, self.samples)
        return Quality(
            pairs, score, test, auroc_of(shown, wrong), interval, (shown, wrong), self._known(pool, pairs, score),
            self._arms(pool, pairs, score, test, kept, batch, steps), own, steps, batch, facts,
        )  # fmt: skip

    def _sides(self, pool: View, model: Encoder, facts: dict[str, Any]) -> tuple[Side, Side]:
        """What the filter chooses from, and what is tested with; neither holds what the filter was trained on."""
        source: View = Pool.open(self.test) if self.test else pool
        whole = self._pairs(pool, model, self.where, facts, "pool")
        if self.test:
            test = self._pairs(source, model, TEST if len(source.rows(TEST)) else None, facts, "test")
            facts["test"] = f"{self.test}, {'the split test' if len(source.rows(TEST)) else 'all rows'}"
            again = seen_in(pool, whole.rows, source, test.rows)
            facts["left out"]["pool: images that are test images too"] = int(again.sum())
            return whole.take(np.flatnonzero(~again)), test
        split = [(value or "").lower() for value in _column(pool, "split", whole.rows)]
        tested = np.array([value == "test" for value in split], bool)
        facts["test"] = "the split test of the pool"
        if not tested.any():
            facts["test"] = f"{HELD_OUT:.0%} of the pool, held out at random, with the pool's own mismatches"
            order = np.random.default_rng([self.seed, 0]).permutation(len(whole.rows))
            tested[order[: round(HELD_OUT * len(order))]] = True
        digests = np.array([digest or str(i) for i, digest in enumerate(_column(pool, "digest", whole.rows))], object)
        again = ~tested & np.isin(digests, digests[tested])
        facts["left out"]["pool: images that are test images too"] = int(again.sum())
        return whole.take(np.flatnonzero(~tested & ~again)), whole.take(np.flatnonzero(tested))

    def _pairs(self, pool: View, model: Encoder, where: str | None, facts: dict[str, Any], side: str) -> Side:
        column = text_column(model, self.embedding)
        condition = both("error is null", where, withdrawn.present(pool))
        images, rows = pool.vectors(column, where=condition)
        features, having = pool.vectors(self.features, where=condition)
        rows, at, also = np.intersect1d(rows, having, assume_unique=True, return_indices=True)
        images, features = images[at], features[also]
        texts = [texts_in(value) for value in _column(pool, self.text, rows)]
        has = np.array([bool(own) for own in texts], bool)
        fine = sound(images) & sound(features) if len(rows) else has
        trained = getattr(model, "trained_on", None)
        known = seen(_column(pool, "digest", rows), trained) if trained is not None else np.zeros(len(rows), bool)
        left = facts["left out"]
        left[f"{side}: rows without a vector"] = len(pool.rows(condition)) - int(fine.sum())
        left[f"{side}: rows without a text"] = int((fine & ~has).sum())
        left[f"{side}: images that the filter was trained on"] = int((fine & has & known).sum())
        use = np.flatnonzero(fine & has & ~known)
        vectors = in_space(model, unit(images[use]), _made(pool, column))
        return Side(rows[use], vectors, features[use], [texts[int(i)] for i in use])

    def _known(self, pool: View, pairs: Side, score: NDArray[np.float32]) -> float | None:
        if not self.truth:
            return None
        right = _column(pool, self.truth, pairs.rows)
        told = np.array([value is not None for value in right], bool)
        return auroc_of(score[told], np.array([value is False for value in right], bool)[told])

    def _arms(
        self, pool: View, pairs: Side, score: NDArray[np.float32], test: Side, kept: int, batch: int, steps: int
    ) -> list[Arm]:
        whole = View(pool.dataset)
        texts: list[list[str]] = [[] for _ in range(len(whole))]
        for row, own in zip(pairs.rows.tolist(), pairs.texts, strict=True):
            texts[row] = own
        train = induced.trainer(whole, self.features, self.text, texts, batch=batch, steps=steps)
        tested = induced.TestPairs(test.features, test.texts, test.groups)
        best = pairs.rows[np.argsort(-score, kind="stable")[:kept]]
        chosen = {"filter": [best], "random": [], "everything": [pairs.rows]}
        for i in range(self.seeds):
            chosen["random"].append(np.random.default_rng([self.seed, 3, i]).choice(pairs.rows, kept, replace=False))
        found = []
        for name, sets in chosen.items():
            values = []
            for i in range(self.seeds):
                u, v = train(sets[i % len(sets)], self.seeds * self.seed + i, tested)
                values.append(recall(cross_retrieval(u, v, tested.owner, groups=test.groups), self.k))
            found.append(Arm(name, np.sort(sets[0]), steps * batch / len(sets[0]), values))
        return found


def recall(found: CrossFound, k: int) -> float:
    """R@k, the mean of both directions."""
    return (found.text_to_image.recall(k) + found.image_to_text.recall(k)) / 2


def seen_in(pool: View, rows: NDArray[np.int64], other: View, others: NDArray[np.int64]) -> NDArray[np.bool_]:
    """(n,) whether the image of each row is, by its bytes, among those of another pool."""
    known = set(_column(other, "digest", others)) - {None}
    return np.array([digest in known for digest in _column(pool, "digest", rows)], bool)


def _column(pool: View, name: str, rows: NDArray[np.int64]) -> list[Any]:
    return pool.take(rows, [name]).column(0).to_pylist()


def _made(pool: View, column: str) -> str:
    return (pool.schema.field(column).metadata or {}).get(FINGERPRINT, b"").decode()
