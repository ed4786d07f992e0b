"""Features for drawings, learnt from drawings with a few words each, against ImageNet's and those learnt without words.

Zhang, Jiang, Miura, Manning, Langlotz: "Contrastive Learning of Medical Visual Representations from Paired Images and Text",
MLHC 2022 (arXiv 2010.00747). Their images were radiographs with reports, their networks ResNet-50 and ClinicalBERT; here it is
emoji by four vendors with their names and tags, the last two stages of EfficientNet-Lite0, and a frozen MiniLM.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from scipy.stats import t

from veduta.annotate.embed import Embed
from veduta.encode import shared
from veduta.errors import BadInput
from veduta.judge.efficiency import Point, efficiency
from veduta.judge.evidence import Interval, Kind
from veduta.judge.proof import Context, Proof
from veduta.judge.ranking import rank
from veduta.learn.pairs import Pairs
from veduta.learn.pretrained import LITE0
from veduta.learn.run import Run
from veduta.learn.views import Views
from veduta.pool import Pool
from veduta.samples.emoji import ungendered

SLUG = "convirt"
CLAIM = (
    "In a domain unlike photos, an image network that was trained on images with texts needs far fewer labels than ImageNet's "
    "weights, or than the same network trained on the images alone."
)
SOURCE = "Zhang et al., Contrastive Learning of Medical Visual Representations, MLHC 2022, arXiv 2010.00747"

SIDE = 64
FROZEN, ALL = 5, 7
DRAWS = 5
DEPTH = 10
COLUMNS = ("key", "image", "label", "captions", "concept")
OPTIMISER: dict[str, Any] = {"optimizer": "adam", "lr": 3e-4, "weight_decay": 1e-6, "schedule": "cosine", "batch": 64}
KINDS: dict[str, Kind] = {
    "ImageNet": "baseline",
    "ImageNet, 96 pixels": "baseline",
    "SimCLR": "baseline",
    "ConVIRT": "arm",
    "ConVIRT, shuffled sentences": "control",
}


def run(context: Context) -> Proof:
    """Train every arm on unlabelled concepts, then draw its curve of labels on other concepts."""
    if context.scale == "gpu":
        raise BadInput("the proof of convirt is written for the CPU only; leave --scale gpu out")
    proof = Proof(SLUG, CLAIM, SOURCE)
    pairs, probed, labelled = parts(context)
    fractions = (0.01, 0.1, 1.0) if not context.quick else (0.1, 1.0)
    curves: dict[str, list[Point]] = {}
    with context.pool(pairs) as pool, context.pool(probed) as held:
        y = np.unique(probed["label"].to_pylist(), return_inverse=True)[1].astype(np.int64)
        train, test = np.flatnonzero(labelled), np.flatnonzero(~labelled)
        runs = {}
        for number, arm in enumerate(KINDS):
            with context.timed(f"train {arm}"):
                runs[arm] = made = trained(context, arm, pool)
            h = made.encoder + ("?head=0" if made.kind == "pairs" else "")
            with context.timed("features"):
                x = embedded(held, h, f"h{number}")
            with context.timed("probes"):
                curves[arm] = efficiency(x, y, train, test, fractions, DRAWS, context.rng("draws"))
            for point in curves[arm]:
                proof.measure(
                    "emoji", arm, f"accuracy, {point.labels:,} labels", point.mean, kind=KINDS[arm],
                    interval=(point.low, point.high), n=len(test),
                )  # fmt: skip
            context.say(f"{arm}: {', '.join(f'{p.mean:.3f}' for p in curves[arm])}; {made.summary()}")
        for number, arm in enumerate(arm for arm, made in runs.items() if made.kind == "pairs"):
            with context.timed("retrieval"):
                z = embedded(held, runs[arm].encoder, f"z{number}")
                found, chance = retrieval(runs[arm], z[test], y[test], probed.take(pa.array(test)))
            proof.measure("emoji, texts find images", arm, f"P@{DEPTH}", found, kind=KINDS[arm])
            proof.measure("emoji, texts find images", arm, f"P@{DEPTH} by chance", chance, kind="control")
            if arm == "ConVIRT":
                ratio = found / chance
    tenth = {arm: np.array(points[-2].values) for arm, points in curves.items()}
    whole = curves["ImageNet"][-1].mean
    must(
        proof, "accuracy: ConVIRT on 10 % of the labels minus ImageNet on all", tenth["ConVIRT"] - whole, at_least=-0.01
    )
    must(proof, "accuracy on 10 %: ConVIRT minus SimCLR", tenth["ConVIRT"] - tenth["SimCLR"], at_least=0.05)
    must(
        proof, "control, accuracy on 10 %: ConVIRT with shuffled sentences minus ImageNet",
        tenth["ConVIRT, shuffled sentences"] - tenth["ImageNet"], at_most=0.01,
    )  # fmt: skip
    proof.must(f"texts find images of their group: P@{DEPTH} of ConVIRT over chance, ratio", ratio, at_least=3.0)
    proof.note(
        f"Images of {SIDE} pixels, the size of the drawings, in all arms (the card names 96, for which five such runs take too "
        "long); ImageNet's features at 96 pixels are measured besides. Intervals are Student's t over the draws of labels."
    )
    proof.note(
        "Trained arms have the same steps, batch, optimiser and frozen stages. Each has its own method's views, and SimCLR "
        "sees two of an image where ConVIRT sees one."
    )
    proof.note(
        "The learning rate, 3e-4, was chosen before the first run as the middle of the paper's 1e-4, which is for hundreds of "
        "times as many steps, and the product's 1e-3; nothing was tuned."
    )
    proof.note(
        "All drawings of a concept share its sentences, shuffled or not: the control still learns that drawings of one "
        "concept belong together, and lacks only the meaning. Test concepts are those of the sample's split whose other gender is "
        "in no other part."
    )
    proof.note(f"P@{DEPTH} leaves out the drawings of the query's own concept, which chance does too.")
    return proof


def parts(context: Context) -> tuple[pa.Table, pa.Table, NDArray[np.bool_]]:
    """Pairs to train on, rows for the probes, and which of these are labelled ones; the others are for the test.

    By concept, forms that differ in gender together: the sample's test concepts (20 %), and of the others three quarters
    for the pairs. `shuffled` has the captions of another concept.
    """
    table = context.load("emoji")
    concepts = table["concept"].to_pylist()
    forms = np.array([ungendered(concept) for concept in concepts])
    testing = np.array(table["concept_split"].to_pylist()) == "test"
    seen = np.unique(forms[~testing])
    rng = context.rng("parts")
    order = rng.permutation(seen)
    quarter = len(order) // 4
    labelled = np.isin(forms, order[:quarter])
    learnt = np.isin(forms, order[quarter : quarter + context.size(len(order), 150)])
    test = testing & ~np.isin(forms, seen)
    captions = dict(zip(concepts, table["captions"].to_pylist(), strict=True))
    own = sorted({concepts[row] for row in np.flatnonzero(learnt)})
    other = dict(zip(own, np.roll(rng.permutation(own), 1).tolist(), strict=True))
    pairs = table.select(COLUMNS).take(pa.array(np.flatnonzero(learnt)))
    shuffled = [captions[other[concept]] for concept in pairs["concept"].to_pylist()]
    pairs = pairs.append_column("shuffled", pa.array(shuffled, pa.list_(pa.string())))
    return pairs, table.select(COLUMNS).take(pa.array(np.flatnonzero(labelled | test))), labelled[labelled | test]


def trained(context: Context, arm: str, pool: Pool) -> Run:
    """The run of an arm. ImageNet's is one whose network is frozen as a whole."""
    given: dict[str, Any] = {**OPTIMISER, "pretrained": True, "size": SIDE, "seed": context.seed, "freeze": FROZEN}
    given["steps"] = context.size(500, 10)
    if arm.startswith("ImageNet"):
        given |= {"freeze": ALL, "steps": 1, "size": 96 if "96" in arm else SIDE}
    name = arm.lower().replace(" ", "-").replace(",", "")
    if not arm.startswith("ConVIRT"):
        return Views(objective="simclr", model=LITE0, projection_norm=True, **given).learn(pool, name=name)
    text = ["shuffled" if "shuffled" in arm else "captions"]
    return Pairs(
        recipe="convirt", image_tower=LITE0, text=text, group="concept", train_text=False, validation=0, **given
    ).learn(pool, name=name)


def embedded(pool: Pool, encoder: str, column: str) -> NDArray[np.float32]:
    """Vectors of all rows, which stay in the pool."""
    pool.refresh()
    pool.annotate(Embed(encoder=encoder, column=column))
    return pool.vectors(column)[0]


def retrieval(made: Run, images: NDArray[np.float32], groups: NDArray[np.int64], rows: pa.Table) -> tuple[float, float]:
    """Precision of the first images found by a test concept's sentences, and what a random order has.

    A hit has the concept's group. The concept's own drawings count neither as found nor as missed.
    """
    concepts = np.unique(rows["concept"].to_pylist(), return_inverse=True)[1].astype(np.int64)
    captions = rows["captions"].to_pylist()
    first = np.unique(concepts, return_index=True)[1]
    asked = [(int(row), text) for row in first for text in captions[row]]
    queries = shared(made.encoder).text([text for _, text in asked])
    at = np.array([row for row, _ in asked])
    group = rank(queries, groups[at], images, groups, depths=(DEPTH,))
    own = rank(queries, concepts[at], images, concepts, depths=(DEPTH,))
    precision = (group.hits[DEPTH] - own.hits[DEPTH]) / np.maximum(DEPTH - own.hits[DEPTH], 1)
    chance = (group.relevant - own.relevant) / (len(images) - own.relevant)
    return float(precision.mean()), float(chance.mean())


def must(proof: Proof, name: str, values: NDArray[np.float64], **bound: float) -> None:
    """A condition on the mean over draws of the labels."""
    proof.must(name, float(values.mean()), interval=over_draws(values), **bound)


def over_draws(values: Sequence[float] | NDArray[np.float64]) -> Interval:
    """The 95 % interval of the mean, by Student's t."""
    half = float(t.ppf(0.975, len(values) - 1) * np.std(values, ddof=1) / np.sqrt(len(values)))
    return float(np.mean(values)) - half, float(np.mean(values)) + half
