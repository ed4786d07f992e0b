"""From a pool to batches: read, decode, augment and normalise in threads, in an order that resumes exactly."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from veduta.engine import pipeline
from veduta.errors import BadInput
from veduta.learn.augment.base import Image
from veduta.learn.augment.view import View
from veduta.learn.column_values import ColumnValues
from veduta.learn.decoded import Decoded
from veduta.learn.order import Blocks, Order, shareable, visits
from veduta.learn.targets.base import Seen, TargetSource
from veduta.pool import View as Rows

SMALL = 64
"""Up to this side a thread spends its time in the interpreter, where threads only wait for each other."""

PIECE = (8, 64)
"""Fewest and most images that a thread takes at once: one request to the table each."""

AHEAD_BYTES = 512 << 20
"""Batches are prepared ahead up to this size, but always one."""

_WORD = (1 << 64) - 1


@dataclass(frozen=True, slots=True)
class Batch:
    """images: one (b, 3, s, s) float32 normalised tensor a view. rows: (b,) int64 positions in the pool. columns: lists
    of b values. step: global number of the batch. epoch: the pass it belongs to. targets: (b, C) float32 soft targets, and
    seen: how each image was seen, of a loader with a source of targets.
    """

    images: tuple[Tensor, ...]
    rows: NDArray[np.int64]
    columns: dict[str, list[Any]]
    step: int
    epoch: int = 0
    targets: Tensor | None = None
    seen: tuple[Seen, ...] = ()

    def to(self, device: torch.device | str) -> Batch:
        """The same with its images on `device`, channels last: convolutions on a CPU take 0.6 of the time that way."""
        targets = None if self.targets is None else self.targets.to(device, non_blocking=True)
        return replace(self, images=tuple(_moved(image, device) for image in self.images), targets=targets)

    def split(self, count: int) -> list[Batch]:
        """`count` batches of consecutive rows, or one a row where there are fewer rows."""
        at = np.array_split(np.arange(len(self.rows)), min(count, len(self.rows)))
        return [
            replace(
                self,
                images=tuple(image[part[0] : part[-1] + 1] for image in self.images),
                rows=self.rows[part],
                columns={name: [values[i] for i in part] for name, values in self.columns.items()},
                targets=None if self.targets is None else self.targets[part[0] : part[-1] + 1],
                seen=self.seen[part[0] : part[-1] + 1],
            )
            for part in at
        ]


class Loader:
    """Endless batches of augmented images of `rows` (m,) int64: positions in the whole pool, in any order, may repeat.

    views: how an image is seen, once each. batch: rows of a step over all processes; process `rank` of `world` gets
    the places rank, rank + world, ... of it. mean, std: of the channels in [0, 1]; a value is (pixel / 255 - mean) /
    std. columns: read for the rows of each batch. order: default `Blocks`. workers: threads; default all cores, one
    for images of up to 64 pixels. ahead: batches in preparation while the caller works on one, fewer if they would
    need more than 512 MiB. decode_side: images of twice this short side or more are decoded at a fraction of their
    size that leaves at least this; default the largest `side` of the views (1.15 times the size for random crops).
    cache_bytes: if all rows decoded need no more, each image is decoded once. targets: a source of soft targets for the one
    view, see `veduta.learn.targets`; it may replay augmentations in the place of the view, of the view's size.

    Each image's randomness comes from (seed, epoch, row, view) alone, and order from (seed, epoch): batch n is the
    same whatever came before it and however many threads work. A row that repeats in an epoch is seen the same way
    each time.

    Memory: `ahead` + 2 batches of 12 * s * s bytes an image and view (0.5 GiB and two batches at most); 64 images,
    encoded and decoded, a thread; all decoded images, if they need at most `cache_bytes`; 8 bytes a row of the pool;
    up to 64 MiB of columns.

    Raises BadInput for a batch larger than `rows` or no multiple of `world`, and for rows that have an `error`; while
    iterating, for an image whose file is gone or damaged since it was ingested, by its key.
    """

    def __init__(
        self,
        pool: Rows,
        rows: NDArray[np.int64],
        views: Sequence[View],
        batch: int,
        *,
        mean: Sequence[float],
        std: Sequence[float],
        seed: int = 0,
        columns: Sequence[str] = (),
        order: Order | None = None,
        workers: int | None = None,
        ahead: int = 4,
        rank: int = 0,
        world: int = 1,
        decode_side: int | None = None,
        cache_bytes: int = 512 << 20,
        targets: TargetSource | None = None,
    ) -> None:
        cv2.setNumThreads(1)  # the threads here are the parallelism
        self.batch, self.views, self.rows = batch, tuple(views), np.asarray(rows, np.int64)
        shareable(batch, world)
        self._order = order or Blocks(len(self.rows), batch, seed)
        self.steps_per_epoch = len(self._order.epoch(0))
        if not self.steps_per_epoch:
            raise BadInput(
                f"the batch of {batch} is larger than what {len(self.rows)} rows can fill; give a smaller --batch"
            )
        self._seed, self._rank, self._world = seed, rank, world
        size = batch // world * sum(12 * view.size**2 for view in self.views)
        self._ahead = max(1, min(ahead, AHEAD_BYTES // size))
        whole = Rows(pool.dataset)  # `rows` count in the whole pool, whatever the condition of `pool`
        if targets is not None and len(self.views) != 1:
            raise ValueError(f"soft targets are for one view, got {len(self.views)}")
        self._targets = targets
        side = decode_side or (targets.side if targets is not None else None) or max(view.side for view in self.views)
        self._images = Decoded(whole, self.rows, side, cache_bytes)
        self._columns = ColumnValues(whole, self.rows, columns)
        self._workers = workers or (1 if _small(whole, self.rows) else pipeline.workers())
        # One look-up a channel value instead of arithmetic on floats: (3, 256).
        values = np.arange(256, dtype=np.float64) / 255
        self._tables = ((values - np.array(mean)[:, None]) / np.array(std)[:, None]).astype(np.float32)

    def batches(self, start: int = 0) -> Iterator[Batch]:
        """Batches from global step `start` on, without end; close the iterator to stop its threads."""
        steps = visits(self._order, self.steps_per_epoch, start, self._rank, self._world)
        flying: deque[_Flying] = deque()
        with ThreadPoolExecutor(self._workers, thread_name_prefix="veduta-loader") as pool:
            try:
                while True:
                    while len(flying) <= self._ahead:
                        flying.append(self._launch(pool, *next(steps)))
                    yield flying.popleft().landed()
            finally:
                pool.shutdown(wait=False, cancel_futures=True)

    def _launch(self, pool: ThreadPoolExecutor, step: int, epoch: int, members: NDArray[np.int64]) -> _Flying:
        out = [np.empty((len(members), 3, view.size, view.size), np.float32) for view in self.views]
        soft = np.empty((len(members), self._targets.classes), np.float32) if self._targets is not None else None
        size = min(max(-(-len(members) // self._workers), PIECE[0]), PIECE[1])
        pieces = [
            pool.submit(self._fill, out, soft, members, slice(at, at + size), epoch)
            for at in range(0, len(members), size)
        ]
        columns = pool.submit(self._read, members) if self._columns.names else None
        images = tuple(torch.from_numpy(pixels) for pixels in out)
        targets = None if soft is None else torch.from_numpy(soft)
        return _Flying(Batch(images, self.rows[members], {}, step, epoch, targets), pieces, columns)

    def _fill(
        self,
        out: list[NDArray[np.float32]],
        soft: NDArray[np.float32] | None,
        members: NDArray[np.int64],
        part: slice,
        epoch: int,
    ) -> list[Seen]:
        """Write the images of a part of a batch into `out` (b, 3, s, s), one a view, and their targets into `soft` (b, C).

        members: (b,) places in `rows`.
        """
        draws = _Draws(self._seed)
        rows = self.rows[members[part]]
        seen: list[Seen] = []
        for place, (row, pixels) in enumerate(
            zip(rows.tolist(), self._images.read(members[part]), strict=True), part.start
        ):
            for number, view in enumerate(self.views):
                rng = draws.of(epoch, row, number)
                if self._targets is None:
                    shown = view(pixels, rng)
                else:
                    shown, how = _drawn(self._targets, view, row, pixels, rng)
                    seen.append(how)
                _normalise(shown, self._tables, out[number][place])
        if self._targets is not None and soft is not None:
            soft[part] = self._targets.targets(rows, seen)
        return seen

    def _read(self, members: NDArray[np.int64]) -> dict[str, list[Any]]:
        """Lists of the values of the columns at some places in `rows`."""
        return self._columns.at(members).to_pydict()


def _drawn(source: TargetSource, view: View, row: int, pixels: Image, rng: np.random.Generator) -> tuple[Image, Seen]:
    """An image as its targets want it seen: as a recorded augmentation has it, or as the view draws it."""
    height, width = pixels.shape[:2]
    replay = source.replay(row, rng)
    if replay is None:
        shown, params = view.draw(pixels, rng)
        return shown, Seen(view, params, height, width)
    shown = replay.apply(pixels)
    return shown, Seen(replay.view, replay.params, height, width, replay.record)


def _moved(image: Tensor, device: torch.device | str) -> Tensor:
    layout = torch.channels_last if image.ndim == 4 else torch.contiguous_format
    return image.to(device, non_blocking=True, memory_format=layout)


@dataclass(frozen=True, slots=True)
class _Flying:
    """A batch in preparation."""

    batch: Batch
    pieces: list[Future[list[Seen]]]
    columns: Future[dict[str, list[Any]]] | None

    def landed(self) -> Batch:
        seen = [how for piece in self.pieces for how in piece.result()]
        return replace(self.batch, columns=self.columns.result() if self.columns else {}, seen=tuple(seen))


class _Draws:
    """One generator, set anew for each image: a microsecond, where making one costs ten.

    Philox (Salmon et al. 2011) counts: streams of other seeds, epochs, rows and views have other keys or counters, so
    they never meet. Equal to `Generator(Philox(key=[seed, view], counter=[0, 0, row, epoch]))`.
    """

    def __init__(self, seed: int) -> None:
        self._bits = np.random.Philox(key=0)
        self._generator = np.random.Generator(self._bits)
        self._state: Any = self._bits.state
        self._state["state"]["key"][0] = seed & _WORD

    def of(self, epoch: int, row: int, view: int) -> np.random.Generator:
        state = self._state["state"]
        state["key"][1], state["counter"][2], state["counter"][3] = view, row, epoch
        self._bits.state = self._state
        return self._generator


def _normalise(seen: NDArray[np.uint8], tables: NDArray[np.float32], out: NDArray[np.float32]) -> None:
    """Write (s, s, 3) pixels through tables (3, 256), one a channel, into contiguous planes `out` (3, s, s)."""
    if seen.shape != (*out.shape[1:], 3):  # OpenCV would leave `out` as it is and put the result elsewhere
        raise ValueError(f"a view made {seen.shape} pixels where {out.shape[1:]} were expected")
    for channel, table, plane in zip(cv2.split(seen), tables, out, strict=True):
        cv2.LUT(channel, table, dst=plane)


def _small(pool: Rows, rows: NDArray[np.int64]) -> bool:
    """Whether the images are so small that threads do not help, by the first thousand."""
    sizes = pool.take(rows[:1000], ["width", "height"])
    return all(np.nanmean(sizes.column(i).to_numpy().astype(float)) <= SMALL for i in (0, 1))
