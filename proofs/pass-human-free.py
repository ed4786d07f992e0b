"""Pretraining without people: does it transfer as well, even to people; and do the detectors find them.

Asano, Rupprecht, Zisserman, Vedaldi: "PASS: An ImageNet replacement for self-supervised pretraining without humans", NeurIPS 2021
Datasets and Benchmarks (arXiv 2109.13228). Emoji are drawings from which people can be removed exactly, by their group: the same
network is pretrained on as many images without people, with half of them people, and not at all, and linear probes of its
frozen features are tested on a vendor's drawings that nothing was trained on. The detectors are judged on photographs by
200 verdicts by eye (`_pass_verdicts.csv`): one judge, a vision model that looked at contact sheets in the order of the audit's sheet,
without scores, and wrote them down before any estimate was seen.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from veduta.annotate.embed import Embed
from veduta.annotate.people import People
from veduta.errors import BadInput
from veduta.judge.efficiency import efficiency
from veduta.judge.evidence import Kind
from veduta.judge.people_audit import PeopleAudit
from veduta.judge.proof import Context, Proof
from veduta.learn.views import Views
from veduta.pool import Pool
from veduta.select.people_sample import PeopleSample
from veduta.select.picked import Picked

SLUG = "pass-human-free"
CLAIM = (
    "Features pretrained on images without people serve other things as well as those pretrained with people, and people nearly "
    "as well; and small detectors with a checked sample say how many people are left in a pool."
)
SOURCE = "Asano et al., PASS, NeurIPS 2021 Datasets and Benchmarks, arXiv 2109.13228"

HUMAN = ("Smileys & Emotion", "People & Body")
PEOPLE = "People & Body"
HELD_OUT = "apple"
SEEDS = 2
EPOCHS = 8
SIDE = 32
VERDICTS = Path(__file__).parent / "_pass_verdicts.csv"
SAMPLE = 200


@dataclass
class Arm:
    """What an arm is pretrained on, and the accuracy of its probes, one a seed: H people, G everything else."""

    name: str
    kind: Kind
    selection: str
    options: dict[str, Any]
    accuracy: dict[str, list[float]] = field(default_factory=lambda: {"H": [], "G": []})

    def mean(self, task: str) -> float:
        """Over the seeds."""
        return float(np.mean(self.accuracy[task]))


def run(context: Context) -> Proof:
    """Pretrain every arm, probe it, and audit the detectors."""
    if context.scale == "gpu":
        raise BadInput("the proof of pass-human-free is written for the CPU only; leave --scale gpu out")
    proof = Proof(SLUG, CLAIM, SOURCE)
    detectors(context, proof)
    length = {"epochs": context.size(EPOCHS, 2)}
    human_free = Arm("human-free", "arm", "human_free", length)
    mixed = Arm("mixed", "baseline", "mixed", length)
    # One step at next to no rate: the untrained network as a run, so that it is read as the others are.
    untrained = Arm("random initialisation", "control", "mixed", {"steps": 1, "lr": 1e-9, "weight_decay": 0})
    table = context.load("emoji").drop_columns(["split"])
    with context.pool(table) as pool:
        chosen(context, proof, pool)
        for arm in (human_free, mixed, untrained):
            trained(context, proof, arm, pool)
    g, h = (human_free.mean(task) - mixed.mean(task) for task in ("G", "H"))
    gain = human_free.mean("H") - untrained.mean("H")
    proof.must("other groups (G): human-free minus mixed, mean of seeds", g, at_least=-0.02)
    proof.must("people (H): human-free minus mixed, mean of seeds", h, at_least=-0.05)
    proof.must("people (H): human-free minus random initialisation, mean of seeds", gain, at_least=0.10)
    proof.must("people (H): distance to mixed less distance to random initialisation", abs(h) - abs(gain), at_most=0.0)
    proof.details["by seed"] = {arm.name: arm.accuracy for arm in (human_free, mixed, untrained)}
    proof.note(
        "Emoji with the groups Smileys & Emotion and People & Body removed against as many images of which half are of these; "
        "3,276 each, because the three vendors have 1,638 drawings of people in all. The card's 3,900 would hold less than half."
    )
    proof.note(
        "SimCLR (batch 256, 32 pixels, temperature 0.2, AdamW) for 8 epochs on conv_small, three blocks of 32, 64 and 128 channels: "
        "the card's small ResNet at 40 pixels for 12 epochs takes more than twice the time allowed. The probe is a linear SVM, its C chosen on the training rows."
    )
    proof.note(
        "Probes are trained on drawings of three vendors and tested on the fourth's, of the same concepts: what is asked is "
        "transfer to another hand, not to unseen concepts."
    )
    proof.note(
        "The 200 verdicts are those of one judge, a vision model looking at contact sheets; no person has checked them."
    )
    proof.note(
        "Thresholds of the detectors were set on coco-mini and flickr8k, and frozen before in1k-sample was seen. An image's face "
        "counts as found if the image is flagged, by whichever detector."
    )
    return proof


def chosen(context: Context, proof: Proof, pool: Pool) -> None:
    """The selections `human_free` and `mixed`: equally many drawings of three vendors, without people and with half of them."""
    rows = pool.table(["key", "label", "vendor"])
    keys = np.array(rows["key"].to_pylist(), dtype=object)
    seen = np.array([vendor != HELD_OUT for vendor in rows["vendor"].to_pylist()])
    human = np.array([label in HUMAN for label in rows["label"].to_pylist()])
    people, others = np.flatnonzero(seen & human), np.flatnonzero(seen & ~human)
    rng = context.rng("arms")
    mixed = np.concatenate([people, rng.choice(others, len(people), replace=False)])
    without = rng.choice(others, len(mixed), replace=False)
    for name, own in (("human_free", without), ("mixed", mixed)):
        pool.select(Picked(keys=tuple(keys[own])), name=name)
        proof.details[f"images in {name}"] = {"all": len(own), "people": int(human[own].sum())}


def trained(context: Context, proof: Proof, arm: Arm, pool: Pool) -> None:
    """Pretrain an arm on each seed, and probe its pooled features."""
    rows = pool.table(["label", "subgroup", "vendor"])
    labels = np.array(rows["label"].to_pylist())
    held = np.array([vendor == HELD_OUT for vendor in rows["vendor"].to_pylist()])
    tasks = {"H": labels == PEOPLE, "G": ~np.isin(labels, HUMAN)}
    for seed in range(context.seed, context.seed + context.size(SEEDS, 1)):
        given = {
            "objective": "simclr", "model": "conv_small", "size": SIDE, "batch": 256, "temperature": 0.2, "views": "simclr",
            "validation": 0.0, "ema": False, "seed": seed,
        }  # fmt: skip
        with context.timed(f"train {arm.name}"):
            made = Views(**{**given, **arm.options}).learn(pool, selection=arm.selection, name=f"{arm.kind}-{seed}")
        with context.timed("features"):
            pool.refresh()
            pool.annotate(Embed(encoder=made.encoder, column="vectors"))
            x = pool.vectors("vectors")[0]
        for task, own in tasks.items():
            with context.timed("probes"):
                value = probed(x[own], rows["subgroup"].filter(pa.array(own)), held[own], context.rng("probe"))
            arm.accuracy[task].append(value)
            name = {"H": "people", "G": "other groups"}[task]
            proof.measure(f"{name}, seed {seed}", arm.name, "accuracy", value, kind=arm.kind, n=int((own & held).sum()))
        context.say(
            f"{arm.name}, seed {seed}: {made.summary()}; H {arm.accuracy['H'][-1]:.4f}, G {arm.accuracy['G'][-1]:.4f}"
        )


def probed(x: NDArray[np.float32], names: pa.ChunkedArray, held: NDArray[np.bool_], rng: np.random.Generator) -> float:
    """Accuracy on the held-out vendor of a linear classifier of subgroups that is trained on the others."""
    y = pc.dictionary_encode(names).combine_chunks().indices.to_numpy(zero_copy_only=False).astype(np.int64)
    return efficiency(x, y, np.flatnonzero(~held), np.flatnonzero(held), [1.0], 1, rng)[0].mean


def detectors(context: Context, proof: Proof) -> None:
    """Flag the photographs, draw the sample, and audit it by the committed verdicts."""
    with context.pool(context.load("in1k-sample").select(["key", "image"])) as pool:
        with context.timed("detectors"):
            pool.annotate(People())
        pool.select(PeopleSample(count=SAMPLE, seed=0), name="people_sample")
        audit = PeopleAudit(sheet=str(VERDICTS)).measure(pool)
        flagged = len(pool.rows("has_person")) / len(pool)
        proof.details["detectors"] = People().fingerprint()
    proof.details["verdicts"] = {"drawn": len(audit.keys), "judged": audit.judged, "notes": audit.notes}
    proof.details["strata"] = [
        {"stratum": one.name, "rows": one.size, "judged": one.judged, "with people": one.hits}
        for one in audit.found["people"].strata
    ]
    for kind, found in audit.found.items():
        for name in ("recall", "precision", "residual"):
            one = getattr(found, name)
            proof.measure(
                "in1k-sample", kind, name, one.value, kind="arm", interval=(one.low, one.high), n=audit.judged
            )
    whole, faces, people = (audit.found[kind] for kind in ("whole persons", "faces", "people"))
    for name, one, bound in (
        ("in1k-sample: recall of whole persons", whole.recall, {"at_least": 0.80}),
        ("in1k-sample: recall of faces", faces.recall, {"at_least": 0.90}),
        ("in1k-sample: people left where nobody was found", people.residual, {"at_most": 0.08}),
    ):
        proof.must(name, one.value, interval=(one.low, one.high), **bound)
    proof.must("in1k-sample: share flagged, at least", flagged, at_least=0.12)
    proof.must("in1k-sample: share flagged, at most", flagged, at_most=0.40)
    context.say(
        f"detectors: {flagged:.1%} flagged, recall of whole persons {whole.recall.value:.3f}, faces {faces.recall.value:.3f}"
    )
