"""The views, order and loss behind `learn views`."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from torch import Tensor, nn

from veduta.learn import augment, export, images
from veduta.learn.denoise_task import DenoiseTask
from veduta.learn.evaluate import Prepared as Images
from veduta.learn.folder import RunFolder
from veduta.learn.loader import Batch
from veduta.learn.objectives.ntxent import NTXent
from veduta.learn.objectives.swav import SwAV
from veduta.learn.order import Blocks, Order
from veduta.learn.rows import choose
from veduta.learn.samplers.guided import Guided, same_pairs
from veduta.learn.session import Prepared
from veduta.learn.task import Task
from veduta.learn.views import Views
from veduta.models.heads import Head
from veduta.pool import Pool


def prepare(settings: Views, pool: Pool, where: str | None, selection: str | None) -> Prepared:
    """Rows, network, loader and judge of a run of `learn views`."""
    need = f"{settings.cluster} is not null" if settings.objective == "g-simclr" else "width > 0"
    rows = choose(pool, need=need, where=where, selection=selection, share=0, seed=settings.seed)
    small = settings.objective == "denoise" or images.short_side(pool, rows.train) <= 64
    name = settings.model if settings.model != "auto" else "conv_small" if small else "timm:resnet18"
    network, preprocess, said = images.network(
        name, 0, size=settings.size, pretrained=settings.pretrained, pool=pool, rows=rows.train, freeze=settings.freeze
    )
    if settings.objective == "denoise":
        preprocess = replace(preprocess, mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0))
    views = _views(settings, preprocess.side)
    order = _order(settings, pool, rows.train)
    task = _task(settings, name, network)
    about = {
        "kind": "views",
        "dim": int(network.num_features),
        "model": {"name": name, "parameters": sum(p.numel() for p in network.parameters())},
        "network": said,
        "preprocess": preprocess.parameters(),
        **_batches(settings, pool, rows.train, order),
    }
    loader = images.loader(settings, pool, rows.train, views, preprocess, order)
    held = Images(pool, rows.train[:16], preprocess)
    warnings = _warnings(settings, pool, rows.train, max(view.size for view in views))
    return Prepared(task, loader, rows, about, partial(_end, network, held), warnings)


def _warnings(settings: Views, pool: Pool, rows: NDArray[np.int64], side: int) -> list[str]:
    found = []
    vectors = settings.batch + settings.queue
    if settings.objective == "swav" and vectors < settings.prototypes:
        found.append(
            f"{settings.prototypes:,} prototypes share {vectors:,} vectors ({vectors / settings.prototypes:.2f} for each), so no "
            "assignment can use them all alike; lower --prototypes, or raise --batch or --queue"
        )
    smaller = int((images.short_sides(pool, rows) < side).sum())
    if smaller > len(rows) / 100:
        found.append(
            f"{smaller:,} of {len(rows):,} images are smaller than views of {side} pixels and are enlarged; lower --size to avoid it"
        )
    return found


def _task(settings: Views, name: str, network: nn.Module) -> ViewsTask | DenoiseTask:
    if settings.objective == "denoise":
        return DenoiseTask(name, network, settings.noise)
    *hidden, outputs = settings.projection
    width = int(network.num_features)  # pyright: ignore[reportArgumentType]
    return ViewsTask(settings, network, Head("mlp", width, outputs, hidden=hidden, norm=settings.projection_norm))


def _views(settings: Views, side: int) -> list[augment.View]:
    if settings.objective == "swav":
        small = settings.small_size or max(8, side // 2)
        return [augment.view("swav-large", side)] * 2 + [augment.view("swav-small", small)] * settings.small_views
    if settings.objective == "denoise":
        return [augment.view(settings.views if settings.views != "auto" else "eval", side)]
    name = settings.views if settings.views != "auto" else "simclr"
    return [augment.view(name, side)] * 2


def _order(settings: Views, pool: Pool, rows: NDArray[np.int64]) -> Order:
    if settings.objective != "g-simclr":
        return Blocks(len(rows), settings.batch, settings.seed)
    return Guided(_codes(pool, settings.cluster, rows), settings.batch, seed=settings.seed)


def _codes(pool: Pool, column: str, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Numbers for the values of a column; null is a value of its own."""
    values = pool.table([column]).column(0).take(pa.array(rows)).combine_chunks()
    return values.dictionary_encode("encode").indices.to_numpy().astype(np.int64)


def _batches(settings: Views, pool: Pool, rows: NDArray[np.int64], order: Order) -> dict[str, Any]:
    """What the batches of the first epoch are made of: of clusters, and of labels that only this report reads."""
    labels = _codes(pool, settings.compare, rows) if settings.compare else None
    if isinstance(order, Guided):
        return {"batches": order.report(labels=labels)}
    return {"batches": {"same_label_pairs": same_pairs(order.epoch(0), labels)}} if labels is not None else {}


def _end(network: nn.Module, held: Images, folder: RunFolder) -> dict[str, Any]:
    return {"figures": {}, "export": export.pooled(network, held, folder.path / "model.onnx")}


class ViewsTask(Task):
    """A network, a projection and an objective over views."""

    def __init__(self, settings: Views, network: nn.Module, projection: nn.Module) -> None:
        super().__init__()
        self.network, self.projection = network, projection
        self.objective: Any
        if settings.objective == "swav":
            self.objective = SwAV(
                settings.projection[-1], settings.prototypes, temperature=settings.temperature, epsilon=settings.epsilon,
                iterations=settings.iterations, queue=settings.queue, queue_start=settings.queue_start,
                freeze=settings.freeze_prototypes,
            )  # fmt: skip
        else:
            self.objective = NTXent(settings.temperature)

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        projected = [self.projection(self.features(view)) for view in batch.images]
        found = self.objective(projected)
        return found if isinstance(found, dict) else {"loss": found}

    def features(self, pixels: Tensor) -> Tensor:
        """Pooled features (n, d) of normalised pixels (n, 3, s, s)."""
        return images.pooled(self.network, pixels)

    def before_step(self, step: int) -> None:
        if hasattr(self.objective, "before_step"):
            self.objective.before_step(step)

    def after_backward(self, step: int) -> None:
        if hasattr(self.objective, "after_backward"):
            self.objective.after_backward(step)
