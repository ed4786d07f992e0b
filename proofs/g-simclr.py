"""SimCLR whose batches hold one image of each cluster, against random batches, on Fashion-MNIST.

Chakraborty, Roy Gosthipaty, Paul: "G-SimCLR: Self-Supervised Contrastive Learning with Guided Projection via Pseudo
Labelling", ICDM 2020 workshops (arXiv 2009.12007). A denoising autoencoder is trained without labels, its vectors are
clustered, and SimCLR is trained on batches of one image of each cluster; the arms differ in nothing but the batches.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from scipy.stats import t

from veduta.annotate.cluster import Cluster
from veduta.annotate.embed import Embed
from veduta.errors import BadInput
from veduta.judge.efficiency import efficiency
from veduta.judge.evidence import Kind
from veduta.judge.proof import Context, Proof
from veduta.learn.samplers.guided import expected_same_label
from veduta.learn.views import Views
from veduta.pool import Pool

SLUG = "g-simclr"
CLAIM = (
    "Batches of one image of each cluster hold fewer pairs of one class than random ones, and SimCLR learns better features "
    "from them."
)
SOURCE = "Chakraborty et al., G-SimCLR, ICDM 2020 workshops, arXiv 2009.12007"

CLUSTERS = 16
SEEDS = 3
SIDE = 28
FRACTIONS, DRAWS = (0.01, 1.0), 5


@dataclass(frozen=True)
class Arm:
    """How the batches of an arm are made, and on how many seeds it is trained."""

    name: str
    kind: Kind
    options: dict[str, Any]
    seeds: int = SEEDS


ARMS = (
    Arm("random", "baseline", {"objective": "simclr"}),
    Arm("guided", "arm", {"objective": "g-simclr"}),
    Arm("oracle", "arm", {"objective": "g-simclr", "cluster": "label", "batch": 10}, seeds=1),
)


@dataclass
class Found:
    """Of one arm: test accuracy of a linear classifier on all labels, and what its batches are made of, one a seed."""

    accuracy: list[float] = field(default_factory=list)
    batches: list[dict[str, Any]] = field(default_factory=list)

    def pairs(self, what: str) -> list[float]:
        """The share of pairs of a batch that are of one cluster or label."""
        return [batches[what] for batches in self.batches]


def run(context: Context) -> Proof:
    """Cluster, train every arm, probe what it has learnt, and look at its batches."""
    if context.scale == "gpu":
        raise BadInput("the proof of g-simclr is written for the CPU only; leave --scale gpu out")
    proof = Proof(SLUG, CLAIM, SOURCE)
    table = context.load("fashion-mnist")
    chosen = {split: part(context, table, split) for split in ("train", "test")}
    with context.pool(chosen["train"]) as pool, context.pool(chosen["test"]) as held:
        clustered(context, pool)
        found = {arm.name: trained(context, proof, arm, pool, held) for arm in ARMS}
        clusters, labels = (codes(pool.table([column])[column]) for column in ("cluster", "label"))
    expected = expected_same_label(clusters, labels)
    guided, random = found["guided"], found["random"]
    proof.details["same-label pairs"] = {
        name: np.round(f.pairs("same_label_pairs"), 5).tolist() for name, f in found.items()
    }
    proof.details["same-label pairs"]["guided, expected"] = round(expected, 5)
    proof.details["guided batches"] = guided.batches[0]
    worst = max(abs(value - expected) for value in guided.pairs("same_label_pairs"))
    less = 1 - np.mean(guided.pairs("same_label_pairs")) / np.mean(random.pairs("same_label_pairs"))
    proof.must("same-label pairs of guided batches: measured minus derived, worst seed", worst, at_most=0.005)
    proof.must("same-label pairs: share by which guided batches have less than random ones", float(less), at_least=0.15)
    proof.must("same-cluster pairs in guided batches, worst seed", max(guided.pairs("same_cluster_pairs")), at_most=0.0)
    gains = np.subtract(guided.accuracy, random.accuracy)
    half = float(t.ppf(0.975, len(gains) - 1) * gains.std(ddof=1) / np.sqrt(len(gains)))
    gain = float(gains.mean())
    proof.must(
        "accuracy: guided minus random, mean of seeds", gain, at_least=0.005, interval=(gain - half, gain + half)
    )
    proof.details["guided minus random by seed"] = np.round(gains, 4).tolist()
    proof.note("The interval of guided minus random is Student's t over the seeds; the mean decides.")
    proof.note(
        "Clusters are the product's: spherical k-means on unit vectors of the autoencoder's mean-pooled bottleneck. The released "
        "code's k-means is Euclidean, and its batches are never reshuffled."
    )
    proof.note(
        "Arms of one seed share initial weights, steps, views (SimCLR's, with crop; the released code crops nothing) and the "
        "optimiser of the recipe g-simclr as it is. The oracle's batches hold one image of each true class, 10 and not 16, so "
        "its loss has fewer negatives and it sees fewer images."
    )
    proof.note("Shares of pairs are those of the first epoch, as the runs record them.")
    return proof


def part(context: Context, table: pa.Table, split: str) -> pa.Table:
    """12,000 training rows, or all test rows."""
    own = np.flatnonzero(pc.equal(table["split"], split).to_numpy())
    size = context.size(*{"train": (12_000, 1_500), "test": (10_000, 1_000)}[split])
    return table.take(pa.array(np.sort(context.rng(split).choice(own, size, replace=False))))


def clustered(context: Context, pool: Pool) -> None:
    """The column `cluster`: of vectors by a denoising autoencoder, trained on the same rows without labels."""
    with context.timed("autoencoder"):
        made = Views(
            objective="denoise",
            epochs=context.size(5, 2),
            batch=64,
            optimizer="adam",
            weight_decay=0,
            size=SIDE,
            seed=context.seed,
        ).learn(pool, name="denoise")
    context.say(f"autoencoder: {made.summary()}")
    with context.timed("clusters"):
        embedded(pool, made.encoder, "embedding")
        pool.annotate(Cluster(count=CLUSTERS, seed=context.seed))


def trained(context: Context, proof: Proof, arm: Arm, pool: Pool, held: Pool) -> Found:
    """Train an arm on each seed and classify by its pooled features, P3 in the paper: before the projection."""
    found = Found()
    both = [pool.table(["label"])["label"], held.table(["label"])["label"]]
    y, train = codes(pa.chunked_array([chunk for column in both for chunk in column.chunks])), np.arange(len(pool))
    for seed in range(context.seed, context.seed + arm.seeds):
        given = {
            "batch": CLUSTERS,
            "steps": context.size(2_000, 60),
            "size": SIDE,
            "views": "simclr",
            "compare": "label",
            "seed": seed,
        }
        with context.timed(f"train {arm.name}"):
            made = Views(recipe="g-simclr", **{**given, **arm.options}).learn(pool, name=f"{arm.name}-{seed}")
        column = f"h_{arm.name}_{seed}"
        with context.timed("features"):
            x = np.concatenate([embedded(rows, made.encoder, column) for rows in (pool, held)])
        with context.timed("probes"):
            test = np.arange(len(train), len(x))
            points = efficiency(x, y, train, test, FRACTIONS, DRAWS, context.rng("probe"))
        for point in points:
            proof.measure(
                f"fashion-mnist, seed {seed}", arm.name, f"accuracy, {point.labels:,} labels", point.mean, kind=arm.kind,
                interval=(point.low, point.high), n=len(test),
            )  # fmt: skip
        found.accuracy.append(points[-1].mean)
        found.batches.append(made.about["batches"])
        context.say(f"{arm.name}, seed {seed}: {points[-1].mean:.4f} on all labels; {made.summary()}")
    return found


def embedded(pool: Pool, encoder: str, column: str) -> NDArray[np.float32]:
    """Vectors of all rows, which stay in the pool."""
    pool.refresh()
    pool.annotate(Embed(encoder=encoder, column=column))
    return pool.vectors(column)[0]


def codes(values: pa.ChunkedArray) -> NDArray[np.int64]:
    """A number for each different value."""
    return np.unique(values.to_pylist(), return_inverse=True)[1].astype(np.int64)
