"""LGS's diagnosis at our scale: product-like pictures on white make an ImageNet classifier fall, although their classes can be
learned from its features.

Bai et al.: "Let's Go Shopping (LGS)" (arXiv 2401.04575). The paper has 13 million pairs of 10,000 shops and 176 shared
synsets; here the shop is the photo cut-outs of Tux Paint on white, titles are their captions, and the other domain is
ImageNet's own photos. The map from titles to synsets is the product's (`annotate taxonomy`, `merge-labels`, `map-labels`)
with a review that was made by looking at every label's pictures, and committed, before any recall was measured.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from PIL import Image, ImageFilter

from veduta.annotate.classify import Classify
from veduta.annotate.embed import Embed
from veduta.annotate.map_labels import MapLabels
from veduta.annotate.merge_labels import MergeLabels
from veduta.annotate.taxonomy import Taxonomy
from veduta.encode.vocabulary import imagenet_synsets
from veduta.errors import BadInput
from veduta.judge.domain_shift import DomainShift, Shift
from veduta.judge.proof import Context, Proof
from veduta.pool import Pool
from veduta.pool.label_review import decide, read_review
from veduta.select.class_set import ClassSet

SLUG = "lgs-shopping"
CLAIM = (
    "On product-like pictures on a plain ground an ImageNet classifier falls sharply, although their classes can be told apart "
    "from its frozen features."
)
SOURCE = "Bai et al., Let's Go Shopping (LGS), arXiv 2401.04575"

REVIEW = Path(__file__).with_name("lgs-shopping.csv")
PUBLISHED = 0.75
"""Top-1 accuracy of EfficientNet-Lite0 on ImageNet's validation set, as its authors give it (about 75 %)."""
PLANTED = ("crane", "bat", "mouse", "mole", "seal", "cricket")
# Drawings that stand among the photos; found by looking, before any recall was measured.
DRAWINGS = frozenset(
    f"{name}.png"
    for name in (
        "animals/insects/bee", "animals/mammals/echidna", "animals/mammals/hedgehog", "clothes/button", "clothes/hats/blue_fedora",
        "clothes/hats/feathered_hat", "clothes/hats/green_fedora", "clothes/hats/propeller_hat", "clothes/hats/sombrero",
        "clothes/hats/tophat", "clothes/t_baseballcap", "clothes/t_glove", "clothes/t_jacket", "clothes/t_pants", "clothes/t_poloshirt",
        "clothes/t_scarf", "clothes/t_shirt", "clothes/t_sock", "clothes/t_tshirt", "food/pizza", "household/key", "medical/tooth",
        "space/planets/0_sun", "town/monuments/inukshuk-outline", "vehicles/emergency/sedan_police", "vehicles/race/indycar",
        "vehicles/ship/chineseJunk",
    )
)  # fmt: skip
LEAST, MOST = 13, 30
"""Rows of a top-level category in the probe: the majority rate of all stamps is 41 %, of which three times is not a rate."""


def run(context: Context) -> Proof:
    """Make the pools, map, measure the fall and the probe."""
    if context.scale != "cpu":
        raise BadInput("the proof lgs-shopping is written for the CPU only; leave --scale out")
    proof = Proof(SLUG, CLAIM, SOURCE)
    stamps = cut_outs(context)
    photos = context.load("in1k-sample").rename_columns({"label": "words"})
    if context.quick:
        photos = photos.take(list(range(0, photos.num_rows, 2)))
    proof.note(
        f"{len(stamps)} cut-outs ({len(DRAWINGS)} drawings among the photo folders left out by name), composited at native size, "
        f"median short side {np.median([min(s['cut'].size) for s in stamps]):.0f} px. Drawings and the map's review were decided by "
        "looking at the pictures and labels, before any recall was measured."
    )
    with (
        context.pool(table(stamps, white), Classify(), Embed()) as shop,
        context.pool(photos.select(["key", "image", "wnid"]), Classify()) as reference,
    ):
        labels(proof, context, shop)
        with context.timed("judge"):
            shift = judge(shop, reference, "synset")
            fall(proof, shift, "on white")
            probes(proof, shop, context)
        synsets = dict(zip(*(shop.table(["key", "synset"]).to_pydict()[c] for c in ("key", "synset")), strict=True))
        controls(proof, context, stamps, synsets, photos, shop, reference)
    return proof


def cut_outs(context: Context, drawings: bool = False) -> list[dict[str, Any]]:
    """The stamps that are photos of one thing, with the decoded cut-out; or those and the drawings among them."""
    found = []
    for row in context.load("tux-stamps").to_pylist():
        name = str(row["key"]).removeprefix("images/")
        if (
            row["is_object"]
            and not row["cartoon"]
            and not row["mirrored"]
            and row["captions"]
            and (drawings or name not in DRAWINGS)
        ):
            found.append({**row, "key": name, "cut": Image.open(io.BytesIO(row["image"])).convert("RGBA")})
    return found


def white(cut: Image.Image) -> Image.Image:
    """Over white at native size, where each pixel's colour still stands with its own alpha: no halo, as with premultiplied
    colours; resizing comes later.
    """
    ground = Image.new("RGBA", cut.size, "white")
    ground.alpha_composite(cut)
    return ground.convert("RGB")


def padded(cut: Image.Image) -> Image.Image:
    """As `white`, in the middle of a white square: the encoder's central crop cuts nothing away."""
    flat = white(cut)
    side = max(flat.size)
    square = Image.new("RGB", (side, side), "white")
    square.paste(flat, ((side - flat.width) // 2, (side - flat.height) // 2))
    return square


def natural(photos: list[bytes], rng: np.random.Generator) -> Callable[[Image.Image], Image.Image]:
    """Over a random crop of a random photo, blurred by a fortieth of the picture's side."""

    def compose(cut: Image.Image) -> Image.Image:
        ground = Image.open(io.BytesIO(photos[rng.integers(len(photos))])).convert("RGB")
        scale = max(cut.width / ground.width, cut.height / ground.height)
        ground = ground.resize(
            (max(cut.width, round(ground.width * scale)), max(cut.height, round(ground.height * scale)))
        )
        left, top = rng.integers(0, ground.width - cut.width + 1), rng.integers(0, ground.height - cut.height + 1)
        ground = ground.crop((left, top, left + cut.width, top + cut.height))
        ground = ground.filter(ImageFilter.GaussianBlur(max(cut.size) / 40)).convert("RGBA")
        ground.alpha_composite(cut)
        return ground.convert("RGB")

    return compose


def table(
    stamps: list[dict[str, Any]], compose: Callable[[Image.Image], Image.Image], **columns: list[Any]
) -> pa.Table:
    """The stamps as a shop's table: title, category path, top-level category as label."""
    images = []
    for stamp in stamps:
        stream = io.BytesIO()
        compose(stamp["cut"]).save(stream, "PNG")
        images.append(stream.getvalue())
    return pa.table(
        {
            "key": [s["key"] for s in stamps], "image": pa.array(images, pa.binary()), "label": [s["label"] for s in stamps],
            "title": [s["captions"][0] for s in stamps],
            "category_path": pa.array([s["category"].split("/") for s in stamps], pa.list_(pa.string())), **columns,
        }
    )  # fmt: skip


def labels(proof: Proof, context: Context, shop: Pool) -> None:
    """Steps 5 and 6: leaves, merged, mapped; the automatic map against the reviewed one; planted polysemes."""
    with context.timed("labels"):
        shop.annotate(Taxonomy(source="title"))
        shop.annotate(MergeLabels())
        mapping = MapLabels()
        leaves = shop.table(["merged_label"])["merged_label"].to_pylist()
        made = mapping.propose(shop.where("error is null"), [*leaves, *PLANTED])
        shop.annotate(MapLabels(review=str(REVIEW)))
    automatic = {row["given"]: row["mapped"] for row in decide(made, 0.90).to_pylist()}
    reviewed = {row["given"]: row["mapped"] for row in decide(read_review(REVIEW), 2.0).to_pylist()}
    seen = sorted((set(leaves) - {None}) & set(reviewed))
    taken = [leaf for leaf in seen if automatic.get(leaf)]
    right = [leaf for leaf in taken if automatic[leaf] == reviewed.get(leaf)]
    there = [leaf for leaf in seen if reviewed.get(leaf)]
    flagged = [row["given"] for row in made.to_pylist() if row["ambiguous"] and row["given"] in seen]
    precision = proof.measure("map", "automatic", "precision", len(right) / max(1, len(taken)), n=len(taken))
    proof.measure("map", "automatic", "recall", len(right) / max(1, len(there)), n=len(there))
    proof.measure("map", "automatic", "share flagged for review", len(flagged) / max(1, len(seen)), n=len(seen))
    kept = [row for row in made.to_pylist() if row["given"] in flagged]
    proof.measure(
        "map",
        "proposals for flagged labels",
        "precision",
        float(np.mean([r["mapped"] == reviewed.get(r["given"]) for r in kept])),
        n=len(kept),
    )
    planted = {row["given"]: row for row in made.to_pylist() if row["given"] in PLANTED}
    quiet = [word for word in PLANTED if automatic.get(word)]
    proof.must("precision of the automatic map against the reviewed one", precision, at_least=0.85)
    proof.must("planted polysemes that are not mapped without a review, of 6", len(PLANTED) - len(quiet), at_least=6)
    proof.details["planted"] = {
        word: {"ambiguous": r["ambiguous"], "score": round(r["score"], 3), "how": r["how"]}
        for word, r in planted.items()
    }
    proof.details["automatic errors"] = [leaf for leaf in taken if leaf not in right]
    proof.note(
        "Of the planted polysemes bat and seal are names of no ImageNet-1k class, so nothing is proposed for them unless a "
        "near name passes the threshold; the card's 'flagged, if present' is asked as 'never mapped without a review'."
    )


def judge(shop: Pool, reference: Pool, target: str) -> Shift:
    """The product's own judgement."""
    return DomainShift(
        reference=str(reference.path), target=target, reference_target="wnid", probe_target="label"
    ).measure(shop)


def fall(proof: Proof, shift: Shift, arm: str) -> None:
    """(a) the recall over synsets here and on ImageNet's photos."""
    n = len(shift.classes)
    proof.measure("recall over synsets", f"cut-outs {arm}", "top-1", shift.own_recall.mean(), n=n)
    proof.measure("recall over synsets", f"cut-outs {arm}", "top-5", shift.own_top5, n=n)
    proof.measure(
        "recall over synsets",
        "in1k-sample (training photos)",
        "top-1",
        shift.reference_recall.mean(),
        kind="baseline",
        n=n,
    )
    proof.measure(
        "recall over synsets", "in1k-sample (training photos)", "top-5", shift.reference_top5, kind="baseline", n=n
    )
    proof.measure(
        "recall over synsets", "ImageNet validation, all classes, as published", "top-1", PUBLISHED, kind="baseline"
    )
    proof.must("recall falls, points of 1", shift.drop, at_least=0.15, interval=(shift.low, shift.high))
    proof.must("lower end of the fall's 95 % interval", shift.low, at_least=0.05)
    if shift.drop < 0.05:
        proof.note(
            "The fall is below 5 points: by the rule that was set before the run, the claim is falsified at this scale."
        )
    proof.details["sides"] = {"cut-outs": shift.sides[0], "in1k-sample": shift.sides[1]}
    proof.details["blame"] = shift.blame
    proof.details["synsets"] = {
        shift.own.names[c]: [round(float(a), 3), round(float(b), 3)]
        for c, a, b in zip(shift.classes, shift.own_recall, shift.reference_recall, strict=True)
    }


def probes(proof: Proof, shop: Pool, context: Context) -> None:
    """(b) a 5-fold linear probe for the top-level category, on a class set that no category dominates."""
    shop.select(
        ClassSet(by="label", min_per_class=LEAST, per_class=MOST, balanced=False, seed=context.seed), name="categories"
    )
    asked = DomainShift(
        reference=str(shop.path), target="synset", reference_target="synset", probe_target="label", seed=context.seed
    )
    for name, where in (("class set", "select_categories"), ("all stamps", None)):
        found = asked.model_copy(update={"where": where}).measure(shop).probe
        if found is None:
            raise BadInput("the probe needs two categories with five rows; give --data with the whole sample")
        kind = "arm" if where else "control"
        proof.measure(
            f"top-level category, {name}",
            "linear probe on Lite0",
            "accuracy",
            found.accuracy,
            interval=(found.low, found.high),
            n=found.rows,
            kind=kind,
        )
        proof.measure(
            f"top-level category, {name}", "majority", "accuracy", found.majority, n=found.rows, kind="baseline"
        )
        if where:
            proof.must("accuracy of the linear probe", found.accuracy, at_least=0.85, interval=(found.low, found.high))
            proof.must("times the majority rate", found.accuracy / found.majority, at_least=3.0)
            proof.must("categories in the probe", found.classes, at_least=5)
    proof.note(
        f"The probe's rows are a class set (`select class-set`): categories with at least {LEAST} rows, at most {MOST} of each. All "
        "stamps together have a majority rate of 41 %, so that three times it could not be reached by anything."
    )


def controls(
    proof: Proof,
    context: Context,
    stamps: list[dict[str, Any]],
    synsets: dict[str, str | None],
    photos: pa.Table,
    shop: Pool,
    reference: Pool,
) -> None:
    """(c) how much of the fall is the ground or the crop; a map that means nothing; photos that the model never saw."""
    truth = [synsets[s["key"]] for s in stamps]
    grounds = natural(photos["image"].to_pylist(), context.rng("grounds"))
    shuffled = np.array(imagenet_synsets())[context.rng("shuffled").integers(0, 1000, len(stamps))].tolist()
    arms = {
        "on blurred natural grounds": (grounds, truth), "on white, padded to a square": (padded, truth),
        "on white, synsets at random": (white, shuffled),
    }  # fmt: skip
    for arm, (compose, wnids) in arms.items():
        rows = table(stamps, compose, wnid=pa.array(wnids, pa.string()))
        with context.pool(rows, Classify()) as pool:
            found = judge(pool, reference, "wnid")
        proof.measure(
            "recall over synsets",
            f"cut-outs {arm}",
            "top-1",
            found.own_recall.mean(),
            kind="control",
            n=len(found.classes),
        )
        proof.details[f"fall {arm}"] = [round(x, 4) for x in (found.drop, found.low, found.high)]
    with context.pool(table(cut_outs(context, drawings=True), white), Classify()) as pool:
        pool.annotate([Taxonomy(source="title"), MergeLabels(), MapLabels(review=str(REVIEW))])
        found = judge(pool, reference, "synset")
    n = len(found.classes)
    proof.measure(
        "recall over synsets", "cut-outs and drawings on white", "top-1", found.own_recall.mean(), kind="control", n=n
    )
    proof.details["fall with drawings"] = [round(x, 4) for x in (found.drop, found.low, found.high)]
    proof.note(
        "The control with the drawings was added after the first run, which had all other arms and the same conditions: leaving "
        "them out was our choice, and works against the claim."
    )
    held = context.load("imagenet-val")
    wanted = {node for node in truth if node}
    kept = [i for i, node in enumerate(held["wnid"].to_pylist()) if node in wanted]
    rows = held.select(["key", "image", "wnid"]).take(pa.array(kept, pa.int64()))
    with context.pool(rows, Classify()) as pool:
        found = DomainShift(reference=str(pool.path), target="synset", reference_target="wnid").measure(shop)
    n = len(found.classes)
    proof.measure(
        "recall over synsets",
        "ImageNet validation photos (227 px, squeezed)",
        "top-1",
        found.reference_recall.mean(),
        kind="control",
        n=n,
    )
    proof.measure(
        "recall over synsets",
        "cut-outs on white, synsets of these photos",
        "top-1",
        found.own_recall.mean(),
        kind="control",
        n=n,
    )
    proof.details["fall against validation photos"] = [round(x, 4) for x in (found.drop, found.low, found.high)]
    proof.note(
        "The photos of in1k-sample are training photos, so the fall against them is flattered by what the model remembers; the "
        "validation photos, of which few share a synset, and the published accuracy say by how much."
    )
