"""Fitting a head on any embedding and labels: the way to scores where published heads do not fit the encoder."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from typing import Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from veduta.annotate.scores.head import Head
from veduta.errors import BadInput, NothingToDo
from veduta.pool import View
from veduta.pool.schema import FINGERPRINT

Task = Literal["binary", "value"]
HELD_OUT = 0.2
LEAST_STEPS = 1500


def train_head(
    pool: View,
    target: str,
    *,
    embedding: str = "embedding",
    hidden: tuple[int, ...] = (),
    seed: int = 0,
    where: str | None = None,
) -> Head:
    """A head that predicts the column `target` (bool, or 0 and 1: a probability; other numbers: the value).

    A fifth of the labelled rows is held out for the measure in `head.facts` (AUROC or R2), then all rows are fitted.
    hidden: sizes of hidden layers; () is a logistic or ridge regression. Memory: the vectors of the labelled rows.
    Raises MissingColumn, BadInput for a column that is not a target, NothingToDo for fewer than 10 labelled rows.
    """
    kind = pool.require(target, needed_by="train_head").type
    if not (pa.types.is_boolean(kind) or pa.types.is_integer(kind) or pa.types.is_floating(kind)):
        raise BadInput(f"the target of a head must be boolean or numeric, and '{target}' holds {kind}")
    if where is not None:
        pool.rows(where)
    has = f"{target} is not null" + (f" and ({where})" if where is not None else "")
    vectors, _ = pool.vectors(embedding, where=has)
    found = pool.table([target], where=f"{has} and {embedding} is not null").column(0)
    targets = np.asarray(
        found.cast(pa.float64()) if not pa.types.is_boolean(kind) else found.cast(pa.int8()), np.float64
    )
    keep = np.isfinite(targets)
    vectors, targets = vectors[keep], targets[keep]
    if len(targets) < 10:
        raise NothingToDo(f"train_head: {len(targets)} rows have both '{target}' and '{embedding}'; 10 are the least")
    task: Task = "binary" if set(np.unique(targets)) <= {0.0, 1.0} else "value"
    order = np.random.default_rng(seed).permutation(len(targets))
    held, rest = np.split(order, [max(1, round(HELD_OUT * len(order)))])
    trial = fit_head(vectors[rest], targets[rest], task=task, hidden=hidden, seed=seed)
    facts = {
        "target": target,
        "embedding": embedding,
        "task": task,
        "rows": len(targets),
        "seed": seed,
        "held_out": len(held),
    }
    facts["measure"], facts["held_out_score"] = _measure(task, trial(vectors[held]), targets[held])
    final = fit_head(vectors, targets, task=task, hidden=hidden, seed=seed)
    fingerprint = (pool.schema.field(embedding).metadata or {}).get(FINGERPRINT, b"").decode()
    return Head(final.layers, final.relus, final.output, fingerprint, facts)


def fit_head(
    vectors: NDArray[np.float32],
    targets: NDArray[np.float64],
    *,
    task: Task,
    hidden: tuple[int, ...] = (),
    seed: int = 0,
) -> Head:
    """Fit (n, d) vectors to (n,) targets. Inputs (and values) are standardised; that is folded into the layers.

    Linear: L2-penalised logistic or ridge regression, exact. With hidden layers: AdamW, cosine schedule, at least 60
    epochs and 1,500 steps, dropout 0.2 as in LAION's NSFW head.
    """
    if task == "binary" and len(np.unique(targets)) < 2:
        raise BadInput("a head for a probability needs rows of both kinds, 0 and 1; all targets are the same")
    mean, scale = vectors.mean(0), np.maximum(vectors.std(0), 1e-6)
    inputs = ((vectors - mean) / scale).astype(np.float32)
    centre, spread = (float(targets.mean()), max(float(targets.std()), 1e-9)) if task == "value" else (0.0, 1.0)
    wanted = (targets - centre) / spread
    layers = _linear(inputs, wanted, task) if not hidden else _network(inputs, wanted, task, hidden, seed)
    layers[-1] = (layers[-1][0] * np.float32(spread), layers[-1][1] * np.float32(spread) + np.float32(centre))
    weight, bias = layers[0]
    folded = (weight / scale).astype(np.float32)
    first = (folded, (bias - folded @ mean).astype(np.float32))
    return Head((first, *layers[1:]), len(hidden), "sigmoid" if task == "binary" else "identity")


def _linear(
    inputs: NDArray[np.float32], targets: NDArray[np.float64], task: Task
) -> list[tuple[np.ndarray, np.ndarray]]:
    from sklearn.linear_model import LogisticRegression, Ridge

    # The penalty of one observation a dimension keeps 1,280 weights in hand with a few hundred labels.
    strength = inputs.shape[1]
    if task == "binary":
        found = LogisticRegression(C=1 / strength, max_iter=2000).fit(inputs, targets.astype(int))
        return [(found.coef_.astype(np.float32), found.intercept_.astype(np.float32))]
    found = Ridge(alpha=strength).fit(inputs, targets)
    return [(found.coef_[None].astype(np.float32), np.array([found.intercept_], np.float32))]


def _network(
    inputs: NDArray[np.float32], targets: NDArray[np.float64], task: Task, hidden: tuple[int, ...], seed: int
) -> list[tuple[np.ndarray, np.ndarray]]:
    import torch
    from torch import nn

    with _one_thread(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        sizes = [inputs.shape[1], *hidden]
        parts: list[nn.Module] = []
        for i, o in pairwise(sizes):
            parts += [nn.Linear(i, o), nn.ReLU(), nn.Dropout(0.2)]
        net = nn.Sequential(*parts, nn.Linear(sizes[-1], 1))
        x, y = torch.from_numpy(inputs), torch.from_numpy(targets.astype(np.float32))
        loss = nn.BCEWithLogitsLoss() if task == "binary" else nn.MSELoss()
        size = min(128, len(x))
        # 60 passes, and with few labels enough steps for the optimiser to arrive at all.
        epochs = max(60, -(-LEAST_STEPS // -(-len(x) // size)))
        steps = epochs * -(-len(x) // size)
        optimizer = torch.optim.AdamW(net.parameters(), lr=2e-3, weight_decay=1e-2)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
        for _ in range(epochs):
            for rows in torch.randperm(len(x)).split(size):
                optimizer.zero_grad()
                loss(net(x[rows])[:, 0], y[rows]).backward()
                optimizer.step()
                schedule.step()
    linears = [part for part in net if isinstance(part, nn.Linear)]
    return [(part.weight.detach().numpy().copy(), part.bias.detach().numpy().copy()) for part in linears]


@contextmanager
def _one_thread() -> Iterator[None]:
    """Layers this small gain nothing from a second thread, and lose much where other work keeps the cores busy."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _measure(task: Task, scores: NDArray[np.float32], targets: NDArray[np.float64]) -> tuple[str, float | None]:
    from sklearn.metrics import r2_score, roc_auc_score

    if task == "binary":
        return "AUROC", round(float(roc_auc_score(targets, scores)), 4) if len(np.unique(targets)) == 2 else None
    return "R2", round(float(r2_score(targets, scores)), 4) if len(targets) > 1 else None
