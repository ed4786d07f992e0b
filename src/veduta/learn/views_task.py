"""The views, order and loss behind `learn views`."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from torch import Tensor, nn

from veduta.learn import augment, export, images
from veduta.learn.evaluate import Prepared as Images
from veduta.learn.folder import RunFolder
from veduta.learn.loader import Batch
from veduta.learn.objectives.ntxent import NTXent
from veduta.learn.objectives.swav import SwAV
from veduta.learn.order import Order
from veduta.learn.rows import choose
from veduta.learn.samplers.guided import Guided
from veduta.learn.session import Prepared
from veduta.learn.task import Task
from veduta.learn.views import Views
from veduta.models.heads import build_head
from veduta.pool import Pool


def prepare(settings: Views, pool: Pool, where: str | None, selection: str | None) -> Prepared:
    """Rows, network, loader and judge of a run of `learn views`."""
    need = f"{settings.cluster} is not null" if settings.objective == "g-simclr" else "width > 0"
    rows = choose(pool, need=need, where=where, selection=selection, share=0, seed=settings.seed)
    small = images.short_side(pool, rows.train) <= 64
    name = settings.model if settings.model != "auto" else "conv_small" if small else "timm:resnet18"
    network, preprocess, said = images.network(
        name, 0, size=settings.size, pretrained=settings.pretrained, pool=pool, rows=rows.train, freeze=settings.freeze
    )
    views = _views(settings, preprocess.side)
    head = {
        "kind": "mlp", "inputs": int(network.num_features), "hidden": settings.projection[:-1], "outputs": settings.projection[-1],
    }  # fmt: skip
    task = ViewsTask(settings, network, build_head(head))
    about = {
        "kind": "views",
        "dim": int(network.num_features),
        "model": {"name": name, "parameters": sum(p.numel() for p in network.parameters())},
        "network": said,
        "preprocess": preprocess.parameters(),
    }
    loader = images.loader(settings, pool, rows.train, views, preprocess, _order(settings, pool, rows.train))
    held = Images(pool, rows.train[:16], preprocess)
    return Prepared(task, loader, rows, about, partial(_end, network, held))


def _views(settings: Views, side: int) -> list[augment.View]:
    if settings.objective == "swav":
        small = settings.small_size or max(8, side // 2)
        return [augment.view("swav-large", side)] * 2 + [augment.view("swav-small", small)] * settings.small_views
    name = settings.views if settings.views != "auto" else "simclr"
    return [augment.view(name, side)] * 2


def _order(settings: Views, pool: Pool, rows: NDArray[np.int64]) -> Order | None:
    if settings.objective != "g-simclr":
        return None
    clusters = pool.table([settings.cluster]).column(0).take(pa.array(rows)).to_numpy().astype(np.int64)
    return Guided(clusters, settings.batch, seed=settings.seed)


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
