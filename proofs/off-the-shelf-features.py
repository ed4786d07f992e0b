"""Frozen ImageNet features against hand-made ones, on tasks that move ever further from ImageNet.

Sharif Razavian, Azizpour, Sullivan, Carlsson: "CNN Features off-the-shelf: an Astounding Baseline for Recognition", CVPR
Workshops 2014 (arXiv 1403.6382). Their network was OverFeat, the data VOC07, MIT-67, CUB, Flowers and four retrieval
sets; here it is EfficientNet-Lite0 (encoder `offline`) on four small data sets. Everything that is fitted or chosen (C,
gamma, vocabulary, whitening) sees training rows only. The eight views are measured on all four tasks (the card names two,
for time). As in the paper the whole image is squeezed into the network's square; the encoder's own preparation, which takes
the central square and another interpolation, is an arm of its own.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from veduta.engine.decode import decode
from veduta.judge import handmade
from veduta.judge.baseline import fit_head, valued
from veduta.judge.evidence import Kind
from veduta.judge.intervals import bootstrap, difference, wilson
from veduta.judge.proof import Context, Proof
from veduta.judge.ranking import rank
from veduta.judge.targets import Targets, random_split
from veduta.samples.emoji import ungendered
from veduta.search import whiten

SLUG = "off-the-shelf-features"
CLAIM = (
    "Frozen ImageNet features with a linear SVM beat tuned hand-made features on tasks ever further from ImageNet, and "
    "averaging views and whitening help."
)
SOURCE = "Sharif Razavian et al., CNN Features off-the-shelf, CVPRW 2014, arXiv 1403.6382"

HANDMADE: tuple[handmade.Handmade, ...] = ("hog+color", "bow-orb", "pixels")
MARGINS = {"cifar10": 0.10, "tux-stamps": 0.10, "emoji": 0.05, "fashion-mnist": -0.03}
TIES_AMONG = ("cifar10", "tux-stamps", "emoji")
VIEWS = 8
POWER = 0.5
WHITE = 500


@dataclass(frozen=True)
class Task:
    """Images with one class each, and which rows train and test."""

    name: str
    images: list[bytes]
    targets: Targets
    train: NDArray[np.int64]
    test: NDArray[np.int64]


def run(context: Context) -> Proof:
    """All arms on all tasks, then retrieval across two vendors' emoji."""
    proof = Proof(SLUG, CLAIM, SOURCE)
    emoji = context.load("emoji")
    tasks = [
        split_task(context, "cifar10"),
        stamps_task(context),
        emoji_task(context, emoji),
        split_task(context, "fashion-mnist"),
    ]
    gaps, gains, excess, ties = {}, {}, {}, 0
    for task in tasks:
        right = classification(context, proof, task)
        best = max(HANDMADE, key=lambda kind: right[kind].mean())
        gap, low, high = difference(right["CNN-SVM"], right[best], context.rng(f"gap {task.name}"))
        gaps[task.name] = (gap, (low, high), best)
        gain, *interval = difference(right["CNNaug-SVM"], right["CNN-SVM"], context.rng(f"gain {task.name}"))
        gains[task.name] = (gain, (interval[0], interval[1]))
        excess[task.name] = float(right["shuffled labels"].mean() - right["most frequent class"].mean())
        ties += task.name in TIES_AMONG and low <= 0
    for name, (gap, interval, best) in gaps.items():
        proof.must(f"{name}: CNN-SVM minus best hand-made ({best})", gap, at_least=MARGINS[name], interval=interval)
    worst = min(gains, key=lambda name: gains[name][0])
    proof.must(
        f"8 views cost at most half a point anywhere (worst: {worst})",
        gains[worst][0],
        at_least=-0.005,
        interval=gains[worst][1],
    )
    proof.must("tasks on which 8 views gain a point", sum(gain >= 0.01 for gain, _ in gains.values()), at_least=2)
    retrieval(context, proof, emoji)
    proof.must("tasks of the first three on which hand-made features tie (95 %)", ties, at_most=1)
    proof.must("control: shuffled labels above the most frequent class, worst task", max(excess.values()), at_most=0.05)
    proof.details["gain of 8 views"] = {
        name: [round(gain, 4), *np.round(interval, 4).tolist()] for name, (gain, interval) in gains.items()
    }
    proof.note("Gaps and gains carry paired bootstrap intervals over test images; the point value decides.")
    proof.note("One network (Lite0) and one split a task; the split moves with --seed.")
    proof.note(
        f"CNNaug-SVM is {VIEWS} views with the signed power {POWER} before the SVM, as in the paper (whose text says 2); the "
        "power alone is an arm of its own."
    )
    proof.note(
        "What was changed on the way, no bound, arm or judge among it: a rehearsal on a tenth of the data used the encoder's "
        "own crop instead of the whole image; a first full run, stopped after two tasks, gave CNNaug neither the signed power nor "
        "a C of its own, which the card asks for (CNN-SVM and CNNaug-SVM then: cifar10 0.786 and 0.759, tux-stamps 0.846 and 0.858)."
    )
    return proof


def split_task(context: Context, name: str) -> Task:
    """2,000 training and 1,000 test rows of a data set with its own split."""
    table = context.load(name)
    rng = context.rng(name)
    parts = []
    for split, full, quick in (("train", 2000, 200), ("test", 1000, 100)):
        rows = np.flatnonzero(pc.equal(table["split"], split).to_numpy())
        parts.append(np.sort(rng.choice(rows, min(len(rows), context.size(full, quick)), replace=False)))
    both = table.take(pa.array(np.concatenate(parts)))
    train = np.arange(len(parts[0]))
    return Task(
        name, both["image"].to_pylist(), Targets.of(both["label"], "label"), train, np.arange(len(train), len(both))
    )


def stamps_task(context: Context) -> Task:
    """Top categories of all stamps; a mirrored stamp stays with its original."""
    table = context.load("tux-stamps")
    groups = [key.replace("_mirror", "") for key in table["key"].to_pylist()]
    return _random_task(context, "tux-stamps", table, groups)


def emoji_task(context: Context, table: pa.Table) -> Task:
    """Groups of 1,500 base emoji in one vendor's drawing; forms of one emoji that differ by gender stay together."""
    google = table.filter(pc.equal(table["vendor"], "google"))
    rows = context.rng("emoji").choice(len(google), min(len(google), context.size(1500, 300)), replace=False)
    chosen = google.take(pa.array(np.sort(rows)))
    return _random_task(context, "emoji", chosen, [ungendered(concept) for concept in chosen["concept"].to_pylist()])


def _random_task(context: Context, name: str, table: pa.Table, groups: list[str]) -> Task:
    targets = Targets.of(table["label"], "label")
    train, test = random_split(targets, 0.3, context.rng(f"split {name}"), groups)
    return Task(name, table["image"].to_pylist(), targets, train, test)


def classification(context: Context, proof: Proof, task: Task) -> dict[str, NDArray[np.float64]]:
    """Every arm's right answers (test rows,), 1 or 0; the accuracies are noted in the proof."""
    truth = task.targets.matrix[task.test]
    right: dict[str, NDArray[np.float64]] = {}

    def note(arm: str, scores: NDArray[np.floating], kind: Kind) -> None:
        right[arm] = truth[np.arange(len(truth)), scores.argmax(1)].astype(np.float64)
        value, interval = valued(scores, truth, exclusive=True)
        proof.measure(task.name, arm, "accuracy", value, kind=kind, interval=interval, n=len(truth))
        context.say(f"{task.name}: {arm} {value:.3f}")

    cropped = context.features(task.images)
    one = context.features(task.images, whole=True)
    with context.timed("linear SVMs"):
        head = fit_head(one[task.train], task.targets, task.train, "linear-svm", None, seed=context.seed)
        note("CNN-SVM", head.scores(one[task.test]), "arm")
        usual = fit_head(cropped[task.train], task.targets, task.train, "linear-svm", None, seed=context.seed)
        note("CNN-SVM, encoder's own crop", usual.scores(cropped[task.test]), "arm")
    many = context.features(task.images, views=VIEWS, whole=True)
    with context.timed("linear SVMs"):
        for arm, x, views in (("CNN-SVM, signed power", one, 1), ("CNNaug-SVM", many, VIEWS)):
            powered = fit_head(
                x[task.train], task.targets, task.train, "linear-svm", None, seed=context.seed, views=views, power=POWER
            )
            note(arm, powered.scores(x[task.test]), "arm")
            proof.details[f"{task.name} {arm}"] = {"C": powered.facts.C}
        shuffled = context.rng(f"shuffle {task.name}").permutation(task.train)
        wrong = fit_head(one[task.train], task.targets, shuffled, "linear-svm", head.facts.C)
        note("shuffled labels", wrong.scores(one[task.test]), "control")
    for kind in HANDMADE:
        with context.timed(kind):
            pixels = (decode(content).pixels for content in task.images)
            scores, chosen = handmade.classify(
                kind, pixels, task.targets.matrix, task.train, task.test, exclusive=True, seed=context.seed
            )
        note(kind, scores, "baseline")
        proof.details[f"{task.name} {kind}"] = {name: round(float(value), 4) for name, value in chosen.items()}
    proof.details[f"{task.name} CNN-SVM"] = {"C": head.facts.C}
    note("most frequent class", np.tile(task.targets.matrix[task.train].mean(0), (len(truth), 1)), "control")
    return right


def retrieval(context: Context, proof: Proof, emoji: pa.Table) -> None:
    """Apple's drawings find Google's: a hit is the same emoji, so every query has exactly one."""
    drawn = {vendor: emoji.filter(pc.equal(emoji["vendor"], vendor)) for vendor in ("apple", "google")}
    if context.quick:
        drawn = {vendor: table.slice(0, 300) for vendor, table in drawn.items()}
    number = {concept: i for i, concept in enumerate(drawn["google"]["concept"].to_pylist())}
    groups = np.array([number.get(concept, -1) for concept in drawn["apple"]["concept"].to_pylist()], np.int64)
    there = np.arange(len(number), dtype=np.int64)
    queries, database = (
        context.features(drawn[vendor]["image"].to_pylist(), whole=True) for vendor in ("apple", "google")
    )
    dims = min(WHITE, len(database) - 1)
    spaces = {"CNN": (queries, database)}
    with context.timed("retrieval"):
        for power in (0.5, 2.0):
            white = whiten.fit([database], dims, power)  # the database only: a query row would leak into the space
            spaces[f"CNN whitened, power {power:g}"] = (white.apply(queries), white.apply(database))
        made = {
            vendor: np.stack([handmade.hog_color(decode(content).pixels) for content in table["image"].to_pylist()])
            for vendor, table in drawn.items()
        }
        spaces["hog+color"] = (made["apple"], made["google"])
        shuffled = context.rng("retrieval").permutation(len(there))
        found, first = {}, {}
        for name, (q, d) in spaces.items():
            ranked = rank(q, groups, d, there, depths=())
            found[name] = ranked.first == 1
            first[name] = ranked.first
        found["shuffled database"] = rank(queries, groups, database, there[shuffled], depths=()).first == 1
    for name, hits in found.items():
        kind: Kind = "control" if name == "shuffled database" else "baseline" if name == "hog+color" else "arm"
        proof.measure(
            "retrieval apple to google",
            name,
            "R@1",
            hits.mean(),
            kind=kind,
            interval=wilson(int(hits.sum()), len(hits)),
            n=len(hits),
        )
        context.say(f"retrieval: {name} R@1 {hits.mean():.3f}")
    for name in first:
        proof.measure("retrieval apple to google", name, "mAP", float((1 / first[name]).mean()), n=len(groups))
    plain, rough = found["CNN"], found["hog+color"]
    ratio = bootstrap(
        lambda rows: float(plain[rows].mean() / max(rough[rows].mean(), 1e-9)), len(plain), context.rng("ratio")
    )
    proof.must(
        "retrieval: R@1 of CNN over hog+color, ratio",
        plain.mean() / max(rough.mean(), 1e-9),
        at_least=2.0,
        interval=ratio,
    )
    whitened = found["CNN whitened, power 0.5"]
    gain, low, high = difference(whitened.astype(float), plain.astype(float), context.rng("white"))
    proof.must("retrieval: R@1 of whitened minus plain CNN", gain, at_least=0.0, interval=(low, high))
    proof.note(
        "Whitening: 500 dimensions, fitted on the database; the signed power is 0.5, the paper's text says 2 (also measured)."
    )
