"""A teacher's answers about many random views of every image."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from veduta.annotate.classes import CLASSES, class_numbers
from veduta.encode.base import fingerprint
from veduta.encode.classifier import Ensemble
from veduta.engine.fused import CHECK_SIDE, try_decode
from veduta.engine.operation import Annotator, Batch, Field
from veduta.engine.pipeline import BATCH, batched, ordered_map
from veduta.errors import BadInput, EncoderError
from veduta.pool import View

if TYPE_CHECKING:
    from veduta.learn.augment import View as Seen
    from veduta.learn.augment.records import Recipe

AT_ONCE = 64
"""Views of one image that are in memory together."""

TRIED, LEAST_TRIED = 200, 20
"""Labelled images that the teachers are tried on before the work begins, and how many are needed to stop it."""

MOST_CLASSES = 32_767


@cache
def _ensemble(teachers: tuple[str, ...]) -> Ensemble:
    return Ensemble(teachers)


class Reinforce(Annotator):
    """Store what teachers say of many random views of every image, so that any later training learns from it for free.

    Dataset reinforcement (Faghri et al. 2023, "Reinforce Data, Multiply Impact", arXiv 2303.08983, section 3). For each
    image, `samples` views are drawn from `recipe` and shown to the teachers at `size` pixels; stored are the parameters of each
    view, not its pixels, and the `topk` likeliest classes with their probabilities: the mean of the teachers' softmaxes, at
    temperature 1. `veduta learn classify POOL --targets reinforce` repeats the views bit for bit and learns the answers.

    Adds `reinforce`: list of `samples` structs: `crop` uint16[4] (top, left, height, width in pixels of the decoded image),
    `flip` bool, `op` int8[2] and `magnitude` float32[2] (RandAugment), `erase` uint16[4] (top, left, bottom, right in the view;
    zeros: nothing erased), `p` float16[topk], falling, and `cls` int16[topk]; `crc` uint32 and `sketch` int32 tell whether, and
    about how far, replayed pixels differ from those that the teachers saw. The field's metadata hold the recipe, the versions of
    the libraries that make pixels, the teachers' fingerprints (`veduta:reinforcement`) and the class names (`veduta:classes`).
    With rrc+ra/re and 10 classes 75 bytes a record. Rows whose decoded image is longer than 65,535 pixels get null.

    Each view is drawn from (seed, key, number) alone. The images are decoded for this operation alone, at the same side as in
    training, so a pass is not shared. Cost: samples * rows forwards of every teacher, told before the first. The teachers are
    tried first on up to 200 rows with a `target`: if fewer than 3 times chance are right (halfway from chance to certainty where
    classes are fewer than 5) of 20 or more, the class lists do not fit, and BadInput stops the run.

    Differences from the released code: crops are OpenCV's, RandAugment is the product's, and no recipe mixes images, since a
    row's record would have to hold another row's; the paper recommends rrc+ra/re. Crops show at least 0.08 of the area, and
    half of it where `size` is 64 or less.
    """

    alone: ClassVar[bool] = True

    teacher: tuple[str, ...] = Field(
        ("offline",),
        min_length=1,
        description="classifiers that answer together: offline, timm:NAME, onnx:PATH?classes=FILE, a run's folder",
    )
    samples: int = Field(50, ge=1, le=10_000, description="views of each image")
    topk: int = Field(10, ge=1, description="classes kept of each answer, the likeliest")
    recipe: Literal["rrc", "rrc+ra/re"] = Field(
        "rrc+ra/re", description="how views are drawn: crop and flip, or also RandAugment and random erasing"
    )
    size: int = Field(224, ge=8, le=4096, description="side in pixels of a view; later training sees this size")
    target: str | None = Field("label", description="column of labels on which the teachers are tried before the work")
    seed: int = Field(0, ge=0, lt=1 << 63, description="of the views")
    column: str = Field("reinforce", pattern=r"^[A-Za-z_]\w*$", description="name of the column")

    @property
    def side(self) -> int:
        return max(CHECK_SIDE, self._view.side)

    @property
    def _view(self) -> Seen:
        from veduta.learn.augment import view

        return view(self.recipe, self.size)

    def check(self, pool: View) -> None:
        known = len(_ensemble(self.teacher).classes)
        if self.topk > known:
            raise BadInput(f"topk of reinforce must be at most the {known} classes of the teachers, got {self.topk}")
        if known > MOST_CLASSES:
            raise BadInput(f"the teachers of reinforce may know at most {MOST_CLASSES:,} classes, got {known:,}")
        if self.target is not None:
            pool.require(self.target, needed_by="reinforce", mend="name the column of labels with --target")

    def setup(self) -> None:
        _ensemble(self.teacher)

    def fingerprint(self) -> str:
        recipe = self._recipe()
        return fingerprint(
            teachers=_ensemble(self.teacher).fingerprint, steps=recipe.steps, version=recipe.version,
            libraries=recipe.libraries,
        )  # fmt: skip

    def _recipe(self) -> Recipe:
        from veduta.learn.augment.records import Recipe
        from veduta.learn.augment.witness import libraries

        told = [{"uri": member.uri, "fingerprint": member.fingerprint} for member in _ensemble(self.teacher).members]
        return Recipe(
            self.recipe, self.size, self.side, self.samples, self.topk, self.seed, self._view.config(), libraries(), told
        )  # fmt: skip

    def adds(self) -> pa.Schema:
        from veduta.learn.augment.records import RECIPE, record_type

        names = json.dumps(_ensemble(self.teacher).classes, ensure_ascii=False).encode()
        metadata = {RECIPE: self._recipe().to_json(), CLASSES: names}
        return pa.schema([pa.field(self.column, pa.list_(record_type(self._view, self.topk)), metadata=metadata)])

    def annotate(self, batch: Batch) -> Mapping[str, pa.Array | np.ndarray]:
        from veduta.learn.augment.records import LONGEST, to_struct

        kind = self.adds().field(0).type
        keys = batch.column("key").to_pylist()
        fits = [max(image.shape) <= LONGEST for image in batch.images]
        pieces = [
            to_struct(self._records(key, image), kind.value_type)
            for key, image, fit in zip(keys, batch.images, fits, strict=True)
            if fit
        ]
        made = pa.concat_arrays(pieces) if pieces else pa.array([], kind.value_type)
        lists = pa.ListArray.from_arrays(pa.array(np.arange(len(pieces) + 1) * self.samples, pa.int32()), made)
        places = pa.array(np.cumsum(fits) - 1, mask=~np.array(fits, bool))
        return {self.column: pa.array([], kind) if not len(batch) else lists.cast(kind).take(places)}

    def _records(self, key: str, image: NDArray[np.uint8]) -> dict[str, np.ndarray]:
        """The records of one image: `samples` views drawn, shown and answered."""
        from veduta.learn.augment.records import draw, unpack
        from veduta.learn.augment.witness import crc, sketch

        view, ensemble = self._view, _ensemble(self.teacher)
        arrays = draw(view, key, self.samples, self.seed, *image.shape[:2])
        answers, seen = [], []
        for some in batched(range(self.samples), AT_ONCE):
            shown = [view.apply(image, unpack(view, arrays, number)) for number in some]
            answers.append(ensemble(shown))
            seen += [(mark, sketch(pixels, mark)) for pixels in shown for mark in [crc(pixels)]]
        chances = np.concatenate(answers)
        if not np.isfinite(chances).all():
            raise EncoderError(
                f"reinforce: the teachers' answer about the image {key} is not a number; use other teachers"
            )
        arrays["cls"] = np.argsort(-chances, axis=1, kind="stable")[:, : self.topk].astype(np.int16)
        arrays["p"] = np.take_along_axis(chances, arrays["cls"].astype(np.int64), 1).astype(np.float16)
        arrays["crc"] = np.array([mark for mark, _ in seen], np.uint32)
        arrays["sketch"] = np.array([drawn for _, drawn in seen], np.int32)
        return arrays

    def foresee(self, pool: View, rows: NDArray[np.int64]) -> list[str]:
        """Try the teachers on labelled rows, and tell from the time that takes what all of it will take."""
        values = [None] * len(rows) if self.target is None else pool.take(rows, [self.target]).column(0).to_pylist()
        labels = [None if value is None else str(value) for value in values]
        numbers = class_numbers(labels, _ensemble(self.teacher).classes)
        some = np.flatnonzero(numbers >= 0) if (numbers >= 0).any() else np.arange(len(rows))
        some = some[np.linspace(0, len(some) - 1, min(TRIED, len(some))).astype(int)]
        self._tried(pool, rows[some[:1]])  # opens the networks, which is not part of the time of an answer
        started = time.perf_counter()
        told, tried = self._tried(pool, rows[some])
        if not tried.any():
            return [f"reinforce: none of {len(some)} images could be read, so nothing tells how long it will take"]
        rate = len(told) / max(time.perf_counter() - started, 1e-9)
        found = [self._cost(len(rows), rate, len(told)), *self._enlarged(pool, rows[some])]
        if self.target is None or all(label is None for label in labels):
            return [*found, f"no row has a {self.target or 'target'}, so nothing tells whether the teachers are right"]
        known = numbers[some][tried]
        if not (known >= 0).any():
            strange = next(label for label in labels if label is not None)
            raise BadInput(
                f"the teachers of reinforce know none of the labels in '{self.target}' (such as '{strange}'; they know "
                f"{', '.join(_ensemble(self.teacher).classes[:3])}, ...); name teachers of these classes, or another --target"
            )
        return [*found, self._trusted(told, known, labels, int((numbers >= 0).sum()))]

    def _tried(self, pool: View, rows: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """What the teachers call whole images, and which of the rows have an image that can be decoded."""
        from veduta.learn.augment import view

        whole, ensemble = view("eval", self.size), _ensemble(self.teacher)

        def answers(part: list[int]) -> list[int]:
            decoded = [try_decode(data, self.side)[0] for data in pool.read_images(np.asarray(part))]
            shown = [whole(pixels, np.random.default_rng(0)) for pixels in decoded if pixels is not None]
            told = iter(ensemble(shown).argmax(1).tolist() if shown else [])
            return [-1 if pixels is None else next(told) for pixels in decoded]

        pool.rows()  # fills the address cache before threads share it
        found = [each for part in ordered_map(answers, batched(rows.tolist(), BATCH)) for each in part]
        told = np.array(found, np.int64)
        return told[told >= 0], told >= 0

    def _cost(self, rows: int, rate: float, tried: int) -> str:
        total, members = rows * self.samples, len(self.teacher)
        bits = sum(_bits(field.type) for field in self.adds().field(0).type.value_type)
        return (
            f"reinforce: {self.samples} views of {rows:,} images are {total:,} answers of "
            f"{members} teacher{'s' if members > 1 else ''}: about {_span(total / max(rate, 1e-9))} at the {rate:,.0f} a second of "
            f"{tried} just tried, and about {_room(total * bits / 8)} in the pool"
        )

    def _enlarged(self, pool: View, rows: NDArray[np.int64]) -> list[str]:
        """A sentence if most images are much smaller than a view."""
        sides = np.stack([column.to_numpy() for column in pool.take(rows, ["width", "height"]).columns])
        short = int(np.median(sides.min(0)))
        if 2 * short > self.size:
            return []
        return [
            f"the images have {short} pixels on the short side and views {self.size}; --size {max(8, short)} would do"
        ]

    def _trusted(self, told: NDArray[np.int64], known: NDArray[np.int64], labels: list[str | None], inside: int) -> str:
        """The teachers' accuracy in a sentence. Raises BadInput where it is next to chance."""
        right = float((told == known).mean())
        classes = len(_ensemble(self.teacher).classes)
        least = min(3 / classes, (1 + 1 / classes) / 2)
        if right < least and len(known) >= LEAST_TRIED:
            raise BadInput(
                f"the teachers of reinforce are right on {right:.1%} of {len(known)} labelled images, less than the {least:.1%} "
                f"that must be expected of {classes} classes; the class lists are probably in another order, or --target "
                f"'{self.target}' is another question"
            )
        outside = sum(label is not None for label in labels) - inside
        more = f"; {outside:,} rows have a label that they do not know" if outside else ""
        return f"the teachers are right on {right:.1%} of {len(known)} labelled images, whole and not augmented{more}"


def _bits(kind: pa.DataType) -> int:
    """Of a value of a record's field."""
    return kind.list_size * _bits(kind.value_type) if pa.types.is_fixed_size_list(kind) else kind.bit_width


def _room(octets: float) -> str:
    return f"{octets / 1e6:,.1f} MB" if octets >= 1e6 else f"{octets / 1e3:,.0f} kB"


def _span(seconds: float) -> str:
    if seconds >= 5400:
        return f"{seconds / 3600:.1f} h"
    return f"{seconds / 60:.0f} min" if seconds >= 90 else f"{seconds:.0f} s"
