"""Induced models: small two-tower models trained from scratch on what a filter keeps.

Legend: n test pairs, m test texts, d dimensions.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from veduta.engine.threads import one_thread

if TYPE_CHECKING:
    from veduta.pool import View

BATCH, HIDDEN, DIM = 128, 512, 256
PASSES, MOST = 32, 128_000
"""Without a number of the user's: CLIP's 32 passes over the rows that are kept, and at most so many pairs seen."""


@dataclass(frozen=True)
class TestPairs:
    """Test pairs. vectors: (n, d) of the images; texts: their texts; groups: (n,) pairs of equal numbers show the same thing."""

    vectors: NDArray[np.float32]
    texts: list[list[str]]
    groups: NDArray[np.int64]

    @property
    def owner(self) -> NDArray[np.int64]:
        """(m,) the pair that each text belongs to."""
        return np.repeat(np.arange(len(self.texts)), [len(own) for own in self.texts])


Embedded = tuple[NDArray[np.float32], NDArray[np.float32]]
"""Unit vectors of test images (n, d) and of their texts (m, d)."""


def steps_for(kept: int, samples: int | None) -> int:
    """Optimiser steps of every arm, so that all see the same number of pairs."""
    return max(1, round((samples or min(PASSES * kept, MOST)) / batch_for(kept)))


def batch_for(kept: int) -> int:
    """Rows of a step: all arms have the same, and the smallest arm must fill it."""
    return min(BATCH, kept)


def trainer(
    pool: View, features: str, text: str, texts: list[list[str]], *, batch: int, steps: int
) -> Callable[[NDArray[np.int64], int, TestPairs], Embedded]:
    """A function (rows, seed, test) that trains fresh heads on `rows` of the pool and embeds the test pairs.

    Both towers are frozen: the column `features` (an embedding) and MiniLM; the heads are Linear(d, 512)-ReLU-Linear(512, 256),
    trained with the CLIP loss in `steps` batches of `batch`. Captions of a row are drawn in turn. Memory: the vectors of the rows, and 1.5 KB a text.
    """
    import torch

    from veduta.learn.aside import train_aside
    from veduta.learn.pairs import Pairs as Learner
    from veduta.learn.pairs_task import Held, PairsTask, prepared
    from veduta.learn.rows import Rows

    shape: dict[str, Any] = {
        "image": features, "text": [text], "text_tower": "minilm", "image_head": "mlp", "text_head": "mlp", "hidden": HIDDEN,
        "dim": DIM, "batch": batch, "steps": steps, "validation": 0.0,
    }  # fmt: skip

    def train(rows: NDArray[np.int64], seed: int, test: TestPairs) -> Embedded:
        learner = Learner(**shape, seed=seed)
        torch.manual_seed(seed)
        with one_thread():
            ready = prepared(learner, pool, Rows(np.sort(rows), np.zeros(0, np.int64), {}), texts)
            task = train_aside(learner, ready)
            assert isinstance(task, PairsTask)
            n = len(test.texts)
            task.held = Held(np.arange(n), torch.from_numpy(test.vectors), test.texts, np.asarray(test.groups))
            with torch.no_grad():
                u, v, _ = task.embed()
        return u.numpy(), v.numpy()

    return train
