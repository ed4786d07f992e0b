"""ResNet-RS: a modern recipe against an older one, on one network, in a short and in a long training.

Bello et al.: "Revisiting ResNets: Improved Training and Scaling Strategies" (NeurIPS 2021, arXiv 2103.07579). The paper trains
ResNet-200 for 350 epochs on ImageNet; here it is ResNet-8 on 500 images of CIFAR-10, where 160 epochs overfit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from veduta.annotate.predict import Predict
from veduta.errors import BadInput
from veduta.judge.intervals import difference
from veduta.judge.proof import Context, Proof
from veduta.learn.classify import Classify
from veduta.models.build import build
from veduta.models.macs import macs
from veduta.pool import Pool

SLUG = "resnet-rs"
CLAIM = (
    "On one network, a cosine, averaged weights, label smoothing, RandAugment, dropout and less weight decay gain in a long "
    "training that can overfit, and not in a short one."
)
SOURCE = "Bello et al., Revisiting ResNets, NeurIPS 2021, arXiv 2103.07579"

MODEL = "resnet8_cifar"
A_CLASS = 50
EPOCHS = {"short": 10, "long": 160}
SEEDS = 2
BOTH: dict[str, Any] = {
    "model": MODEL, "batch": 64, "optimizer": "sgd", "lr": 0.1, "momentum": 0.9, "clip": 0, "validation": 0, "precision": "32",
}  # fmt: skip
OLD: dict[str, Any] = {
    "schedule": "step", "warmup": 0, "ema": False, "label_smoothing": 0, "views": "cifar", "drop": 0, "weight_decay": 5e-4,
}  # fmt: skip
RS: dict[str, Any] = {
    "schedule": "cosine", "warmup": 0.05, "ema": True, "label_smoothing": 0.1, "views": "cifar-randaugment", "drop": 0.1,
    "weight_decay": 2e-4,
}  # fmt: skip
HEAVY = "RS with the old weight decay"


@dataclass(frozen=True)
class Arm:
    """A recipe for a number of epochs, on the images of one seed."""

    recipe: str
    regime: str
    seed: int
    values: dict[str, Any]

    @property
    def name(self) -> str:
        return f"{self.recipe}, {self.regime}"


def run(context: Context) -> Proof:
    """Both recipes in both regimes with every seed, and RS once with the weight decay of the other."""
    if context.scale != "cpu":
        raise BadInput("the proof of resnet-rs is written for the CPU only")
    proof = Proof(SLUG, CLAIM, SOURCE)
    network = build(MODEL, 10)
    proof.measure(MODEL, "network", "parameters", sum(p.numel() for p in network.parameters()))
    proof.measure(MODEL, "network", "million multiply-adds", macs(network, 32) / 1e6)
    seeds = [context.seed + number for number in range(SEEDS)]
    arms = [
        Arm(recipe, regime, seed, values)
        for regime in EPOCHS
        for seed in seeds
        for recipe, values in (("OLD", OLD), ("RS", RS))
    ]
    arms.append(Arm(HEAVY, "long", seeds[0], {**RS, "weight_decay": OLD["weight_decay"]}))
    right: dict[tuple[str, str, int], NDArray[np.float64]] = {}
    with context.pool(rows(context, seeds)) as pool:
        for arm in arms:
            right[arm.recipe, arm.regime, arm.seed] = accuracies(context, proof, pool, arm)
    mean = {
        (recipe, regime): np.mean([right[recipe, regime, seed] for seed in seeds], axis=0)
        for regime in EPOCHS
        for recipe in ("OLD", "RS")
    }
    for (recipe, regime), hits in mean.items():
        kind = "baseline" if recipe == "OLD" else "arm"
        proof.measure(f"cifar10, {regime}", recipe, "accuracy", hits.mean(), kind=kind, n=len(hits))
    gains = {regime: mean["RS", regime] - mean["OLD", regime] for regime in EPOCHS}
    gain, *interval = difference(mean["RS", "long"], mean["OLD", "long"], context.rng("long"))
    proof.must("gain of RS over OLD, long", gain, at_least=0.02, interval=(interval[0], interval[1]))
    extra, *interval = difference(gains["short"], gains["long"], context.rng("extra"))
    proof.must("gain in the short minus gain in the long", extra, at_most=-0.02, interval=(interval[0], interval[1]))
    short = difference(mean["RS", "short"], mean["OLD", "short"], context.rng("short"))
    heavy = right[HEAVY, "long", seeds[0]]
    loss = difference(heavy, right["RS", "long", seeds[0]], context.rng("heavy"))
    proof.measure("cifar10, long", HEAVY, "accuracy", heavy.mean(), n=len(heavy))
    proof.details["gain of RS over OLD, short, with interval"] = np.round(short, 4).tolist()
    proof.details[f"{HEAVY} minus RS, long, first seed, with interval"] = np.round(loss, 4).tolist()
    proof.note(
        "Accuracies are means over two seeds, each with 500 images of its own that all arms share. Intervals are paired "
        "bootstraps over test images of those means; they leave out how much other training images would change."
    )
    proof.note(
        "Both recipes have a peak learning rate of 0.1 and the product's SGD (Nesterov momentum; biases and norms do not "
        "decay). The moving average spans a ninth of the steps that are done, so that it fits runs of any length here; "
        "BatchNorm's statistics are averaged too. Nothing was calibrated, and no row is held out: the last step is judged."
    )
    proof.note(f"{HEAVY} has one run and is reported only.")
    return proof


def rows(context: Context, seeds: list[int]) -> pa.Table:
    """The training images of every seed, marked in a column `set_SEED`, and the test images."""
    table = context.load("cifar10")
    train, test = (np.flatnonzero(pc.equal(table["split"], split).to_numpy()) for split in ("train", "test"))
    test = test[: context.size(len(test), 300)]
    labels = table["label_index"].to_numpy()[train]
    sets = {}
    for seed in seeds:
        rng = np.random.default_rng([context.seed, seed])
        each = [rng.choice(train[labels == label], A_CLASS, replace=False) for label in np.unique(labels)]
        sets[f"set_{seed}"] = np.concatenate(each)
    used = np.unique(np.concatenate(list(sets.values())))
    chosen = table.take(pa.array(np.concatenate([used, test])))
    for name, members in sets.items():
        marks = np.concatenate([np.isin(used, members), np.zeros(len(test), bool)])
        chosen = chosen.append_column(name, pa.array(marks))
    return chosen


def accuracies(context: Context, proof: Proof, pool: Pool, arm: Arm) -> NDArray[np.float64]:
    """1 or 0 for each test image: whether the trained network names its class."""
    epochs = context.size(EPOCHS[arm.regime], 1 + (arm.regime == "long"))
    name = f"{arm.recipe}-{arm.regime}-{arm.seed}".replace(" ", "-")
    column = "predicted_" + name.replace("-", "_").lower()
    settings = Classify(**BOTH, **arm.values, epochs=epochs, seed=arm.seed)
    with context.timed(f"training, {arm.regime}"):
        made = settings.learn(pool, where=f"set_{arm.seed}", name=name)
    with context.timed("test"):
        pool.annotate(Predict(model=str(made.path), column=column), where="split = 'test'")
        found = pool.where("split = 'test'").table(["label", column])
    right = pc.equal(found["label"], found[column]).to_numpy().astype(np.float64)
    training = made.about["training"]
    proof.details[f"{arm.name}, seed {arm.seed}"] = {
        "accuracy": round(float(right.mean()), 4), "steps": training["steps"], "seconds": training["seconds"],
    }  # fmt: skip
    context.say(f"{arm.name}, seed {arm.seed}: {right.mean():.4f} in {training['seconds']:.0f} s")
    return right
