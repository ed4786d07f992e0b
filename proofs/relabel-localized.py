"""ReLabel: training on what each random crop shows, read from a map of class scores, against one label or one soft label an image.

Yun et al.: "Re-labeling ImageNet: from Single to Multi-Labels, from Global to Localized Labels" (CVPR 2021, arXiv 2101.05022). The
paper trains ResNet-50 for 300 epochs on ImageNet with maps of EfficientNet-L2; here ResNet-8 is trained on scenes that are
mosaics of four images of CIFAR-10, with maps of a probe on EfficientNet-Lite0, and tested on plain images.
"""

from __future__ import annotations

import io
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch
from numpy.typing import NDArray
from PIL import Image

from veduta.annotate.embed import Embed
from veduta.annotate.label_maps import LabelMaps
from veduta.annotate.predict import Predict
from veduta.encode.dense import dense
from veduta.engine.decode import decode
from veduta.engine.operation import Field, TableAnnotator
from veduta.errors import BadInput
from veduta.judge.intervals import difference, wilson
from veduta.judge.proof import Context, Proof
from veduta.learn.augment import RandomResizedCrop, View
from veduta.learn.classify import Classify
from veduta.learn.probe import Probe
from veduta.learn.targets import Seen, open_source
from veduta.pool import Pool
from veduta.pool.label_map import label_map
from veduta.pool.schema import OPERATION

SLUG = "relabel-localized"
CLAIM = "Training on what each random crop shows of an image's label map beats training on one soft label, and on one label, an image."
SOURCE = "Yun et al., Re-labeling ImageNet, CVPR 2021, arXiv 2101.05022"

TILE, SIDE = 32, 64
SCENES, SINGLES, TEST = 3000, 4000, 5000
MAP_SIZE = 448
CROPS = (0.08, 0.6)
SINGLE, GLOBAL, LOCAL, SHUFFLED = "single", "global_multi", "local_multi", "local_multi, shuffled map"
TARGETS: dict[str, str | None] = {
    SINGLE: None,
    GLOBAL: "relabel:global_multi",
    LOCAL: "relabel:local_multi",
    SHUFFLED: "shuffled:local_multi",
}
STEPS = 250
RECIPE: dict[str, Any] = {
    "model": "resnet8_cifar", "size": TILE, "views": "imagenet", "batch": 128, "lr": 3e-3, "label_smoothing": 0.0, "validation": 0,
    "precision": "32",
}  # fmt: skip


class Shuffle(TableAnnotator):
    """The control: every map keeps its values, and its places are put in another order."""

    made: ClassVar[pa.Field]  # the new column, of the type and with the metadata of the maps
    seed: int = Field(0, description="of the orders")

    def adds(self) -> pa.Schema:
        # Marked as a column of label maps, so that training reads it as one.
        return pa.schema([self.made.with_metadata({**(self.made.metadata or {}), OPERATION: b"label-maps"})])

    def compute(self, pool: Any) -> pa.Table:
        shape = label_map(self.made, "the control")
        rows = pool.rows("relabel is not null")
        logits, ids, _ = shape.unpack(pool.take(rows, ["relabel"]).column(0))
        rng = np.random.default_rng(self.seed)
        places = rng.permuted(np.tile(np.arange(shape.height * shape.width), (len(rows), 1)), axis=1)[:, None]
        flat = [np.take_along_axis(each.reshape(len(rows), shape.kept, -1), places, axis=2) for each in (logits, ids)]
        length = shape.kept * shape.height * shape.width
        lists = [pa.FixedSizeListArray.from_arrays(pa.array(each.reshape(-1)), length) for each in flat]
        return pa.table(
            {"_row": pa.array(rows), "shuffled": pa.StructArray.from_arrays(lists, fields=list(shape.type))}
        )


def run(context: Context) -> Proof:
    """The annotator, the maps, five students, and what the maps say of photos."""
    if context.scale != "cpu":
        raise BadInput("the proof of relabel-localized is written for the CPU only")
    proof = Proof(SLUG, CLAIM, SOURCE)
    table = context.load("cifar10")
    singles, scenes, tiles, chosen = drawn(context, table)
    with context.pool(singles, Embed()) as pool:
        with context.timed("annotator"):
            probe = Probe().learn(pool, name="annotator")
        proof.measure(
            "cifar10", "annotator", "accuracy on held-out single images", probe.figures["accuracy"], kind="baseline"
        )
        context.say(f"annotator: {probe.figures['accuracy']:.3f}")
        with context.pool(scenes) as own:
            with context.timed("maps"):
                own.annotate(LabelMaps(model=f"run:{probe.path}", size=MAP_SIZE), where="split = 'train'")
            right = students(context, proof, own)
            agreement = crops(context, proof, own, tiles, chosen)
    conditions(context, proof, right, agreement)
    photos(context, proof)
    notes(proof)
    return proof


def drawn(context: Context, table: pa.Table) -> tuple[pa.Table, pa.Table, NDArray[np.str_], NDArray[np.int64]]:
    """Single images, scenes with the test images, the classes (scenes, 4) of the tiles, rows first, and which gives the label."""
    rng = context.rng("scenes")
    labels = np.array(table["label"].to_pylist())
    train, test = (np.flatnonzero(pc.equal(table["split"], split).to_numpy()) for split in ("train", "test"))
    train = rng.permutation(train)
    count = context.size(SCENES, 600)
    alone, rest = np.split(train, [context.size(SINGLES, 600)])
    queues = {name: list(rest[labels[rest] == name]) for name in np.unique(labels)}
    members = np.empty((count, 4), np.int64)
    for number in range(count):
        names = rng.choice(sorted(queues), 4, replace=False)
        members[number] = [queues[name].pop() for name in names]
    chosen = rng.integers(4, size=count)
    images = table["image"]

    def pixels(row: int) -> NDArray[np.uint8]:
        return decode(images[int(row)].as_py(), None).pixels

    def mosaic(four: NDArray[np.int64]) -> bytes:
        a, b, c, d = (pixels(row) for row in four)
        stream = io.BytesIO()
        Image.fromarray(np.vstack([np.hstack([a, b]), np.hstack([c, d])])).save(stream, "PNG")
        return stream.getvalue()

    test = test[: context.size(TEST, 400)]
    scenes = pa.table(
        {
            "key": [f"scene {i}" for i in range(count)] + [f"test {i}" for i in range(len(test))],
            "image": [mosaic(four) for four in members] + [images[int(row)].as_py() for row in test],
            "label": [*labels[members[np.arange(count), chosen]], *labels[test]],
            "split": ["train"] * count + ["test"] * len(test),
        }
    )
    single = pa.table(
        {
            "key": [f"single {i}" for i in range(len(alone))],
            "image": [images[int(row)].as_py() for row in alone],
            "label": labels[alone],
        }
    )
    return single, scenes, labels[members], chosen


def students(context: Context, proof: Proof, pool: Pool) -> dict[str, NDArray[np.float64]]:
    """1 or 0 for each test image, for each arm."""
    Shuffle.made = label_map(pool.schema.field("relabel"), "the control").field("shuffled")
    with context.timed("control"):
        pool.annotate(Shuffle())
    right = {}
    for arm, targets in TARGETS.items():
        settings = Classify(**RECIPE, targets=targets, steps=context.size(STEPS, 60), seed=context.seed)
        name = arm.replace("_", "-").replace(", ", "-").replace(" ", "-")
        with context.timed("students"):
            made = settings.learn(pool, name=name)
        column = f"predicted_{name.replace('-', '_')}"
        with context.timed("test"):
            pool.annotate(Predict(model=str(made.path), column=column), where="split = 'test'")
            found = pool.where("split = 'test'").table(["label", column])
        right[arm] = pc.equal(found["label"], found[column]).to_numpy().astype(np.float64)
        kind = {LOCAL: "arm", SHUFFLED: "control"}.get(arm, "baseline")
        hits = int(right[arm].sum())
        proof.measure(
            "cifar10", arm, "accuracy", right[arm].mean(), kind=kind, interval=wilson(hits, len(found)), n=len(found)
        )
        rate = made.about["training"]["images_per_second"]
        proof.details[f"{arm}: training images per second"] = rate
        context.say(f"{arm}: {right[arm].mean():.4f}, {rate:.0f} images/s")
    return right


def crops(context: Context, proof: Proof, pool: Pool, tiles: NDArray[np.str_], chosen: NDArray[np.int64]) -> float:
    """How often the pooled label's class is that of the tile of which a crop shows most."""
    names = sorted(set(tiles.ravel().tolist()))
    rows = pool.rows("split = 'train'")
    source = open_source(TARGETS[LOCAL] or "", pool, rows, names, TILE, "the proof")
    rng = context.rng("crops")
    share = 0.0
    for low, high in (CROPS, (0.08, 1.0)):
        view = View((RandomResizedCrop(TILE, (low, high)),), TILE)
        seen = [Seen(view, view.sample(rng, SIDE, SIDE), SIDE, SIDE) for _ in rows]
        boxes = np.array([how.box for how in seen])
        areas = np.stack([overlap(boxes, column / 2, line / 2) for line in (0, 1) for column in (0, 1)], axis=1)
        largest = tiles[np.arange(len(rows)), areas.argmax(1)]
        labels = np.array(names)[
            np.concatenate(
                [source.targets(rows[i : i + 500], seen[i : i + 500]) for i in range(0, len(rows), 500)]
            ).argmax(1)
        ]
        found = float((labels == largest).mean())
        plain = float((tiles[np.arange(len(rows)), chosen] == largest).mean())
        what = f"crops of {low:g} to {high:g} of the area: label is that of the largest tile"
        proof.measure("cifar10", LOCAL, what, found, n=len(rows))
        proof.measure("cifar10", SINGLE, what, plain, kind="baseline", n=len(rows))
        context.say(f"{what}: {found:.3f}, plain label {plain:.3f}")
        share = share or found
    return share


def overlap(boxes: NDArray[np.float64], left: float, top: float) -> NDArray[np.float64]:
    """The area of boxes (n, 4) in [0, 1] within the tile at this corner."""
    wide = np.minimum(boxes[:, 2], left + 0.5) - np.maximum(boxes[:, 0], left)
    high = np.minimum(boxes[:, 3], top + 0.5) - np.maximum(boxes[:, 1], top)
    return np.clip(wide, 0, None) * np.clip(high, 0, None)


def conditions(context: Context, proof: Proof, right: dict[str, NDArray[np.float64]], agreement: float) -> None:
    """What was written down before the run."""
    for arm, bound in ((GLOBAL, 0.03), (SINGLE, 0.08)):
        gap, low, high = difference(right[LOCAL], right[arm], context.rng(arm))
        proof.must(f"local_multi minus {arm}", gap, at_least=bound, interval=(low, high))
    gain = float(right[LOCAL].mean() - right[GLOBAL].mean())
    kept = float(right[SHUFFLED].mean() - right[GLOBAL].mean())
    proof.must(
        "share of the gain over global_multi that a shuffled map keeps", kept / gain if gain > 0 else 1.0, at_most=1 / 3
    )
    proof.must("crops whose pooled label is that of the largest tile", agreement, at_least=0.4)


def photos(context: Context, proof: Proof) -> None:
    """On photos: the whole map pooled says what the classifier says, and the mean of all logits is the classifier's."""
    table = context.load("in1k-sample")
    table = table.slice(0, context.size(len(table), 60)).select(["key", "image"])
    model = dense("offline")
    with context.pool(table) as pool, context.timed("photos"):
        pool.annotate(LabelMaps())
        rows = pool.rows()
        shape = label_map(pool.schema.field("relabel"), "the proof")
        source = open_source("relabel:global_multi", pool, rows, sorted(shape.classes), 224, "the proof")
        same, gap = 0, 0.0
        names = np.array(sorted(shape.classes))
        whole = View((RandomResizedCrop(8, (1.0, 1.0)),), 8)
        for start in range(0, len(rows), 8):
            part = rows[start : start + 8]
            images = np.stack(
                [model.prepare(decode(data or b"", model.size).pixels) for data in pool.read_images(part)]
            )
            with torch.inference_mode():
                logits = model.source.graph.logits(torch.from_numpy(images)).numpy()
            seen = [Seen(whole, [{"window": [0, 0, 8, 8]}], 8, 8)] * len(part)
            said = names[source.targets(part, seen).argmax(1)]
            same += int((said == np.array(shape.classes)[logits.argmax(1)]).sum())
            if start < 200:
                gap = max(gap, float(np.abs(model.maps(images).mean((2, 3)) - logits).max()))
    proof.must("photos on which the pooled map says what the classifier says", same / len(rows), at_least=0.95)
    proof.must("largest difference of the mean of a map from the classifier's logits", gap, at_most=1e-3)


def notes(proof: Proof) -> None:
    """What the reader of the verdict must know."""
    proof.note(
        f"Differences from the card's plan, all for time or because the product has it so: {SCENES:,} scenes, not 5,000; {STEPS} steps, not "
        f"1,500, because one of ResNet-8 takes four times as long here as the card has it; {TEST:,} test images, not 10,000; the arm "
        f"local_single is left out, it has no condition. Scenes are squeezed into {MAP_SIZE} pixels, not 256, so that a tile is as large as "
        "the images that the product fits the probe on. Students see the view 'imagenet' (crops of 0.08 to 1 of the "
        "area, as in the paper, which localise less than the card's 0.08 to 0.6); the largest-tile condition is on the card's crops."
    )
    proof.note(
        "Calibrated once, on other scenes (seed 77) and a probe of 1,500 images, before any student was trained for longer than a rehearsal: "
        "the bound on the largest tile is 0.4, not the card's 0.7. In 6 of 10 crops no tile holds half of the crop, and even in "
        "crops of one tile alone the annotator was right in 75 %. The bound on the shuffled map is not on the card, which says that it "
        "destroys the gain: at most a third may be left. The map's mean is compared with the logits on 200 photos."
    )
    proof.note(
        "One seed; intervals are over test images and do not hold what another seed would change. Students are as they end, "
        "nothing is held out."
    )
    single, local = (proof.details[f"{arm}: training images per second"] for arm in (SINGLE, LOCAL))
    proof.details["step time of local_multi to single"] = round(single / local, 3)
