"""Density-based pruning against random rows, equal shares and alignment, on emoji with their skin-tone variants.

Abbas, Rusak et al., "Effective pruning of web-scale datasets based on complexity of concept clusters", ICLR 2024
(arXiv 2401.04578). Their pool was LAION and the judge ImageNet. Here the pool is what three vendors draw, skin tones
included, so that three rows in five are people; the judge is the fourth vendor's base emoji, each concept once.

Fixed before any arm was compared: tau (see `temperature`) and the pair trainer (temperature from 0.07, symmetric
cross-entropy, AdamW, batches of 256). Its rate 1e-3 was the best of 3e-4 to 3e-2 for a random quarter, judged on the rest
of the three vendors; the fourth was not looked at. Seeds move clustering, draws, first weights and batches together.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

import veduta
from veduta.encode import cache
from veduta.encode.base import fingerprint
from veduta.encode.offline import PREPROCESS, Offline
from veduta.engine.decode import decode
from veduta.judge.evidence import Kind
from veduta.judge.intervals import bootstrap
from veduta.judge.proof import Context, Proof
from veduta.pool import Pool, Selection
from veduta.select.allocate import project, whole
from veduta.select.clusters import Clusters
from veduta.select.columns import keys, preferred, ranks
from veduta.select.density import kept_rows
from veduta.select.density_prune import DensityPrune
from veduta.select.sample import Sample, draw
from veduta.select.semantic_deduplicate import SemanticDeduplicate
from veduta.select.top import Top

SLUG = "concept-density-pruning"
CLAIM = (
    "A quarter of a pool of crowded and rare concepts, chosen by the complexity of its clusters, trains a better image-text "
    "model than a random quarter or the same share of every cluster."
)
SOURCE = "Abbas, Rusak et al. 2024, Effective pruning of web-scale datasets, ICLR, arXiv 2401.04578"
HELD_OUT = "apple"
KEEP, REMOVE = 0.25, 0.10
SIDE = 128
RATE = 1e-3


class Small(Offline):
    """The offline encoder on 128 pixels instead of 224: the pictures have 64, and it costs a third."""

    side = resize = SIDE

    def __init__(self) -> None:
        super().__init__()
        self.fingerprint = fingerprint(full=self.fingerprint, side=SIDE)

    def prepare(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        return replace(PREPROCESS, side=SIDE, resize=SIDE).prepare(image)


def vectors(model: Small, images: list[bytes]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Images to (n, 1280), and to (n, 384) in the space of texts; cached under encoder and pictures."""
    total = hashlib.sha256(f"{model.fingerprint} {model.text_fingerprint}".encode())
    for content in images:
        total.update(hashlib.sha256(content).digest())
    file = cache.folder() / "features" / f"side{SIDE}-{total.hexdigest()[:32]}.npy"
    if not file.exists():

        def one(part: list[bytes]) -> NDArray[np.float32]:
            squares = np.stack([model.prepare(decode(content, SIDE).pixels) for content in part])
            own, joint = model.both(squares)
            return np.concatenate([own, own[:, :0] if joint is None else joint], axis=1)

        parts = [images[at : at + 32] for at in range(0, len(images), 32)]
        with ThreadPoolExecutor(os.cpu_count() or 1) as workers:
            made = np.concatenate(list(workers.map(one, parts)))
        file.parent.mkdir(parents=True, exist_ok=True)
        temporary = file.with_name(f".{os.getpid()}-{file.name}")
        np.save(temporary, made)
        os.replace(temporary, file)
    found = np.load(file, allow_pickle=False)
    return found[:, : model.dim], found[:, model.dim :]


@dataclass
class Data:
    """Pool rows: unit vectors (n, 1280), alignment (n,), number of the name (n,). Judge: vectors (m, 1280), name (m,).

    names: unit vectors (c, 384) of every base emoji's name; all of them are candidates.
    """

    table: pa.Table
    images: NDArray[np.float32]
    alignment: NDArray[np.float32]
    name: NDArray[np.int64]
    judged: NDArray[np.float32]
    truth: NDArray[np.int64]
    names: NDArray[np.float32]


def run(context: Context) -> Proof:
    """Eight arms, five seeds; about six minutes on two cores."""
    proof = Proof(SLUG, CLAIM, SOURCE)
    data = prepared(context)
    budget = round(KEEP * len(data.name))
    k, near = context.size(100, 30), context.size(20, 8)
    count = context.size(5, 2)
    seeds = range(count * context.seed, count * (context.seed + 1))
    with tempfile.TemporaryDirectory() as folder:
        with context.timed("pool"):
            pool = stored(data, Path(folder) / "emoji.vd")
        with context.timed("select"):
            removed = pool.select(SemanticDeduplicate(remove=REMOVE), name="unique").summary
            tau = temperature(proof, pool, removed["eps"], k, near)
            prune = DensityPrune(keep=KEEP, clusters=k, neighbours=near, tau=tau, dedup_eps=removed["eps"])
            chosen = [arms(context, pool, prune, budget, seed) for seed in seeds]
    proof.details["pool"] = {
        "rows": len(data.name), "names": len(data.names), "budget": budget, "judged": len(data.truth), "clusters": k,
        "neighbours": near, "eps": removed["eps"], "duplicates": removed["dropped"], "tau": tau,
    }  # fmt: skip
    hits = trained(context, data, [each.kept for each in chosen])
    report(context, proof, data, chosen, hits)
    shares(proof, chosen, budget)
    proof.note(
        "Recall is of the right name among all base names, for the fourth vendor's base emoji, mean of the seeds."
    )
    entropy = proof.details["temperature"]["0.1"]["entropy"]
    proof.note(
        f"tau is {tau}: the entropy of the shares with the card's 0.1 is {entropy} of the largest possible, and the line, "
        "drawn before any training, is 0.99; the arm with 0.1 is measured too, and decides nothing."
    )
    proof.note("Intervals resample the judged images and the seeds, paired.")
    proof.note(
        "The judge counts every concept once and the pool does not, so part of the gain is balance and not complexity: "
        "the arm 'same number of every cluster' (p uniform) has the balance alone. It was added after the first full run, "
        "decides nothing, and changed no other number."
    )
    return proof


def prepared(context: Context) -> Data:
    """The pool of three vendors and the judge's pictures."""
    table = context.load("emoji-skin-tones")
    base = table.filter(pc.equal(table["tone"], ""))
    said = dict(zip(base["concept"].to_pylist(), base["name"].to_pylist(), strict=True))
    concepts = sorted(said)
    if context.quick:
        concepts = [concepts[i] for i in np.sort(context.rng("quick").permutation(len(concepts))[:400])]
    number = {concept: place for place, concept in enumerate(concepts)}
    table = table.filter(pc.is_in(table["concept"], pa.array(concepts)))
    own = pc.equal(table["vendor"], HELD_OUT)
    rows, judged = table.filter(pc.invert(own)), table.filter(pc.and_(own, pc.equal(table["tone"], "")))
    model = Small()
    with context.timed("features"):
        context.say(f"embedding {len(rows) + len(judged):,} images (cached)")
        images, joint = vectors(model, rows["image"].to_pylist())
        tested, _ = vectors(model, judged["image"].to_pylist())
        names = model.text([said[concept] for concept in concepts])
    name = np.array([number[concept] for concept in rows["concept"].to_pylist()])
    truth = np.array([number[concept] for concept in judged["concept"].to_pylist()])
    alignment = np.einsum("nd,nd->n", joint, names[name])
    return Data(rows.drop(["image"]), images, alignment, name, tested, truth, names)


def stored(data: Data, path: Path) -> Pool:
    """The rows as a pool with the columns embedding and alignment; selectors read no pixels, so none are stored."""
    pool = veduta.create(path)
    pool.append(data.table.select(["key", "captions"]))
    vectors = pa.FixedSizeListArray.from_arrays(pa.array(data.images.ravel()), data.images.shape[1])
    more = pa.table({"embedding": vectors, "alignment": data.alignment})
    pool.define(more.schema)
    pool.fill(more, pool.pending(more.schema.names))
    return pool


def temperature(proof: Proof, pool: Pool, eps: float, k: int, near: int) -> Any:
    """The card's tau 0.1, unless it makes the shares p nearly uniform: entropy above 0.99 of the largest possible.

    Then complexity could hardly matter whatever it is, and tau is the spread of the complexities ("auto"). Decided on p
    alone, before any arm was trained: p has 0.9935 with 0.1 (most to least 2.8), because cosines of this network are large
    and complexities small (0.016 to 0.12), and 0.87 with auto. As 0.9935 is near the line, 0.1 is an arm of its own.
    """
    facts = {}
    for tau in (0.1, "auto"):
        prune = DensityPrune(keep=KEEP, clusters=k, neighbours=near, tau=tau, dedup_eps=eps)
        found = pool.select(prune, name=f"entropy_{str(tau).replace('.', '_')}").summary
        facts[str(tau)] = {name: found[name] for name in ("tau", "entropy", "at_bound")}
    proof.details["temperature"] = facts
    return 0.1 if facts["0.1"]["entropy"] <= 0.99 else "auto"


# -- the arms ----------------------------------------------------------------------------------------------------------


@dataclass
class Chosen:
    """The rows of every arm for one seed, and the product's own account of density-based pruning."""

    kept: dict[str, NDArray[np.int64]]
    density: Selection
    same: float


BASELINES: dict[str, Kind] = {
    "random": "baseline",
    "random of de-duplicated": "baseline",
    "equal share (SSP)": "baseline",
    "top alignment": "baseline",
    "same number of every cluster": "control",
    "shuffled complexity": "control",
}


def arms(context: Context, pool: Pool, prune: DensityPrune, budget: int, seed: int) -> Chosen:
    """Every arm keeps exactly `budget` rows."""
    prune = prune.model_copy(update={"seed": seed})
    density = pool.select(prune, name=f"density_{seed}")
    equal = pool.select(prune.model_copy(update={"share": "uniform"}), name=f"equal_{seed}")
    survivors = np.flatnonzero(np.asarray(density.columns["density_cluster"].is_valid()))
    lots = draw(keys(pool).take(pa.array(survivors)).to_pylist(), seed)
    _, same = by_hand(pool, density, budget, density.summary["tau"])
    fixed, _ = by_hand(pool, density, budget, 0.1)
    level, _ = by_hand(pool, density, budget, 1e9)
    shuffled, _ = by_hand(pool, density, budget, density.summary["tau"], context.rng(f"shuffle {seed}"))
    kept = {
        "density": density.keep,
        "density, tau 0.1": fixed,
        "same number of every cluster": level,
        "random": pool.select(Sample(count=budget, seed=seed), name=f"random_{seed}").keep,
        "random of de-duplicated": np.isin(np.arange(len(pool)), survivors[np.argsort(lots)[:budget]]),
        "equal share (SSP)": equal.keep,
        "top alignment": pool.select(Top(column="alignment", count=budget), name="aligned").keep,
        "shuffled complexity": shuffled,
    }
    return Chosen({arm: np.flatnonzero(keep) for arm, keep in kept.items()}, density, same)


def by_hand(
    pool: Pool, density: Selection, budget: int, tau: float, rng: np.random.Generator | None = None
) -> tuple[NDArray[np.bool_], float]:
    """Density-based pruning over the product's clusters, with the complexities shuffled across them if `rng` is given.

    Returns which rows are kept, and the share of them that the product keeps too (1 without shuffling, if the two agree).
    """
    concepts = density.artifacts["concepts"]
    complexity, size = concepts["complexity"].to_numpy(), concepts["size"].to_numpy()
    if rng is not None:
        complexity = rng.permutation(complexity)
    logits = complexity / tau
    share = np.exp(logits - logits.max())
    low, high = np.minimum(1, size - 1).astype(np.float64), size.astype(np.float64)
    target = whole(project(budget * share / share.sum(), low, high, float(budget)), size, budget)
    column = density.columns["density_cluster"]
    rows = np.flatnonzero(np.asarray(column.is_valid()))
    distance = density.columns["density_distance"].take(pa.array(rows)).to_numpy()
    clusters = Clusters(
        np.empty((len(size), 0), np.float32), column.take(pa.array(rows)).to_numpy().astype(int), distance
    )
    keep = np.zeros(len(pool), dtype=bool)
    keep[rows[kept_rows(clusters, target, "hard", ranks(preferred(pool))[rows])]] = True
    return keep, float(density.keep[keep].mean())


# -- the pair trainer --------------------------------------------------------------------------------------------------


def trained(context: Context, data: Data, chosen: list[dict[str, NDArray[np.int64]]]) -> dict[str, NDArray[np.float64]]:
    """Recall@5 of every judged image, arm -> (seeds, m) of 0 and 1."""
    import torch

    torch.set_num_threads(1)  # two trainings side by side fill two cores, and no sum depends on how threads are split
    hits: dict[str, NDArray[np.float64]] = {}
    with context.timed("train"), ThreadPoolExecutor(2) as workers:
        for arm in chosen[0]:
            jobs = [workers.submit(recalled, context, data, kept[arm], seed) for seed, kept in enumerate(chosen)]
            hits[arm] = np.stack([job.result() for job in jobs])
            context.say(f"{arm}: recall@5 {hits[arm].mean():.4f}")
    return hits


def recalled(context: Context, data: Data, rows: NDArray[np.int64], seed: int) -> NDArray[np.float64]:
    """CLIP with two linear heads on frozen vectors (Radford et al. 2021), trained on `rows`: hits at 5, (m,).

    A batch may hold a name several times; those rows are not negatives of each other, the target is spread over them.
    """
    import torch
    from torch.nn import functional

    rng = torch.Generator().manual_seed(int(context.rng(f"train {seed}").integers(2**31)))
    images, texts = torch.from_numpy(data.images[rows]), torch.from_numpy(data.names)
    name = torch.from_numpy(data.name[rows])
    heads = [
        (torch.randn(width, 256, generator=rng) / width**0.5).requires_grad_()
        for width in (images.shape[1], texts.shape[1])
    ]
    scale = torch.tensor(np.log(1 / 0.07), dtype=torch.float32, requires_grad=True)
    optimizer = torch.optim.AdamW([{"params": heads}, {"params": [scale], "weight_decay": 0.0}], lr=RATE)
    for _ in range(context.size(30, 10)):
        for part in torch.randperm(len(name), generator=rng).split(256):
            own = functional.normalize(images[part] @ heads[0], dim=1)
            said = functional.normalize(texts[name[part]] @ heads[1], dim=1)
            logits = scale.exp().clamp(max=100) * own @ said.T
            target = (name[part, None] == name[None, part]).float()
            target /= target.sum(1, keepdim=True)
            loss = functional.cross_entropy(logits, target) + functional.cross_entropy(logits.T, target)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    with torch.inference_mode():
        own = functional.normalize(torch.from_numpy(data.judged) @ heads[0], dim=1)
        best = (own @ functional.normalize(texts @ heads[1], dim=1).T).topk(5, dim=1).indices
        return (best == torch.from_numpy(data.truth)[:, None]).any(1).double().numpy()


# -- the verdict -------------------------------------------------------------------------------------------------------


def report(
    context: Context, proof: Proof, data: Data, chosen: list[Chosen], hits: dict[str, NDArray[np.float64]]
) -> None:
    """Recall of every arm, and what the claim needs of the gaps."""
    gaps = {}
    for arm, found in hits.items():
        kind = BASELINES.get(arm, "arm")
        interval = sure(found, context.rng(f"value {arm}"))
        proof.measure("fourth vendor", arm, "recall@5", found.mean(), kind=kind, interval=interval, n=found.shape[1])
        apart = hits["density"] - found
        gaps[arm] = (float(apart.mean()), sure(apart, context.rng(f"gap {arm}")))
        covered = [float(np.isin(data.truth, data.name[each.kept[arm]]).mean()) for each in chosen]
        proof.details[arm] = {
            "recall@5 by seed": found.mean(1).round(4).tolist(),
            "judged names among the kept rows": round(float(np.mean(covered)), 4),
            "kept rows with a skin tone": round(float(np.mean([toned(data, each.kept[arm]) for each in chosen])), 4),
            "density minus this": [round(gaps[arm][0], 4), *np.round(gaps[arm][1], 4).tolist()],
        }
    gap, interval = gaps["random"]
    proof.must("recall@5, density minus random", gap, at_least=0.03, interval=interval)
    proof.must("lower end of its 95 % interval", interval[0], at_least=0.0)
    gap, interval = gaps["equal share (SSP)"]
    proof.must("recall@5, density minus equal share (SSP)", gap, at_least=0.01, interval=interval)
    gap, interval = gaps["shuffled complexity"]
    proof.must("control: lower end of density minus shuffled complexity", interval[0], at_least=0.0, interval=interval)


def sure(values: NDArray[np.float64], rng: np.random.Generator) -> tuple[float, float]:
    """95 % bootstrap interval of the mean of (seeds, m) values over both seeds and images."""

    def mean(rows: NDArray[np.int64]) -> float:
        return float(values[rng.integers(0, len(values), len(values))].mean(0)[rows].mean())

    return bootstrap(mean, values.shape[1], rng)


def toned(data: Data, rows: NDArray[np.int64]) -> float:
    """Share of the rows that are skin-tone variants."""
    return float(np.mean([tone != "" for tone in data.table["tone"].take(pa.array(rows)).to_pylist()]))


def shares(proof: Proof, chosen: list[Chosen], budget: int) -> None:
    """The product's account: the budget is met exactly, and what is kept of a cluster follows its complexity."""
    from scipy.stats import spearmanr

    missed, ordered = [], []
    for each in chosen:
        concepts = each.density.artifacts["concepts"]
        complexity, size, target = (concepts[name].to_numpy() for name in ("complexity", "size", "target"))
        missed += [abs(int(target.sum()) - budget), *(abs(len(rows) - budget) for rows in each.kept.values())]
        free = (target > np.minimum(1, size - 1)) & (target < size)
        ordered.append(float(spearmanr(complexity[free], target[free] / size[free])[0]))
    proof.must("Spearman of complexity and kept share, free clusters, mean of seeds", np.mean(ordered), at_least=0.7)
    proof.must("rows over or under the budget, worst arm and seed", max(missed), at_most=0)
    proof.must("control's arithmetic, unshuffled, keeps the product's rows", min(e.same for e in chosen), at_least=1.0)
    proof.details["Spearman by seed"] = np.round(ordered, 4).tolist()
    proof.details["entropy by seed"] = [each.density.summary["entropy"] for each in chosen]
    proof.details["at bound by seed"] = [each.density.summary["at_bound"] for each in chosen]
