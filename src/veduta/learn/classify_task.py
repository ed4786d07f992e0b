"""The network, rows and loss behind `learn classify`."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from veduta.errors import BadInput
from veduta.learn import augment, export, images, pretrained
from veduta.learn.classify import Classify
from veduta.learn.evaluate import Prepared as Images
from veduta.learn.folder import RunFolder
from veduta.learn.loader import Batch
from veduta.learn.rows import choose, labelled
from veduta.learn.session import Prepared
from veduta.learn.targets import TargetSource, open_source
from veduta.learn.task import Task
from veduta.pool import Pool

FROZEN = 5
"""Stages of the seven of Lite0 that stay as they are unless the user says otherwise."""

SEEN = 2_000
"""Validation rows that are looked at while training; all of them at the end."""


def prepare(settings: Classify, pool: Pool, where: str | None, selection: str | None) -> Prepared:
    """Rows, network, loader and judge of a run of `learn classify`."""
    rows = choose(
        pool, need=f"{settings.target} is not null", where=where, selection=selection, share=settings.validation,
        seed=settings.seed, strata=settings.target,
    )  # fmt: skip
    names, classes, held = labelled(pool, rows, settings.target, "learn classify")
    name, start, freeze = _network(settings, pool, rows.train)
    rates = {key: rate for key in ("drop", "drop_path") if (rate := getattr(settings, key))}
    network, preprocess, said = images.network(
        name,
        len(names),
        size=settings.size,
        pretrained=start,
        pool=pool,
        rows=rows.train,
        freeze=freeze,
        options=rates | settings.options,
    )
    view = settings.views if settings.views != "auto" else "cifar" if preprocess.side <= 64 else "train"
    seen = held[:: max(1, -(-len(held) // SEEN))]
    source = None
    warnings = settings.advice()
    if settings.targets is not None:
        source = open_source(settings.targets, pool, rows.train, names, preprocess.side, "learn classify")
        if getattr(source, "exact", False) and (settings.mixup or settings.cutmix):
            raise BadInput(
                f"--targets {settings.targets} are for exactly the stored views, so mixup and cutmix must be 0, got "
                f"{settings.mixup:g} and {settings.cutmix:g}"
            )
        warnings += getattr(source, "notes", [])
        if source.missing:
            warnings.append(
                f"{source.missing:,} of {len(rows.train):,} training rows have no soft targets in --targets {settings.targets}; "
                "their plain label counts"
            )
    task = ClassifyTask(settings, network, classes, names, Images(pool, seen, preprocess), view, len(held), source)
    views = [augment.view(view, preprocess.side)]
    loader = images.loader(settings, pool, rows.train, views, preprocess, targets=source)
    about = {
        "kind": "classifier",
        "dim": int(network.num_features),
        "network": said,
        "model": {"name": name, "classes": len(names), "parameters": sum(p.numel() for p in network.parameters())},
        "preprocess": preprocess.parameters(),
        "classes": names,
        "target": settings.target,
    }
    return Prepared(task, loader, rows, about, partial(_end, task, Images(pool, held, preprocess)), warnings)


def _network(settings: Classify, pool: Pool, rows: NDArray[np.int64]) -> tuple[str, bool, int]:
    """Its name, whether it starts from published weights, and how many of its stages stay as they are."""
    if settings.model != "auto":
        return settings.model, bool(settings.pretrained), settings.freeze or 0
    if images.short_side(pool, rows) <= 64:
        return "simplenet_310k", False, settings.freeze or 0
    start = settings.pretrained is not False
    return pretrained.LITE0, start, settings.freeze if settings.freeze is not None else FROZEN * start


def _end(task: ClassifyTask, held: Images, folder: RunFolder) -> dict[str, Any]:
    figures: dict[str, Any] = {}
    if len(held):
        logits = held.map(task.network)
        figures = accuracy(logits, torch.from_numpy(task.classes[held.rows]))
    return {"figures": figures, "export": export.classifier(task.network, held, folder.path / "model.onnx")}


class ClassifyTask(Task):
    """A network and cross-entropy. classes: (rows of the pool,) int64 class numbers. soft: where the batches' targets are from."""

    def __init__(
        self,
        settings: Classify,
        network: nn.Module,
        classes: NDArray[np.int64],
        names: list[str],
        seen: Images,
        view: str,
        held_rows: int,
        soft: TargetSource | None = None,
    ) -> None:
        super().__init__()
        self.network = network
        self.settings, self.classes, self.names, self.seen, self.view = settings, classes, names, seen, view
        self.held_rows, self.soft = held_rows, soft
        self._mixes = [
            mix for mix, alpha in ((augment.Mixup, settings.mixup), (augment.CutMix, settings.cutmix)) if alpha
        ]

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        inputs = batch.images[0]
        truth = torch.from_numpy(self.classes[batch.rows]).to(inputs.device)
        targets = nn.functional.one_hot(truth, len(self.names)).float()
        if batch.targets is not None:
            targets = torch.where(batch.targets.sum(1, keepdim=True) > 0, batch.targets, targets)
        if self._mixes:
            rng = np.random.default_rng([self.settings.seed, batch.step, 1])
            mix = self._mixes[int(rng.integers(len(self._mixes)))]
            alpha = self.settings.mixup if mix is augment.Mixup else self.settings.cutmix
            chosen = mix(alpha)
            inputs, targets = chosen.apply(inputs, targets, chosen.sample(rng, len(inputs), *inputs.shape[2:]))
        logits = self.network(inputs).float()
        smoothing = self.settings.label_smoothing if self.soft is None else 0.0
        loss = nn.functional.cross_entropy(logits, targets, label_smoothing=smoothing)
        return {"loss": loss, "training_accuracy": (logits.argmax(1) == truth).float().mean()}

    def validate(self) -> dict[str, float]:
        if not len(self.seen):
            return {}
        device = next(self.network.parameters()).device
        logits = self.seen.map(self.network, device)
        return accuracy(logits, torch.from_numpy(self.classes[self.seen.rows]))

    def better(self, new: Mapping[str, float], old: Mapping[str, float]) -> bool:
        return (new["accuracy"], -new["validation_loss"]) > (old["accuracy"], -old["validation_loss"])

    def facts(self) -> dict[str, Any]:
        found = {"views": self.view, "validation_rows": self.held_rows}
        if self.soft is not None:
            found |= {"targets": self.settings.targets, "rows_without_targets": self.soft.missing}
        return found


def accuracy(logits: Tensor, truth: Tensor) -> dict[str, float]:
    """Top-1 and, above 10 classes, top-5 accuracy, and the cross-entropy of (n, c) logits for (n,) class numbers."""
    found = {"accuracy": float((logits.argmax(1) == truth).float().mean())}
    if logits.shape[1] > 10:
        found["accuracy_top5"] = float((logits.topk(5, 1).indices == truth[:, None]).any(1).float().mean())
    return {**found, "validation_loss": float(nn.functional.cross_entropy(logits, truth))}
