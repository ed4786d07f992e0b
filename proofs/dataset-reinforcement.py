"""Dataset reinforcement: answers of a teacher that were stored once, with the views they are about, train two different networks
better than labels do, at the speed of labels.

Faghri, Pouransari, Mehta, Farajtabar, Farhadi, Rastegari, Tuzel: "Reinforce Data, Multiply Impact: Improved Model Accuracy and
Robustness with Dataset Reinforcement" (ICCV 2023, arXiv 2303.08983). The paper reinforces ImageNet by an ensemble of ResNeXt-101,
400 views an image, and trains for 150 epochs and more; here it is 5,000 images of CIFAR-10, 8 views an image, one small teacher
(EfficientNet-Lite0, frozen at 128 pixels, with a linear head fitted on augmented views of the same images), and 30 epochs.
"""

from __future__ import annotations

import hashlib
import io
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch
from numpy.typing import NDArray
from PIL import Image

from veduta.annotate.predict import Predict
from veduta.annotate.reinforce import Reinforce
from veduta.encode.base import Preprocess
from veduta.encode.convert import lite0
from veduta.encode.offline import PREPROCESS, weights_file
from veduta.engine.decode import decode
from veduta.errors import BadInput
from veduta.judge.calibration import calibration
from veduta.judge.evidence import Kind
from veduta.judge.intervals import difference, wilson
from veduta.judge.proof import Context, Proof
from veduta.judge.reinforcement import Reinforcement
from veduta.learn import augment
from veduta.learn.classify import Classify
from veduta.learn.probe import Probe
from veduta.pool import Pool
from veduta.pool.fragments import leaf_ids

SLUG = "dataset-reinforcement"
CLAIM = (
    "Answers of one teacher, stored once with the views they are about, train two different networks more accurately than "
    "labels, at the speed of labels."
)
SOURCE = "Faghri et al., Reinforce Data, Multiply Impact, ICCV 2023, arXiv 2303.08983"

RECIPE, SIZE, SAMPLES, TOPK = "rrc+ra/re", 32, 8, 5
SIDE = 128
"""Of what the teacher sees."""
VIEWS = 1
"""Augmented views of each image, besides the image itself, on which the teacher's head is fitted."""
C = 10.0
BATCH = 64
ROUNDS, BLOCK = 9, 12
"""Pairs of pieces, and steps of a piece, in which the times of steps are compared."""


@dataclass(frozen=True)
class Student:
    """A network, how it is trained, the same for every arm, and in which arms."""

    name: str
    steps: int
    settings: dict[str, Any]
    arms: tuple[str, ...]


ERM, REINFORCED, REPAIRED = "labels", "reinforced", "re-paired"
ARMS: dict[str, dict[str, Any]] = {
    ERM: {"label_smoothing": 0.1},
    REINFORCED: {"targets": "reinforce"},
    REPAIRED: {"targets": "repaired"},
}
VIT = {"img_size": SIZE, "patch_size": 4, "embed_dim": 64, "depth": 4, "num_heads": 2}
STUDENTS = (
    Student("ResNet-8", 1_000, {"model": "resnet8_cifar", "lr": 3e-3}, (ERM, REINFORCED, REPAIRED)),
    Student("ViT", 800, {"model": "timm:vit_tiny_patch16_224", "options": VIT, "lr": 1e-3}, (ERM, REINFORCED)),
)
KINDS: dict[str, Kind] = {ERM: "baseline", REINFORCED: "arm", REPAIRED: "control"}


@dataclass(frozen=True)
class Trained:
    """What a student says of the test images: logits (n, 10), and the class numbers (n,)."""

    logits: NDArray[np.float32]
    truth: NDArray[np.int64]

    @property
    def right(self) -> NDArray[np.float64]:
        return (self.logits.argmax(1) == self.truth).astype(np.float64)

    @property
    def ece(self) -> float:
        return calibration(self.logits, self.truth).ece


def run(context: Context) -> Proof:
    """Fit the teacher, store its answers, train two students in three arms, and replay in another process."""
    if context.scale != "cpu":
        raise BadInput("the proof of dataset-reinforcement is written for the CPU only")
    proof = Proof(SLUG, CLAIM, SOURCE)
    train, test = rows(context)
    with teacher(context, train) as uri, context.pool(pa.concat_tables([train, test])) as pool:
        with context.timed("build"):
            pool.annotate(
                Reinforce(teacher=(uri,), samples=SAMPLES, topk=TOPK, recipe=RECIPE, size=SIZE), where="split = 'train'"
            )
        about_records(proof, pool)
        repair(pool, context.rng("re-pairing"))
        same = replayed(context, pool, context.size(500, 100))
        stored = column_bytes(pool, "reinforce") / (train.num_rows * 3 * SIZE * SIZE)
        with context.timed("step times"):
            ratios = {student.name: step_ratio(context, proof, pool, student) for student in STUDENTS}
        found = {
            (student.name, arm): trained(context, proof, pool, student, arm)
            for student in STUDENTS
            for arm in student.arms
        }
    for student in STUDENTS:
        mine, theirs = found[student.name, REINFORCED], found[student.name, ERM]
        gap, low, high = difference(mine.right, theirs.right, context.rng(student.name))
        proof.must(f"{student.name}: reinforced minus labels", gap, at_least=0.03, interval=(low, high))
        proof.must(f"{student.name}: ECE reinforced minus labels", mine.ece - theirs.ece, at_most=0.0)
        proof.must(f"{student.name}: time of a step, reinforced to labels", ratios[student.name], at_most=1.10)
        if REPAIRED in student.arms:
            gap, low, high = difference(mine.right, found[student.name, REPAIRED].right, context.rng(REPAIRED))
            name = f"{student.name}: reinforced minus re-paired, lower end of the interval"
            proof.must(name, low, at_least=0.0, interval=(low, high))
    proof.must("records replayed bit for bit in a fresh process", same, at_least=1.0)
    proof.must("bytes of the records to bytes of the pixels", stored, at_most=0.25)
    notes(proof)
    return proof


def notes(proof: Proof) -> None:
    proof.note(
        "Re-paired: the same views, each with the answer to another view of another image of its class (right class, wrong view). "
        "Labels: the same views drawn anew at each visit, label smoothing 0.1. All arms of a student have the same steps, "
        "recipe and seed; no row is held out, and the weights of the last step (moving average) are judged on all test images."
    )
    proof.note(
        "Smaller than planned, so that it takes some seven minutes on two cores: 1,000 and 800 steps of 64 images where 1,200 of 128 "
        "were planned, a ViT of width 64 where 128 was, and the re-paired control for ResNet-8 alone. Decided before the first run, which was cut off by other work on the machine after its first arm (labels); nothing was "
        "changed after it."
    )
    proof.note(
        "Calibrated once, on the features of other images (seed 1): the weight C of the teacher's head, 10 of 0.1, 1 and 10, by its "
        "accuracy on fresh views of the images that it was fitted on, with two views of each (65 %; on test images 72 %)."
    )
    proof.note(
        f"The times of a step are the median ratio of {ROUNDS} pairs of {BLOCK} steps (loading, forward, backward) that follow "
        "each other, so that other work on the machine counts for both arms."
    )


def rows(context: Context) -> tuple[pa.Table, pa.Table]:
    """As many training images of each class, and the test images."""
    table = context.load("cifar10")
    train, test = (np.flatnonzero(pc.equal(table["split"], split).to_numpy()) for split in ("train", "test"))
    labels = np.array(table["label"].to_pylist())
    rng, each = context.rng("rows"), context.size(500, 40)
    chosen = [rng.choice(train[labels[train] == label], each, replace=False) for label in sorted(set(labels[train]))]
    test = test[: context.size(len(test), 500)]
    return table.take(pa.array(np.sort(np.concatenate(chosen)))), table.take(pa.array(test))


@contextmanager
def teacher(context: Context, train: pa.Table) -> Iterator[str]:
    """The URI of EfficientNet-Lite0 at 128 pixels with a linear head, fitted on the images and augmented views of them."""
    prepared = Preprocess(side=SIDE, resize=SIDE, mean=PREPROCESS.mean, std=PREPROCESS.std)
    with context.pool(augmented(train, context.rng("teacher"))) as pool:
        file = pool.path / "lite0.onnx"
        with context.timed("teacher"):
            lite0(weights_file(), prepared, file)
            encoder = f"onnx:{file}?side={SIDE}&layout=nhwc&output=features"
            made = Probe(encoder=encoder, C=C, validation=0).learn(pool)
        yield f"run:{made.path}"


def augmented(train: pa.Table, rng: np.random.Generator) -> pa.Table:
    """Each image as it is and `VIEWS` times as the recipe draws it, as PNG."""
    view, keys, images, labels = augment.view(RECIPE, SIZE), [], [], []
    for key, data, label in zip(*(train[name].to_pylist() for name in ("key", "image", "label")), strict=True):
        pixels = decode(data).pixels
        for number, shown in enumerate([pixels, *(view(pixels, rng) for _ in range(VIEWS))]):
            out = io.BytesIO()
            Image.fromarray(shown).save(out, "PNG", compress_level=1)
            keys.append(f"{key}-{number}")
            images.append(out.getvalue())
            labels.append(label)
    return pa.table({"key": keys, "image": pa.array(images, pa.binary()), "label": labels})


def about_records(proof: Proof, pool: Pool) -> None:
    """What the answers are like: the teacher must be neither wrong nor sure of everything."""
    facts = Reinforcement(where="split = 'train'", rows=5_000).measure(pool)
    n = len(facts.rows) * SAMPLES
    proof.measure("records", "teacher", "accuracy on the stored views", facts.accuracy, n=n)
    proof.measure("records", "teacher", "agreement of the views of an image", facts.agreement.mean(), n=len(facts.rows))
    proof.measure("records", "teacher", "mean entropy in nats", facts.entropy.mean(), n=n)
    proof.measure("records", "teacher", f"probability kept by {TOPK} of 10 classes", facts.mass.mean(), n=n)


def repair(pool: Pool, rng: np.random.Generator) -> None:
    """The column `repaired`: every answer goes to another view, of another image where that can be, of the same class."""
    field = pool.schema.field("reinforce")
    table = pool.table(["reinforce", "label"]).combine_chunks()
    lists = table["reinforce"].combine_chunks()
    there = np.flatnonzero(~lists.is_null().to_numpy(zero_copy_only=False))
    records = lists.drop_null().flatten()
    each = len(records) // len(there)
    labels = np.repeat(np.array(table["label"].to_pylist())[there], each)
    other = np.arange(len(records))
    for label in np.unique(labels):
        own = np.flatnonzero(labels == label)
        other[own] = np.roll(own, each * int(rng.integers(1, max(2, len(own) // each))))
        within = rng.permuted(other[own].reshape(-1, each), axis=1).reshape(-1)
        other[own] = within
    columns = [
        column.take(pa.array(other)) if kind.name in ("p", "cls") else column
        for kind, column in zip(records.type, records.flatten(), strict=True)
    ]
    made = pa.StructArray.from_arrays(columns, fields=list(records.type))
    offsets = pa.array(np.arange(len(there) + 1) * each, pa.int32())
    places = np.full(len(table), -1)
    places[there] = np.arange(len(there))
    whole = pa.ListArray.from_arrays(offsets, made).cast(field.type).take(pa.array(places, mask=places < 0))
    schema = pa.schema([pa.field("repaired", field.type, metadata=field.metadata)])
    pool.define(schema)
    pool.fill(pa.table([whole], schema=schema), [f.fragment_id for f in pool.dataset.get_fragments()])


def settings_of(context: Context, student: Student, arm: str) -> Classify:
    """How a student of an arm is trained."""
    return Classify(
        **student.settings, **ARMS[arm], views=RECIPE, size=SIZE, steps=context.size(student.steps, 40), batch=BATCH,
        validation=0, precision="32", seed=context.seed,
    )  # fmt: skip


def trained(context: Context, proof: Proof, pool: Pool, student: Student, arm: str) -> Trained:
    """A student of an arm, judged on the test images."""
    name = f"{student.name}-{arm}"
    column = "predicted_" + name.replace("-", "_").lower()
    settings = settings_of(context, student, arm)
    with context.timed("training"):
        made = settings.learn(pool, name=name)
    with context.timed("test"):
        pool.annotate(Predict(model=str(made.path), column=column), where="split = 'test'")
        test = pool.where("split = 'test'").table(["label", f"{column}_logits"])
    classes = made.about["classes"]
    logits = test[f"{column}_logits"].combine_chunks().flatten().to_numpy().reshape(len(test), -1)
    truth = np.array([classes.index(label) for label in test["label"].to_pylist()])
    found = Trained(logits, truth)
    kind = KINDS[arm]
    right = found.right
    proof.measure(
        student.name,
        arm,
        "accuracy",
        right.mean(),
        kind=kind,
        interval=wilson(int(right.sum()), len(right)),
        n=len(right),
    )
    proof.measure(student.name, arm, "ECE", found.ece, kind=kind, n=len(right))
    seconds = made.about["training"]["seconds"]
    context.say(f"{student.name}, {arm}: {right.mean():.4f}, ECE {found.ece:.3f}, {seconds:.0f} s")
    return found


def step_ratio(context: Context, proof: Proof, pool: Pool, student: Student) -> float:
    """Time of a reinforced step to that of a step on labels: the median over pairs of pieces that follow each other."""
    arms = {arm: settings_of(context, student, arm).prepare(pool, None, None) for arm in (ERM, REINFORCED)}
    batches = {arm: prepared.loader(0, 1).batches() for arm, prepared in arms.items()}

    def seconds(arm: str) -> float:
        task, start = arms[arm].task.train().to(memory_format=torch.channels_last), time.perf_counter()
        for batch in islice(batches[arm], BLOCK):
            task(batch.to("cpu"))["loss"].backward()
        return time.perf_counter() - start

    times = []
    for number in range(ROUNDS + 1):  # the first is not counted
        order = (ERM, REINFORCED) if number % 2 else (REINFORCED, ERM)
        times.append({arm: seconds(arm) for arm in order})
    for arm, own in batches.items():
        own.close()  # pyright: ignore[reportAttributeAccessIssue]
        fastest = 1e3 * min(piece[arm] for piece in times[1:]) / BLOCK
        proof.measure(student.name, arm, "milliseconds a step, fastest piece", fastest, kind=KINDS[arm])
    return float(np.median([piece[REINFORCED] / piece[ERM] for piece in times[1:]]))


def column_bytes(pool: Pool, column: str) -> int:
    """Bytes on disk of the data files that hold a column."""
    leaves = set(leaf_ids(pool.dataset, [column]))
    files = [file for fragment in pool.dataset.get_fragments() for file in fragment.data_files()]
    folder = Path(pool.dataset.uri) / "data"
    return sum((folder / file.path).stat().st_size for file in files if leaves & set(file.fields))


REPLAY = """
import hashlib, json, sys
import numpy as np
from veduta.engine.decode import decode
from veduta.learn.augment.records import Recipe, unpack
from veduta.learn.augment.witness import crc
from veduta.learn.targets.reinforced import read
from veduta.pool import Pool

pool, wanted = Pool.open(sys.argv[1]), json.load(sys.stdin)
recipe = Recipe.of(pool.schema.field("reinforce"))
rows = np.unique([row for row, _ in wanted])
place, records = read(pool, "reinforce", rows)
pixels = {int(row): decode(data, recipe.side).pixels for row, data in zip(rows, pool.read_images(rows))}
found = []
for row, number in wanted:
    at = place[row] + number
    shown = recipe.view.apply(pixels[row], unpack(recipe.view, records, at))
    found.append([crc(shown) == int(records["crc"][at]), hashlib.sha256(shown.tobytes()).hexdigest()])
json.dump(found, sys.stdout, default=bool)
"""


def replayed(context: Context, pool: Pool, count: int) -> float:
    """Share of random records that a fresh process replays to the pixels whose CRC was taken when the teacher saw them, and to the
    same SHA-256 as this process."""
    from veduta.learn.augment.records import Recipe, draw, unpack

    rng = context.rng("replays")
    chosen = rng.choice(pool.rows("reinforce is not null"), count)
    wanted = [[int(row), int(rng.integers(SAMPLES))] for row in chosen]
    recipe = Recipe.of(pool.schema.field("reinforce"))
    told = subprocess.run(
        [sys.executable, "-c", REPLAY, str(pool.path)],
        input=json.dumps(wanted),
        capture_output=True,
        text=True,
        check=True,
    )
    keys = pool.take([row for row, _ in wanted], ["key"])["key"].to_pylist()
    same = 0
    for (row, number), key, (agrees, digest) in zip(wanted, keys, json.loads(told.stdout), strict=True):
        pixels = decode(pool.read_images([row])[0] or b"", recipe.side).pixels
        drawn = draw(recipe.view, key, SAMPLES, recipe.seed, *pixels.shape[:2])
        shown = recipe.view.apply(pixels, unpack(recipe.view, drawn, number))
        same += agrees and hashlib.sha256(shown.tobytes()).hexdigest() == digest
    return same / count
