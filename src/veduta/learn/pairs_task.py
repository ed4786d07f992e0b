"""The towers, heads and loss behind `learn pairs`."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from veduta.encode import trained_on
from veduta.encode.captions import texts_in
from veduta.errors import NothingToDo
from veduta.learn import augment, export, images
from veduta.learn.columns import base_of, vectors_at
from veduta.learn.evaluate import Prepared as Images
from veduta.learn.features import FeatureLoader
from veduta.learn.folder import RunFolder
from veduta.learn.loader import Batch
from veduta.learn.objectives.infonce import InfoNCE
from veduta.learn.objectives.ranking import Ranking
from veduta.learn.objectives.weighted_infonce import WeightedInfoNCE
from veduta.learn.pairs import Pairs
from veduta.learn.rows import Rows, choose, numbered
from veduta.learn.samplers.sentences import Sentences
from veduta.learn.session import Prepared
from veduta.learn.start import Start
from veduta.learn.task import Task
from veduta.models.heads import build_head
from veduta.models.text.base import TextTower
from veduta.models.text.build import build_text, fit_text
from veduta.pool import Pool, View
from veduta.pool.durable import write_atomically

SEEN = 1_000
"""Most validation rows that are judged on, evenly taken; `judge cross-retrieve` takes all."""
FEW = 100
"""Fewer pairs than these train no scorer that could be trusted to choose others."""


def prepare(settings: Pairs, pool: Pool, where: str | None, selection: str | None) -> Prepared:
    """Rows, towers, loader and judge of a run of `learn pairs`."""
    texts = texts_of(pool, settings.text)
    need = f"{settings.image} is not null" if settings.image != "image" else "width > 0"
    rows = choose(
        pool, need=need, where=where, selection=selection, share=settings.validation, seed=settings.seed,
        together=settings.group,
    )  # fmt: skip
    return prepared(settings, pool, _with_text(rows, texts), texts)


def prepared(settings: Pairs, pool: View, rows: Rows, texts: list[list[str]]) -> Prepared:
    """A run on given rows. texts: of every row of the pool, none empty on the rows that are used; see `texts_of`."""
    words = Sentences([texts[row] for row in range(len(texts))], split=settings.sentences, seed=settings.seed)
    groups = numbered(pool.table([settings.group]).column(0).to_pylist()) if settings.group else np.arange(len(pool))
    base = base_of(pool, settings.image, "learn pairs") if settings.image != "image" else None
    start = Start(settings, base) if settings.init is not None else None
    tower = _text_tower(settings, _once_a_group(texts, rows.train, groups), start)
    about: dict[str, Any] = {"kind": "pairs", "dim": settings.dim, "text_columns": settings.text}
    network: nn.Module | None = None
    looked_at = rows.validation[:: max(1, -(-len(rows.validation) // SEEN))]
    if base is None:
        network, preprocess, said = images.network(
            settings.image_tower, 0, size=settings.size, pretrained=settings.pretrained, pool=pool, rows=rows.train,
            freeze=settings.freeze,
        )  # fmt: skip
        width = int(network.num_features)
        about |= {
            "network": said,
            "preprocess": preprocess.parameters(),
        }
        views = [augment.view(settings.views, preprocess.side)]
        loader: Any = images.loader(settings, pool, rows.train, views, preprocess)
        seen = Images(pool, looked_at, preprocess)
    else:
        about |= {"base": base}
        vectors, held_vectors = vectors_at(pool, settings.image, rows.train, looked_at)
        width = vectors.shape[1]
        loader = partial(FeatureLoader, vectors, rows.train, settings.batch, settings.seed)
        seen = torch.from_numpy(held_vectors)
    heads = {
        "image_head": _head(settings, settings.image_head, width),
        "text_head": _head(settings, settings.text_head, tower.dim),
    }
    about |= {**heads, "text": {"name": settings.text_tower, "config": tower.config()}}
    held = Held(looked_at, seen, texts, groups)
    task = PairsTask(settings, network, tower, heads, words, groups if settings.group else None, held)
    warnings = []
    if start is not None:
        start.into(task)
        about["init"] = start.facts()
    leaked = {*settings.evaluation_sets, *(start.about.get("evaluation_sets", []) if start is not None else [])}
    if leaked:
        about["evaluation_sets"] = sorted(leaked)
    if len(rows.train) < FEW:
        warnings.append(
            f"{len(rows.train)} pairs teach little; do not choose other data by this run, for which {FEW} are the least that makes sense"
        )
    about["model"] = {
        "image": settings.image_tower if base is None else f"head on {base['uri']}",
        "text": settings.text_tower,
        "parameters": sum(p.numel() for p in task.parameters() if p.requires_grad),
    }
    finish = partial(_end, settings, task, start, pool.take(rows.train, ["digest"]).column(0).to_pylist())
    return Prepared(task, loader, rows, about, finish, warnings)


def _once_a_group(texts: list[list[str]], rows: NDArray[np.int64], groups: NDArray[np.int64]) -> list[str]:
    """The texts of rows, a text that several rows of a group share once: it is no more common by being shown often."""
    return [text for _, text in dict.fromkeys((int(groups[row]), text) for row in rows for text in texts[row])]


def _head(settings: Pairs, kind: str, inputs: int) -> dict[str, Any]:
    said = {"kind": kind, "inputs": inputs, "outputs": settings.dim, "drop": settings.drop}
    return {**said, "hidden": [settings.hidden]} if settings.hidden is not None and kind == "mlp" else said


def _text_tower(settings: Pairs, texts: list[str], start: Start | None) -> TextTower:
    name = settings.text_tower
    if name == "minilm":
        return fit_text(name, texts, 384, frozen=0.5 if settings.train_text else 1.0)
    if start is not None:  # its vocabulary, for its weights are one vector a word
        return build_text(name, start.about["text"]["config"])
    return fit_text(name, texts, settings.dim)


def _end(
    settings: Pairs, task: PairsTask, start: Start | None, digests: list[str | None], folder: RunFolder
) -> dict[str, Any]:
    if start is not None and settings.wise is not None:
        start.average(task, settings.wise)
    seen = trained_on.packed(digests, *(start.seen() if start is not None else []))
    write_atomically(folder.path / trained_on.FILE, seen)
    figures = task.validate()
    said = "none: the image side is a head on another encoder's vectors"
    if task.network is not None and isinstance(task.held.images, Images):
        said = export.pooled(task.network, task.held.images, folder.path / "model.onnx", task.image_head)
    return {"figures": figures, "export": said}


class Held:
    """Validation pairs: all texts of a row, and of the rows of its group, count as its own.

    images: to be looked at, or vectors (n, d). owner: (m,) the image of each text. group: (n,) images of equal numbers
    show the same thing.
    """

    def __init__(
        self,
        rows: NDArray[np.int64],
        images: Images | Tensor,
        texts: list[list[str]],
        groups: NDArray[np.int64],
    ) -> None:
        self.rows, self.images = rows, images
        self.group = torch.from_numpy(groups[rows])
        self.texts = [text for row in rows for text in texts[row]]
        self.owner = torch.tensor([i for i, row in enumerate(rows) for _ in texts[row]], dtype=torch.int64)


class PairsTask(Task):
    """Two towers, two heads and an objective."""

    def __init__(
        self,
        settings: Pairs,
        network: nn.Module | None,
        text: TextTower,
        heads: Mapping[str, dict[str, Any]],
        words: Sentences,
        groups: NDArray[np.int64] | None,
        held: Held,
    ) -> None:
        super().__init__()
        self.network, self.text = network, text
        self.image_head, self.text_head = build_head(heads["image_head"]), build_head(heads["text_head"])
        self.objective: Any = objective(settings)
        self.words, self.held = words, held
        self._groups = groups
        self._raw = settings.objective == "ranking" and settings.score == "dot"

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        texts = [self.words.draw(int(row), batch.epoch) for row in batch.rows]
        u = self.image_head(self._features(batch.images[0]))
        v = self.text_head(self.text({k: t.to(u.device) for k, t in self.text.tokens(texts).items()}))
        found = {"loss": self.objective(u, v, group=self._group(batch.rows, texts).to(u.device))}
        if hasattr(self.objective, "scale"):
            found["scale"] = self.objective.scale().detach()
        return found

    def _features(self, given: Tensor) -> Tensor:
        if self.network is None:
            return given
        return images.pooled(self.network, given)

    def _group(self, rows: NDArray[np.int64], texts: list[str]) -> Tensor:
        """(n,) int64: rows of equal numbers show the same thing, by the group column or by having equal texts."""
        if self._groups is not None:
            return torch.from_numpy(self._groups[rows])
        digests = (hashlib.blake2b(" ".join(text.lower().split()).encode(), digest_size=8).digest() for text in texts)
        return torch.tensor([int.from_bytes(digest, "big", signed=True) for digest in digests])

    def after_step(self, step: int) -> None:
        if hasattr(self.objective, "after_step"):
            self.objective.after_step()

    def embed(self) -> tuple[Tensor, Tensor, Tensor]:
        """Vectors of the held-out images (n, d) and texts (m, d), of unit norm unless pairs are scored by the plain product,
        and the image of each text (m,)."""
        held = self.held
        device = next(self.image_head.parameters()).device
        if isinstance(held.images, Images):
            u = held.images.map(lambda pixels: self.image_head(self._features(pixels)), device)
        else:
            u = self.image_head(held.images.to(device)).float().cpu()
        found = []
        for start in range(0, len(held.texts), 256):
            tokens = self.text.tokens(held.texts[start : start + 256])
            found.append(self.text_head(self.text({k: t.to(device) for k, t in tokens.items()})).float().cpu())
        v = torch.cat(found)
        if self._raw:
            return u, v, held.owner
        return nn.functional.normalize(u, dim=1), nn.functional.normalize(v, dim=1), held.owner

    def validate(self) -> dict[str, float]:
        if len(self.held.rows) < 2:
            return {}
        u, v, owner = self.embed()
        scores = v @ u.T
        true = self.held.group[owner][:, None] == self.held.group[None]
        own = scores.masked_fill(~true, float("-inf"))
        rank = (scores > own.amax(1, keepdim=True)).sum(1)
        back = (scores > own.amax(0, keepdim=True)).sum(0)
        found = {f"text_to_image_r{k}": float((rank < k).float().mean()) for k in (1, 5, 10)}
        return {**found, **{f"image_to_text_r{k}": float((back < k).float().mean()) for k in (1, 5, 10)}}

    def better(self, new: Mapping[str, float], old: Mapping[str, float]) -> bool:
        return _mean_recall(new) > _mean_recall(old)

    def facts(self) -> dict[str, Any]:
        return {"validation_rows": len(self.held.rows), "validation_texts": len(self.held.texts)}


def _mean_recall(figures: Mapping[str, float]) -> float:
    return figures["text_to_image_r10"] + figures["image_to_text_r10"] + 0.1 * figures["text_to_image_r1"]


def objective(settings: Pairs) -> nn.Module:
    """The loss that the settings name."""
    if settings.objective == "clip":
        return InfoNCE(settings.temperature or 0.07)
    if settings.objective == "convirt":
        return WeightedInfoNCE(settings.temperature or 0.1, settings.weight_image_to_text)
    weights = {"both": (1.0, 1.0), "sentences": (1.0, 0.0), "images": (0.0, 1.0)}[settings.directions]
    return Ranking(settings.margin, *weights, score=settings.score, negatives=settings.negatives)


def texts_of(pool: View, columns: list[str]) -> list[list[str]]:
    """For every row of the pool its texts from all columns, stripped, without empty ones and repetitions."""
    found: list[list[str]] = [[] for _ in range(len(pool))]
    for column in columns:
        for own, value in zip(found, pool.table([column]).column(0).to_pylist(), strict=True):
            cells = value if isinstance(value, list) else [value]
            texts = texts_in([str(text) for text in cells if text is not None])
            own += [text for text in texts if text not in own]
    return found


def _with_text(rows: Rows, texts: list[list[str]]) -> Rows:
    has = np.array([bool(own) for own in texts])
    lost = int((~has[rows.train]).sum() + (~has[rows.validation]).sum())
    kept = Rows(rows.train[has[rows.train]], rows.validation[has[rows.validation]], dict(rows.skipped))
    if lost:
        kept.skipped["rows without any text"] = lost
    if len(kept.train) < 2:
        raise NothingToDo(
            f"learn pairs needs two training rows with text, got {len(kept.train)} of {len(rows.train)}; "
            "name the columns that hold texts with --text"
        )
    return kept
