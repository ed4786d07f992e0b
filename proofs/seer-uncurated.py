"""Curated photos, with and without labels, against an uncurated mix: which features serve drawings of a new vendor.

Goyal et al., "Vision models are more robust and fair when pretrained on uncurated images without supervision", 2022
(arXiv 2202.08360): RegNets trained by SwAV on a billion random public images, judged on shifted data and across groups.
Here four networks of one kind see equally many images for equally many steps: supervised on CIFAR-10 photos, SwAV on the
same photos, SwAV on a mix of photos, clothes, drawings and cut-outs whose labels nobody read, and nothing at all. The
audit is a linear probe for the group of an emoji, fitted on one vendor's drawings and tested on concepts that no arm has
seen, as this vendor draws them and as three others do.

The mix holds drawings by all vendors, those tested included, though none of the tested concepts: that diverse data
has seen a little of everything is the claim, not a leak. Forms of one emoji that differ by gender are on one side.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch
from numpy.typing import NDArray

from veduta.encode import load as load_encoder
from veduta.encode.base import Preprocess, unit
from veduta.encode.head import shaped
from veduta.engine.decode import decode
from veduta.judge.baseline import fit_head, valued
from veduta.judge.by_group import Disparities, disparity
from veduta.judge.evidence import Kind
from veduta.judge.intervals import bootstrap, difference
from veduta.judge.proof import Context, Proof
from veduta.judge.targets import Targets
from veduta.learn import images
from veduta.learn.classify import Classify
from veduta.learn.curve import Curve
from veduta.learn.learner import Learner
from veduta.learn.linear import choose_c
from veduta.learn.objectives.sinkhorn import sinkhorn
from veduta.learn.views import Views
from veduta.models.build import build, mean_std
from veduta.pool import Pool
from veduta.samples.emoji import ungendered

SLUG = "seer-uncurated"
CLAIM = (
    "At equal image count and steps, unlabelled diverse data gives features that lose less on shifted groups than curated "
    "data, with or without its labels."
)
SOURCE = (
    "Goyal et al. 2022, Vision models are more robust and fair when pretrained on uncurated images, arXiv 2202.08360"
)

HOME = "google"
SUPERVISED, CURATED, MIXED, RANDOM = "supervised, photos", "SwAV, photos", "SwAV, uncurated mix", "random weights"
ARMS = (SUPERVISED, CURATED, MIXED, RANDOM)


@dataclass(frozen=True)
class Scale:
    """What differs between the processor and the accelerator."""

    model: str
    side: int
    epochs: int
    queue: int
    seeds: int
    margin: float


SCALES = {
    "cpu": Scale("conv_24_192", 32, 8, 0, 1, 0.02),
    "gpu": Scale("timm:regnety_002", 64, 40, 3840, 2, 0.05),
}
BATCH, PROTOTYPES, SMALL_VIEWS = 128, 300, 2
GRID = (1.0, 10.0, 100.0, 1e3, 1e4)
"""For the probe's C: pooled features lie close together on the sphere, so the usual grid ends too early."""


@dataclass
class Audited:
    """right: (concepts, vendors) 1 or 0, NaN where a vendor has no drawing; groups: the product's audit of the same."""

    right: NDArray[np.float64]
    groups: Disparities
    photos: NDArray[np.float64]


@dataclass
class Arm:
    """What was found for one arm, a value a seed."""

    audits: list[Audited] = field(default_factory=list)

    def worst(self, concepts: NDArray[np.int64] | None = None) -> float:
        """Accuracy of the worst vendor but the home one, mean of seeds; of a resampling of concepts where one is given."""
        return float(np.mean([_worst(each.right, concepts) for each in self.audits]))

    def relative(self, concepts: NDArray[np.int64] | None = None) -> float:
        """(home - worst) / home, mean of seeds."""
        found = []
        for each in self.audits:
            home = np.nanmean(each.right[:, 0] if concepts is None else each.right[concepts, 0])
            found.append((home - _worst(each.right, concepts)) / home)
        return float(np.mean(found))


def _worst(right: NDArray[np.float64], concepts: NDArray[np.int64] | None) -> float:
    shifted = right[:, 1:] if concepts is None else right[concepts, 1:]
    return float(np.nanmean(shifted, axis=0).min())


def run(context: Context) -> Proof:
    """Four arms; about ten minutes on two cores."""
    proof = Proof(SLUG, CLAIM, SOURCE)
    scale = SCALES[context.scale]
    rows = gathered(context)
    seeds = range(scale.seeds * context.seed, scale.seeds * (context.seed + 1))
    arms = {name: Arm() for name in ARMS}
    audit = rows.filter(pc.or_(rows["probe"], rows["test"]))
    prepare = preprocess(scale).prepare
    with context.timed("features"):
        pixels = np.stack([prepare(decode(content, scale.side).pixels) for content in audit["image"].to_pylist()])
    with context.pool(rows) as pool:
        counts = {name: len(pool.rows(name)) for name in ("curated", "uncurated")}
        steps = context.size(scale.epochs, 1) * (counts["curated"] // BATCH)
        for seed in seeds:
            for name in ARMS:
                vectors = features(context, proof, pool, pixels, name, scale, steps, seed)
                arms[name].audits.append(audited(context, proof, audit, vectors, name, seed))
    proof.details["training"] = {
        "images": counts, "steps": steps, "batch": BATCH, "model": scale.model, "side": scale.side,
        "uncurated": _shares(rows.filter(rows["uncurated"])),
    }  # fmt: skip
    report(context, proof, arms)
    compare(context, proof, arms, scale.margin)
    balanced(context, proof)
    proof.note(
        f"The probe is logistic regression on unit vectors, C by cross-validation, fitted on {HOME}'s training concepts; "
        "a concept whose form of another gender is tested was taken out of all training."
    )
    proof.note(
        "The mix has seen drawings by all four vendors, of other concepts; the photos have seen none. The claim is about what "
        "diverse data brings, so this difference is what is measured."
    )
    proof.note("Intervals resample the tested concepts, paired between arms and vendors; one pretraining a seed.")
    proof.note(
        "One calibration, on seed 1 and the photos' arm alone, judged by the log-likelihood of a probe cross-validated on training "
        "photos after 156 steps (random weights -1.679). Sinkhorn at 0.05 and 3 iterations gave codes that stayed uniform, at rates of "
        "1e-3, 3e-3 and 1e-2 without BatchNorm in the projection, and with it at 1e-3, with prototypes at rest for a pass or not and "
        "with a queue of 1,280 (-1.638 at best). 0.03 and 10, SEER's other pair, with BatchNorm gave -1.568; with prototypes at rest "
        "for a pass -1.591, that at 3e-3 -1.634; with the queue -1.668. The best was taken for both SwAV arms. Everything else is the "
        "product's default in all arms."
    )
    proof.note(
        "A rehearsal on a tenth of the data, for 7 steps, ran before; the probe's C, which then went to the end of the usual grid, got a "
        "wider one, and nothing else was changed by what it said. A batch of 128 cannot use 300 prototypes evenly; the proof was planned so."
    )
    return proof


def gathered(context: Context) -> pa.Table:
    """All rows: columns curated and uncurated say what the arms train on, probe and test what the audit uses."""
    emoji = context.load("emoji")
    concepts, parts = emoji["concept"].to_pylist(), emoji["concept_split"].to_pylist()
    tested = {ungendered(concept) for concept, part in zip(concepts, parts, strict=True) if part == "test"}
    usable = np.array([ungendered(concept) not in tested for concept in concepts])
    held = np.array([part == "test" for part in parts])
    home = np.array([vendor == HOME for vendor in emoji["vendor"].to_pylist()])
    photos = context.load("cifar10")
    clothes, stamps, web = (context.load(name) for name in ("fashion-mnist", "tux-stamps", "in1k-sample"))
    total = context.size(10_000, 1_000)
    train, test = (np.flatnonzero(pc.equal(photos["split"], part).to_numpy()) for part in ("train", "test"))
    train = context.rng("photos").permutation(train)
    curated, probe = train[:total], train[total : total + context.size(5_000, 500)]
    test = context.rng("photos, test").choice(test, context.size(2_000, 300), replace=False)
    mixed = {
        "cifar10": curated[: total // 4],
        "fashion-mnist": _some(context, "clothes", np.flatnonzero(pc.equal(clothes["split"], "train")), total // 4),
        "tux-stamps": _some(context, "stamps", np.arange(len(stamps)), context.size(800, 80)),
        "in1k-sample": _some(context, "web", np.arange(len(web)), context.size(900, 90)),
    }
    rest = total - sum(len(rows) for rows in mixed.values())
    mixed["emoji"] = _some(context, "emoji", np.flatnonzero(usable), rest)
    marks = {
        "cifar10": {"curated": curated, "uncurated": mixed["cifar10"], "probe": probe, "test": test},
        "emoji": {"uncurated": mixed["emoji"], "probe": np.flatnonzero(usable & home), "test": np.flatnonzero(held)},
    }
    tables = {"cifar10": photos, "emoji": emoji, "fashion-mnist": clothes, "tux-stamps": stamps, "in1k-sample": web}
    return pa.concat_tables(
        [_marked(name, table, marks.get(name, {"uncurated": mixed[name]})) for name, table in tables.items()]
    )


def _some(context: Context, part: str, rows: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    return np.sort(context.rng(part).choice(rows, min(count, len(rows)), replace=False))


def _marked(source: str, table: pa.Table, marks: dict[str, NDArray[np.int64]]) -> pa.Table:
    """The rows that any mark names, in one form."""
    used = np.unique(np.concatenate(list(marks.values())))
    chosen = table.take(pa.array(used))
    empty = pa.nulls(len(chosen), pa.string())
    columns: dict[str, Any] = {
        "key": [f"{source}/{key}" for key in chosen["key"].to_pylist()],
        "image": chosen["image"].combine_chunks().cast(pa.large_binary()),
        "source": pa.array([source] * len(chosen)),
        "label": [str(label) for label in chosen["label"].to_pylist()],
        "vendor": chosen["vendor"].combine_chunks().cast(pa.string()) if source == "emoji" else empty,
        "concept": chosen["concept"].combine_chunks().cast(pa.string()) if source == "emoji" else empty,
    }
    for name in ("curated", "uncurated", "probe", "test"):
        columns[name] = np.isin(used, marks.get(name, []))
    return pa.table(columns)


def _shares(table: pa.Table) -> dict[str, int]:
    found = table["source"].value_counts().to_pylist()
    return {each["values"]: each["counts"] for each in found}


def learner(name: str, scale: Scale, steps: int, first_pass: int, seed: int) -> Learner:
    """The training of an arm; what is not named here is the product's default."""
    shared: dict[str, Any] = {"model": scale.model, "size": scale.side, "batch": BATCH, "steps": steps, "seed": seed}
    if name == SUPERVISED:
        return Classify(validation=0, **shared)
    return Views(
        objective="swav", prototypes=PROTOTYPES, small_views=SMALL_VIEWS, small_size=scale.side // 2, queue=scale.queue,
        queue_start=first_pass, epsilon=0.03, iterations=10, projection_norm=True, **shared,
    )  # fmt: skip


def features(
    context: Context,
    proof: Proof,
    pool: Pool,
    pixels: NDArray[np.uint8],
    name: str,
    scale: Scale,
    steps: int,
    seed: int,
) -> NDArray[np.float32]:
    """Train the arm and give the unit vectors (n, d) of prepared pixels (n, s, s, 3)."""
    if name == RANDOM:
        embed = untrained(scale, seed)
    else:
        part = "uncurated" if name == MIXED else "curated"
        first_pass = len(pool.rows(part)) // BATCH
        with context.timed(f"train {name}"):
            trained = learner(name, scale, steps, first_pass, seed).learn(
                pool, where=part, name=f"arm{ARMS.index(name)}-seed{seed}"
            )
        proof.details[f"{name}, seed {seed}"] = _history(trained.path)
        context.say(f"{name}: {trained.summary()}; {proof.details[f'{name}, seed {seed}']}")
        embed = load_encoder(trained.encoder).image
    with context.timed("features"):
        return np.concatenate([embed(pixels[start : start + 256]) for start in range(0, len(pixels), 256)])


def untrained(scale: Scale, seed: int) -> Callable[[NDArray[np.uint8]], NDArray[np.float32]]:
    """The network of the other arms with its first weights, as an encoder's `image`."""
    torch.manual_seed(seed)
    network = build(scale.model, 0).eval()
    factor, shift = preprocess(scale).scale_shift()

    def embed(block: NDArray[np.uint8]) -> NDArray[np.float32]:
        with torch.no_grad():
            return unit(images.pooled(network, torch.from_numpy(block * factor + shift).permute(0, 3, 1, 2)).numpy())

    return embed


def preprocess(scale: Scale) -> Preprocess:
    """As the learners prepare images for networks that are not larger than 64 pixels."""
    mean, std = mean_std(scale.model)
    return Preprocess(scale.side, scale.side, tuple(mean), tuple(std))


def _history(folder: Path) -> dict[str, dict[str, float]]:
    """The first and the last values of the curve."""
    curve = Curve(folder)
    curve.load(10**9)
    wanted = ("loss", "code_entropy", "used_prototypes", "training_accuracy")
    return {
        name: {"first": round(values[0], 4), "last": round(values[-1], 4)}
        for name in wanted
        if (values := curve.series(name)[1])
    }


def audited(
    context: Context, proof: Proof, rows: pa.Table, vectors: NDArray[np.float32], name: str, seed: int
) -> Audited:
    """Probe and test on emoji groups and on photos."""
    right, where = {}, {}
    with context.timed("probes"):
        for source in ("emoji", "cifar10"):
            own = np.flatnonzero(pc.equal(rows["source"], source).to_numpy())
            part = rows.take(pa.array(own))
            probe, test = (np.flatnonzero(part[mark].to_numpy()) for mark in ("probe", "test"))
            targets = Targets.of(part["label"], "label")
            x, labels = shaped(vectors[own[probe]], 1.0), targets.matrix[probe]
            C, _ = choose_c(x, labels, "logistic", np.random.default_rng([seed, 1]), grid=GRID)
            head = fit_head(x, targets, probe, "logistic", C)
            scores = head.scores(vectors[own[test]])
            truth = targets.matrix[test]
            right[source] = truth[np.arange(len(truth)), scores.argmax(1)].astype(np.float64)
            where[source] = part.take(pa.array(test))
            proof.details.setdefault("C", {})[f"{source}, {name}, seed {seed}"] = head.facts.C
            if source == "cifar10":
                value, interval = valued(scores, truth, exclusive=True)
                proof.measure(
                    _task("cifar10", seed), name, "accuracy", value, kind=_kind(name), interval=interval, n=len(truth)
                )
                context.say(f"cifar10: {name} {value:.3f}")
    vendors = where["emoji"]["vendor"].to_pylist()
    groups = disparity(right["emoji"], vendors, np.random.default_rng(seed), reference=HOME)
    context.say(f"emoji: {name} " + ", ".join(f"{each.group} {each.value:.3f}" for each in groups.groups))
    for each in groups.groups:
        proof.measure(
            _task(f"emoji, {each.group}", seed), name, "accuracy", each.value, kind=_kind(name),
            interval=(each.low, each.high), n=each.n,
        )  # fmt: skip
    return Audited(_by_concept(where["emoji"], right["emoji"]), groups, right["cifar10"])


def _by_concept(tested: pa.Table, right: NDArray[np.float64]) -> NDArray[np.float64]:
    """(concepts, vendors) with the home vendor first; NaN where a vendor lacks a concept."""
    concepts, vendors = tested["concept"].to_pylist(), tested["vendor"].to_pylist()
    place = {concept: i for i, concept in enumerate(dict.fromkeys(concepts))}
    others = sorted(set(vendors) - {HOME})
    column = {vendor: i for i, vendor in enumerate([HOME, *others])}
    found = np.full((len(place), len(column)), np.nan)
    found[[place[concept] for concept in concepts], [column[vendor] for vendor in vendors]] = right
    return found


def _task(name: str, seed: int) -> str:
    return name if seed == 0 else f"{name}, seed {seed}"


def _kind(name: str) -> Kind:
    return {MIXED: "arm", RANDOM: "control"}.get(name, "baseline")  # pyright: ignore[reportReturnType]


def report(context: Context, proof: Proof, arms: dict[str, Arm]) -> None:
    """Worst vendor and relative gap of every arm, with intervals."""
    for name, arm in arms.items():
        n = len(arm.audits[0].right)
        worst = bootstrap(arm.worst, n, context.rng(f"worst {name}"))
        relative = bootstrap(arm.relative, n, context.rng(f"relative {name}"))
        proof.measure("emoji, worst vendor", name, "accuracy", arm.worst(), kind=_kind(name), interval=worst, n=n)
        proof.measure(
            "emoji, worst vendor", name, "relative gap", arm.relative(), kind=_kind(name), interval=relative, n=n
        )
        proof.details.setdefault("audit", {})[name] = [each.groups.note for each in arm.audits]
        context.say(f"{name}: worst vendor {arm.worst():.3f}, relative gap {arm.relative():.3f}")


def compare(context: Context, proof: Proof, arms: dict[str, Arm], margin: float) -> None:
    """The conditions of the claim; every difference paired by concept."""
    mixed, n = arms[MIXED], len(arms[MIXED].audits[0].right)
    for other, least in ((CURATED, margin), (SUPERVISED, margin), (RANDOM, max(0.04, margin))):
        against = arms[other]
        proof.must(
            f"worst vendor: {MIXED} minus {other}",
            mixed.worst() - against.worst(),
            at_least=least,
            interval=bootstrap(lambda c, a=against: mixed.worst(c) - a.worst(c), n, context.rng(f"against {other}")),
        )
    labels = arms[SUPERVISED]
    proof.must(
        f"relative gap to {HOME}: {MIXED} minus {SUPERVISED}",
        mixed.relative() - labels.relative(),
        at_most=0.0,
        interval=bootstrap(lambda c: mixed.relative(c) - labels.relative(c), n, context.rng("relative gaps")),
    )
    photos = [np.concatenate([each.photos for each in arms[name].audits]) for name in (MIXED, CURATED)]
    lost = difference(photos[0], photos[1], context.rng("photos lost"))
    proof.details[f"cifar10: {MIXED} minus {CURATED}, 95 %"] = [round(value, 4) for value in lost]


def balanced(context: Context, proof: Proof) -> None:
    """Sinkhorn on random scores: every image's code sums to 1 and every prototype is used alike."""
    generator = torch.Generator().manual_seed(context.seed)
    vectors, prototypes = (
        torch.nn.functional.normalize(torch.randn(n, 128, generator=generator), dim=1) for n in (BATCH, PROTOTYPES)
    )
    codes = sinkhorn(vectors @ prototypes.T, 0.05, 10)
    sums = float((codes.sum(1) - 1).abs().max())
    usage = float((codes.sum(0) / (BATCH / PROTOTYPES) - 1).abs().max())
    proof.must("Sinkhorn: largest deviation of a code's sum from 1", sums, at_most=1e-5)
    proof.must(
        "Sinkhorn, 10 iterations: largest relative deviation of a prototype's use from B / K", usage, at_most=0.01
    )
