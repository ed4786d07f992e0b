"""Fit the linear map of `offline` from images to texts, choose its blend with ConSE, and measure both.

    python -m veduta.encode.fit_map --train EMOJI --validate TUX_OBJECTS --test flickr8k=DIR --test coco-mini=DIR --out DIR

Every folder holds images and a `metadata.jsonl` or `index.jsonl` (fields: `file_name` or `file`, `captions`, and where
given `license`, `split`), as `veduta samples get` makes them. Fitted are the rows of `--train` whose licence allows to
ship what comes of them and whose split is "train", and one anchor a class: its row of the classifier, paired with its
name. Temperature, number of classes, strength of the ridge and blend are chosen on `--validate`; `--test` only measures.
Run twice on one machine it writes the same bytes; on another processor the last bit of a few numbers may differ.
"""

from __future__ import annotations

import argparse
import itertools
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from veduta.encode.base import unit
from veduta.encode.conse import conse
from veduta.encode.joint import Blend, linear, save
from veduta.encode.offline import Offline, classifier
from veduta.errors import BadInput

LICENCES = ("Apache-2.0", "CC-BY-4.0", "CC0-1.0", "MIT")
RANK = 96
TEMPERATURES, TOPS, RIDGES, BLENDS = (1.0, 2.0), (10, 50), (1.0, 3.0, 10.0), (0.0, 0.2, 0.35, 0.5, 0.65, 1.0)


@dataclass(frozen=True)
class Pairs:
    """n images and m captions. features (n, 1280) unit, logits (n, 1000), texts (m, 384) unit, owner (m,) image of each."""

    features: NDArray[np.float32]
    logits: NDArray[np.float32]
    texts: NDArray[np.float32]
    owner: NDArray[np.int64]


def read(folder: Path, encoder: Offline, *, captions: int, licences: Sequence[str] = (), split: str = "") -> Pairs:
    """Encode the rows of a folder that have captions, the first `captions` of each; others are left out."""
    from veduta.engine.decode import decode

    listing = next((folder / name for name in ("metadata.jsonl", "index.jsonl") if (folder / name).is_file()), None)
    if listing is None:
        raise BadInput(
            f"The folder {folder} must hold a metadata.jsonl or index.jsonl; get one by: veduta samples get NAME"
        )
    rows = [json.loads(line) for line in listing.read_text(encoding="utf-8").splitlines()]
    rows = [
        row
        for row in rows
        if row.get("captions")
        and (not licences or row.get("license") in licences)
        and (not split or row.get("split") == split)
    ]
    if not rows:
        raise BadInput(
            f"The file {listing} has no row with captions and one of the licences {', '.join(licences) or 'any'}"
        )
    features, logits = [], []
    for start in range(0, len(rows), 64):
        files = [folder / str(row.get("file_name") or row["file"]) for row in rows[start : start + 64]]
        squares = [encoder.prepare(decode(file.read_bytes(), encoder.resize).pixels) for file in files]
        found = encoder.forward(np.stack(squares))
        features.append(unit(found[0]))
        logits.append(found[1])
    texts = [(index, text) for index, row in enumerate(rows) for text in row["captions"][:captions]]
    return Pairs(
        np.concatenate(features),
        np.concatenate(logits),
        encoder.text([text for _, text in texts]),
        np.asarray([index for index, _ in texts], np.int64),
    )


class Ridge:
    """Linear least squares with penalty: all strengths from one eigendecomposition of the (d, d) scatter matrix.

    M = (X'X + lambda I)^-1 X'Y on centred X (n, d) and Y (n, t), in double precision.
    """

    def __init__(self, inputs: NDArray[np.floating], targets: NDArray[np.floating]) -> None:
        x, y = inputs.astype(np.float64), targets.astype(np.float64)
        self._x_mean, self._y_mean = x.mean(0), y.mean(0)
        x, y = x - self._x_mean, y - self._y_mean
        values, self._basis = np.linalg.eigh(x.T @ x)
        self._values = np.maximum(values, 0)
        self._projected = self._basis.T @ (x.T @ y)

    def at(self, strength: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """The matrix (d, t) and the intercept (t,) for one lambda."""
        matrix = self._basis @ (self._projected / (self._values + strength)[:, None])
        return matrix, self._y_mean - self._x_mean @ matrix

    def root(self) -> NDArray[np.float64]:
        """The symmetric root (d, d) of the scatter matrix."""
        return self._basis * np.sqrt(self._values) @ self._basis.T


def factors(
    matrix: NDArray[np.float64], root: NDArray[np.float64], rank: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(d, r) and (r, t), the rank-r approximation A of the map M (d, t) that is best in its outputs.

    With `root` (d, d) the symmetric root of the inputs' scatter, the squared error of the outputs is the squared Frobenius
    norm of root (M - A); it is least where A is M projected on the r leading right singular vectors of root M (Eckart and
    Young 1936).
    """
    right = np.linalg.svd(root @ matrix, full_matrices=False)[2][:rank]
    right *= np.sign(right[np.arange(len(right)), np.abs(right).argmax(1)])[:, None]
    return matrix @ right.T, right


def with_anchors(pairs: Pairs, words: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Inputs (m + 1000, 1280) and targets (m + 1000, 384): the captions' pairs, and an anchor a class.

    The classifier's row for a class is the direction in which features grow more like it; relative to the mean row, at
    the features' own mean and spread, it stands in for an image of the class.
    """
    inputs = pairs.features[pairs.owner]
    mean = inputs.mean(0)
    spread = float(np.sqrt(np.mean(np.sum((inputs - mean) ** 2, 1))))
    rows = classifier()
    anchors = mean + spread * unit(rows - rows.mean(0))
    return np.concatenate([inputs, anchors]), np.concatenate([pairs.texts, words])


def ranks(images: NDArray[np.float32], texts: NDArray[np.float32], owner: NDArray[np.int64]) -> NDArray[np.int64]:
    """For each text (m, t) the number of images (n, t) that are nearer to it than its own; ties count half a place up."""
    scores = texts @ images.T
    own = scores[np.arange(len(texts)), owner][:, None]
    return ((scores > own).sum(1) + ((scores == own).sum(1) - 1) // 2).astype(np.int64)


def recalls(found: NDArray[np.int64]) -> dict[str, float]:
    """Recall at 1, 5 and 10 in percent."""
    return {f"R@{k}": round(float(100 * (found < k).mean()), 2) for k in (1, 5, 10)}


def choose(pairs: Pairs, words: NDArray[np.float32], ridge: Ridge) -> tuple[Blend, float]:
    """The blend rule and ridge strength with the best mean of R@1, R@5 and R@10; among equals the first of the grid."""
    maps = {strength: _mapped(pairs, *ridge.at(strength)) for strength in RIDGES}
    best: tuple[float, Blend, float] | None = None
    for temperature, top in itertools.product(TEMPERATURES, TOPS):
        by_classes = conse(pairs.logits, words, top, temperature)
        for strength, share in itertools.product(RIDGES, BLENDS):
            rule = Blend(temperature, top, share)
            score = sum(recalls(ranks(rule.mix(by_classes, maps[strength]), pairs.texts, pairs.owner)).values())
            if best is None or score > best[0]:
                best = score, rule, strength
    if best is None:
        raise BadInput("The grid of blends is empty")
    return best[1], best[2]


def _mapped(pairs: Pairs, matrix: NDArray[np.float64], bias: NDArray[np.float64]) -> NDArray[np.float32]:
    return unit((pairs.features @ matrix + bias).astype(np.float32))


def measure(
    pairs: Pairs, words: NDArray[np.float32], rule: Blend, parts: tuple[NDArray[np.float32], ...]
) -> dict[str, object]:
    """Recalls of ConSE as published, of ConSE under the chosen temperature, of the map alone and of the blend, and the
    95 % interval of blend minus ConSE, from 2,000 bootstrap draws of images."""
    by_map = linear(pairs.features, *parts)
    tempered = conse(pairs.logits, words, rule.top, rule.temperature)
    images = {
        "conse": conse(pairs.logits, words),
        "conse tempered": tempered,
        "map": by_map,
        "blend": rule.mix(tempered, by_map),
    }
    found = {name: ranks(each, pairs.texts, pairs.owner) for name, each in images.items()}
    rng = np.random.default_rng(0)
    draws = rng.integers(0, len(pairs.features), (2000, len(pairs.features)))
    interval = {}
    for k in (1, 5, 10):
        gain = (found["blend"] < k).astype(float) - (found["conse"] < k)
        total = np.bincount(pairs.owner, gain, len(pairs.features))
        count = np.bincount(pairs.owner, minlength=len(pairs.features))
        drawn = 100 * total[draws].sum(1) / count[draws].sum(1)
        interval[f"R@{k}"] = [round(float(edge), 2) for edge in np.percentile(drawn, (2.5, 97.5))]
    return {
        "images": len(pairs.features),
        "captions": len(pairs.texts),
        "chance R@1": round(100 / len(pairs.features), 3),
        **{name: recalls(each) for name, each in found.items()},
        "blend minus conse, 95 % interval": interval,
    }


def main(arguments: Iterable[str] | None = None) -> None:
    """The command of this module."""
    parser = argparse.ArgumentParser(prog="python -m veduta.encode.fit_map", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--train", type=Path, action="append", required=True, help="folder of images with captions")
    parser.add_argument("--validate", type=Path, required=True, help="folder on which the blend is chosen")
    parser.add_argument("--test", action="append", default=[], metavar="NAME=DIR", help="folder to measure on")
    parser.add_argument("--licences", nargs="+", default=LICENCES, help="licences of training rows; 'any' takes all")
    parser.add_argument("--split", default="train", help="split of training rows; '' takes all")
    parser.add_argument("--date", default="", help="date written into the table of measurements")
    parser.add_argument("--out", type=Path, required=True, help="folder for offline_map.safetensors, offline_text.json")
    given = parser.parse_args(None if arguments is None else list(arguments))
    encoder = Offline()
    words = encoder.words()
    licences = () if list(given.licences) == ["any"] else tuple(given.licences)
    read_in = [read(each, encoder, captions=1, licences=licences, split=given.split) for each in given.train]
    inputs, targets = (
        np.concatenate(each) for each in zip(*(with_anchors(each, words) for each in read_in), strict=True)
    )
    ridge = Ridge(inputs, targets)
    validation = read(given.validate, encoder, captions=5)
    rule, strength = choose(validation, words, ridge)
    matrix, bias = ridge.at(strength)
    left, right = factors(matrix, ridge.root(), RANK)
    about = {"ridge": strength, "rank": RANK, "training pairs": len(inputs), "licences": list(given.licences)}
    given.out.mkdir(parents=True, exist_ok=True)
    save(given.out / "offline_map.safetensors", left, right, bias, rule, about)
    parts = tuple(each.astype(kind).astype(np.float32) for each, kind in ((left, "f2"), (right, "f2"), (bias, "f4")))
    table: dict[str, object] = {"date": given.date, "rule": vars(rule), **about, "task": "text to image, percent"}
    table[f"validation: {given.validate.name}"] = measure(validation, words, rule, parts)
    for name, _, folder in (each.partition("=") for each in given.test):
        table[f"test: {name}"] = measure(read(Path(folder), encoder, captions=5), words, rule, parts)
    text = json.dumps(table, indent=1) + "\n"
    (given.out / "offline_text.json").write_text(text, encoding="utf-8")
    print(text, end="")


if __name__ == "__main__":
    main()
