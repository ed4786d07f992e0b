"""Stored views and teachers' answers as a source of targets: `learn classify --targets reinforce`.

Legend: m training rows, R records a row, k classes kept of an answer, b images of a batch, C classes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from veduta.encode.vocabulary import imagenet_names, imagenet_synsets
from veduta.errors import BadInput
from veduta.learn.augment.base import Image
from veduta.learn.augment.records import VERSION, Arrays, Recipe, from_struct, unpack
from veduta.learn.augment.witness import crc, libraries, sketch
from veduta.learn.decoded import pixels_of
from veduta.learn.targets.base import Replay, Seen
from veduta.learn.targets.named import Said, order_of
from veduta.pool import View

CLASSES = b"veduta:classes"
PROBED = 100
"""Rows whose first record is replayed before training begins."""

CHUNK = 1024
"""Rows that are read at once."""


class Reinforced:
    """What `annotate reinforce` stored (Faghri et al. 2023, arXiv 2303.08983, section 3.1).

    A visit of a row repeats, with probability `p` (0.99), one of its R records, each as likely, and the target is the teachers'
    answer to that view; else, and for rows without records, the run's own view and the plain label count. Options:
    `densify` "smooth" (default) spreads what the k stored classes lack evenly over the others, "zeros" gives all to the stored
    ones; `allow_drift=1` replays with other libraries than the records were made with.

    Every replay is compared with the CRC of the pixels that the teachers saw, unless drift is allowed. The targets are for
    exactly these pixels: mixing images on top is refused. Classes of the teachers that the task has not are left out and the
    rest is scaled to 1. Memory: the records of the training rows, with 10 classes 75 bytes each (R * m), and 8 bytes a row
    of the pool.

    Raises BadInput where the view's size is not `size`, the classes do not match, the records were made by other libraries, or
    the images have changed since.
    """

    exact = True

    def __init__(self, said: Said, pool: View, rows: NDArray[np.int64], classes: Sequence[str], size: int) -> None:
        said.known("p", "densify", "allow_drift")
        if said.mode:
            raise BadInput(f"--targets {said.text} has no modes; write {said.column} or {said.column}?densify=zeros")
        self.p = said.number("p", 0.99, 0, 1)
        self._smooth = said.choice("densify", ("smooth", "zeros")) == "smooth"
        allowed = said.choice("allow_drift", ("0", "1")) == "1"
        self._text, self._pool, self.classes = said.text, View(pool.dataset), len(classes)
        field = pool.schema.field(said.column)
        self.recipe = Recipe.of(field)
        self._fits(size)
        own = _spoken(json.loads((field.metadata or {})[CLASSES]), classes)
        order = order_of(own, classes, said.text)
        self._theirs, self._own = np.argsort(order, kind="stable")[len(own) - len(classes) :], len(own)
        self.side, self.view, self.samples = self.recipe.side, self.recipe.view, self.recipe.samples
        self._place, self._records = read(self._pool, said.column, rows)
        held = rows[self._place[rows] >= 0]
        self.missing = len(rows) - len(held)
        if not len(held):
            raise BadInput(
                f"--targets {said.text}: none of the {len(rows):,} training rows has records; make them with: veduta annotate "
                "reinforce POOL"
            )
        self._checked = not allowed
        self.notes = self._probe(held[np.linspace(0, len(held) - 1, min(PROBED, len(held))).astype(int)], allowed)

    def _fits(self, size: int) -> None:
        if size != self.recipe.size:
            raise BadInput(
                f"--targets {self._text} holds views of {self.recipe.size} pixels and the network would see {size}; give --size "
                f"{self.recipe.size}, or make other records with: veduta annotate reinforce POOL --size {size}"
            )
        if self.recipe.version != VERSION or json.loads(json.dumps(self.recipe.view.config())) != self.recipe.steps:
            raise BadInput(
                f"--targets {self._text} was made by another version of Veduta, whose view '{self.recipe.name}' is not this one's; "
                "make the records again with: veduta annotate reinforce POOL"
            )

    def _probe(self, rows: NDArray[np.int64], allowed: bool) -> list[str]:
        """Replay one record of each row. Raises BadInput unless the pixels are those of the build, or drift is allowed."""
        now = libraries()
        other = [
            f"{name} {then} (now {now[name]})" for name, then in self.recipe.libraries.items() if now[name] != then
        ]
        if not other and not allowed:
            for row, shown in self._replayed(rows):
                self._same(row, int(self._place[row]), shown)
            return []
        moved = np.array([self._moved(int(self._place[row]), shown) for row, shown in self._replayed(rows)])
        far = float(np.sqrt((moved[:, 1] ** 2).mean()) / np.sqrt(3 * self.recipe.size**2))
        words = (
            f"of {len(rows)} records replayed, {int(moved[:, 0].sum())} show other pixels than the teachers saw, on average "
            f"{far:.2g} of 255 off (root mean square)"
        )
        if other and not allowed:
            raise BadInput(
                f"--targets {self._text} was made with {', '.join(other)}; {words}; install those versions, make the records "
                f"again, or accept it with {self._accepting}"
            )
        return [f"drift is allowed: {words}"]

    @property
    def _accepting(self) -> str:
        return f"--targets '{self._text}{'&' if '?' in self._text else '?'}allow_drift=1'"

    def _replayed(self, rows: NDArray[np.int64]) -> Any:
        """(row, pixels) of the first record of each row."""
        for row, data in zip(rows.tolist(), self._pool.read_images(rows), strict=True):
            pixels = pixels_of(self._pool, row, data, self.side)
            yield row, self.view.apply(pixels, unpack(self.view, self._records, int(self._place[row])))

    def _moved(self, at: int, shown: Image) -> tuple[bool, float]:
        """Whether replayed pixels differ from those of a record, and by how much their sketches do."""
        then = int(self._records["crc"][at])
        return crc(shown) != then, float(sketch(shown, then) - int(self._records["sketch"][at]))

    def _same(self, row: int, at: int, shown: Image) -> None:
        """Raise BadInput unless the pixels are those of the record."""
        if crc(shown) == self._records["crc"][at]:
            return
        [known], [data] = self._pool.take([row], ["key", "digest"]).to_pylist(), self._pool.read_images([row])
        if data is not None and hashlib.sha256(data).hexdigest() == known["digest"]:
            raise BadInput(
                f"--targets {self._text}: a view of the image {known['key']}, which has not changed, shows other pixels than the "
                f"teachers saw, with the same libraries (another processor?); make the records again, or accept it with "
                f"{self._accepting}, which tells how far they are off"
            )
        raise BadInput(
            f"--targets {self._text}: the image {known['key']} is no longer the one that the teachers saw; ingest its source again, "
            "then run the same veduta annotate reinforce, which asks the teachers about changed images alone"
        )

    def replay(self, row: int, rng: np.random.Generator) -> Replay | None:
        """One of the row's records, or None."""
        first = int(self._place[row])
        if first < 0 or rng.random() >= self.p:
            return None
        at = first + int(rng.integers(self.samples))
        check = partial(self._same, row, at) if self._checked else None
        return Replay(self.view, unpack(self.view, self._records, at), at, check)

    def targets(self, rows: NDArray[np.int64], seen: Sequence[Seen]) -> NDArray[np.float32]:
        """(b, C): the answers to the records, zeros where none was replayed."""
        found = np.zeros((len(seen), self.classes), np.float32)
        told = np.array([i for i, how in enumerate(seen) if how.record is not None], np.int64)
        if len(told):
            at = np.array([seen[i].record for i in told], np.int64)
            dense = densify(self._records["p"][at], self._records["cls"][at], self._own, smooth=self._smooth)
            mine = dense[:, self._theirs]
            total = mine.sum(1, keepdims=True)
            found[told] = np.divide(mine, total, out=np.zeros_like(mine), where=total > 0)
        return found


def densify(p: NDArray[np.float16], cls: NDArray[np.int16], classes: int, *, smooth: bool) -> NDArray[np.float32]:
    """The k stored probabilities of n answers as (n, classes) float32 that sum to 1.

    smooth: what they lack of 1 is spread evenly over the other classes; else they alone are scaled to 1. Where their sum exceeds
    1 by rounding, they are scaled to 1 as well (the released code applies a softmax to probabilities there).
    """
    known = p.astype(np.float32)
    rest = np.maximum(0, 1 - known.sum(1, keepdims=True)) if smooth and classes > p.shape[1] else np.zeros((len(p), 1))
    dense = np.repeat((rest / max(1, classes - p.shape[1])).astype(np.float32), classes, axis=1)
    np.put_along_axis(dense, cls.astype(np.int64), known, axis=1)
    return dense / dense.sum(1, keepdims=True)


def read(pool: View, column: str, rows: NDArray[np.int64]) -> tuple[NDArray[np.int64], Arrays]:
    """(rows of the pool,) the place of each row's first record, -1 for none and for all but `rows`; and the records in arrays."""
    place = np.full(pool.dataset.count_rows(), -1, np.int64)
    pieces: list[Arrays] = []
    count = 0
    for start in range(0, len(rows), CHUNK):
        part = rows[start : start + CHUNK]
        lists = pool.take(part, [column]).column(0).combine_chunks()
        lists = lists.combine_chunks() if isinstance(lists, pa.ChunkedArray) else lists
        there = ~lists.is_null().to_numpy(zero_copy_only=False)
        records = lists.drop_null().flatten()
        if there.any():
            each = len(records) // int(there.sum())
            place[part[there]] = count + each * np.arange(int(there.sum()))
            count += len(records)
            pieces.append(from_struct(records))
    return place, {name: np.concatenate([piece[name] for piece in pieces]) for name in pieces[0]} if pieces else {}


def _spoken(own: Sequence[str], task: Sequence[str]) -> Sequence[str]:
    """The classes' own names, or ImageNet's WordNet ids where the task calls its classes so."""
    ids = imagenet_synsets() if tuple(own) == imagenet_names() else ()
    return ids if set(task) <= set(ids) else own
