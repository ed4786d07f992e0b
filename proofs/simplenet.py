"""SimpleNet's design principles: each is broken once, at the same number of parameters, and what that costs is measured.

Hasanpour, Rouhani, Fayyaz, Sabokrou: "Lets keep it simple, Using simple architectures to outperform deeper and more complex
architectures" (arXiv 1608.06037). The paper trains networks of 5 million parameters for 540 epochs on all of CIFAR-10; here it
is the 310K layout at half its widths, on 4,000 images for 8 epochs, all networks with one recipe and the same batches.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from torch import nn

from veduta.annotate.predict import Predict
from veduta.errors import BadInput
from veduta.judge.intervals import difference, wilson
from veduta.judge.proof import Context, Proof
from veduta.learn.classify import Classify
from veduta.models.build import build
from veduta.models.macs import macs
from veduta.pool import Pool

SLUG = "simplenet"
CLAIM = (
    "A plain net that pools late, has 3x3 kernels early and spreads its weights beats nets with as many parameters that "
    "pool early or begin with 1x1 kernels."
)
SOURCE = "Hasanpour et al., Lets keep it simple, arXiv 1608.06037"

PUBLISHED = {"simplenet_5m": (5_498_378, 652.2), "simplenet_310k": (312_362, 55.8), "simplenet_460k": (385_790, 73.2)}
"""Name -> parameters and millions of multiply-adds, with ten classes at 32 pixels."""

P = "P"
_END = (P, 32, 32, P, 64, (128, 1), (32, 1), P, 32)
SIMPLENET = "SimpleNet"
EARLY_POOLING = "early pooling"
EARLY_1X1 = "early 1x1 kernels"
FRONT_HEAVY = "weights in front"
LAYOUTS: dict[str, Sequence[object]] = {
    SIMPLENET: (32, 16, 16, 16, P, 16, 16, 32, *_END),
    EARLY_POOLING: (32, P, 16, P, 16, 16, 16, 16, 32, 32, 32, *_END[3:]),
    EARLY_1X1: (32, (43, 1), (43, 1), (43, 1), P, 16, 16, 32, *_END),
    FRONT_HEAVY: (64, 32, 32, 32, P, 16, 16, 32, P, 32, 32, P, 24, (48, 1), (12, 1), P, 12),
}
RECIPE: dict[str, Any] = {
    "recipe": "simplenet", "model": "simplenet", "views": "cifar", "validation": 0, "precision": "32",
}  # fmt: skip
IMAGES, EPOCHS, SIDE = 4000, 8, 32


@dataclass(frozen=True)
class Net:
    """A layout, what it costs, and for how long and from which seeds it is trained."""

    name: str
    layout: Sequence[object]
    epochs: float
    seeds: tuple[int, ...]

    @property
    def network(self) -> nn.Module:
        return build("simplenet", 10, layout=self.layout)

    @property
    def parameters(self) -> int:
        return sum(parameter.numel() for parameter in self.network.parameters())

    @property
    def macs(self) -> int:
        return macs(self.network, SIDE)


def run(context: Context) -> Proof:
    """Published counts, then four nets and one of them again for as many multiply-adds as SimpleNet had."""
    if context.scale != "cpu":
        raise BadInput("the proof of simplenet is written for the CPU only")
    proof = Proof(SLUG, CLAIM, SOURCE)
    wrong = counts(proof)
    nets = arms(context)
    right: dict[str, NDArray[np.float64]] = {}
    with context.pool(rows(context)) as pool:
        for net in nets:
            right[net.name] = np.stack([accuracies(context, proof, pool, net, seed) for seed in net.seeds])
            note(proof, net, right[net.name])
    gaps = {
        net.name: difference(right[SIMPLENET][: len(net.seeds)].mean(0), right[net.name].mean(0), context.rng(net.name))
        for net in nets[1:]
    }
    proof.must("published parameters, multiply-adds and layers that ours miss", wrong, at_most=0)
    matched = [net.parameters for net in nets]
    proof.must(
        "largest difference of parameters from SimpleNet", max(abs(n / matched[0] - 1) for n in matched), at_most=0.03
    )
    for name, bound in ((EARLY_1X1, 0.02), (EARLY_POOLING, 0.015)):
        gap, *interval = gaps[name]
        proof.must(f"SimpleNet minus {name}, equal steps", gap, at_least=bound, interval=(interval[0], interval[1]))
    proof.details["SimpleNet minus other nets, with interval"] = {
        name: np.round(values, 4).tolist() for name, values in gaps.items()
    }
    proof.note(
        "Intervals are paired bootstraps over test images of the mean over seeds; the seeds themselves differ by what the "
        "measured values show."
    )
    proof.note(
        "Equal multiply-adds: early pooling costs a third of SimpleNet's an image, so that net is also trained for as many "
        "more epochs. Weights in front costs three times as many and has one seed; both comparisons are reported only."
    )
    proof.note(
        "The recipe is simplenet of the product with crop and flip only, for 8 epochs; nothing was calibrated. No row is "
        "held out: the weights of the last step are judged on all test images."
    )
    return proof


def arms(context: Context) -> list[Net]:
    """SimpleNet first."""
    epochs, seeds = context.size(EPOCHS, 1), (context.seed, context.seed + 1)
    nets = [Net(name, layout, epochs, seeds[: 1 if name == FRONT_HEAVY else 2]) for name, layout in LAYOUTS.items()]
    longer = epochs * nets[0].macs / nets[1].macs
    return [*nets, Net(f"{EARLY_POOLING}, equal multiply-adds", LAYOUTS[EARLY_POOLING], longer, seeds)]


def rows(context: Context) -> pa.Table:
    """A random part of the training images, and the test images."""
    table = context.load("cifar10")
    train, test = (np.flatnonzero(pc.equal(table["split"], split).to_numpy()) for split in ("train", "test"))
    chosen = context.rng("rows").choice(train, context.size(IMAGES, 512), replace=False)
    return table.take(pa.array(np.concatenate([np.sort(chosen), test[: context.size(len(test), 300)]])))


def accuracies(context: Context, proof: Proof, pool: Pool, net: Net, seed: int) -> NDArray[np.float64]:
    """1 or 0 for each test image: whether the trained net names its class."""
    name = f"{net.name.replace(' ', '-').replace(',', '')}-{seed}"
    column = "predicted_" + name.replace("-", "_").lower()
    settings = Classify(**RECIPE, options={"layout": net.layout}, epochs=net.epochs, seed=seed)
    with context.timed("training"):
        made = settings.learn(pool, name=name)
    with context.timed("test"):
        pool.annotate(Predict(model=str(made.path), column=column), where="split = 'test'")
        found = pool.where("split = 'test'").table(["label", column])
    right = pc.equal(found["label"], found[column]).to_numpy().astype(np.float64)
    proof.details[f"{net.name}, seed {seed}"] = {
        "accuracy": round(float(right.mean()), 4),
        "steps": made.about["training"]["steps"],
        "seconds": made.about["training"]["seconds"],
    }
    context.say(f"{net.name}, seed {seed}: {right.mean():.4f} in {made.about['training']['seconds']:.0f} s")
    return right


def note(proof: Proof, net: Net, right: NDArray[np.float64]) -> None:
    """The net's accuracy over seeds and what it costs."""
    kind = "arm" if net.name == SIMPLENET else "baseline"
    interval = wilson(int(right.sum()), right.size) if len(right) == 1 else None
    proof.measure("cifar10", net.name, "accuracy", right.mean(), kind=kind, interval=interval, n=right.shape[1])
    proof.measure("cifar10", net.name, "parameters", net.parameters, kind=kind)
    proof.measure("cifar10", net.name, "million multiply-adds", net.macs / 1e6, kind=kind)
    proof.measure("cifar10", net.name, "epochs", net.epochs, kind=kind)


def counts(proof: Proof) -> int:
    """How many of the published counts differ from ours."""
    wrong = 0
    for name, (parameters, millions) in PUBLISHED.items():
        network = build(name, 10)
        mine = sum(parameter.numel() for parameter in network.parameters())
        products = macs(network, SIDE) / 1e6
        layers = sum(isinstance(module, nn.Conv2d) for module in network.modules())
        proof.measure(name, SIMPLENET, "parameters", mine)
        proof.measure(name, SIMPLENET, "million multiply-adds", products)
        wrong += (mine != parameters) + (round(products, 1) != millions) + (layers != 13)
    return wrong
