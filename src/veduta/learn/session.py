"""What is done around the trainer: the task before it, the best weights after it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch

from veduta.engine import progress
from veduta.learn import seen
from veduta.learn.card import card
from veduta.learn.folder import RunFolder
from veduta.learn.learner import Learner
from veduta.learn.loader import Loader
from veduta.learn.rows import Rows
from veduta.learn.task import Task
from veduta.learn.trainer import Outcome, Trainer
from veduta.pool import Pool


@dataclass
class Prepared:
    """What a learner hands to the trainer.

    task: with the first weights. loader: (rank, processes) -> batches. about: what `veduta.json` says of the model.
    finish: called with the best weights in the task; writes what the model needs besides its weights, and returns figures. The
        weights that it leaves in the task are the model's.
    warnings: what the user should know before the training starts, a sentence each.
    """

    task: Task
    loader: Callable[[int, int], Loader]
    rows: Rows
    about: dict[str, Any]
    finish: Callable[[RunFolder], dict[str, Any]]
    warnings: list[str] = field(default_factory=list)


def train(
    learner: Learner, folder: RunFolder, pool: Pool, where: str | None, selection: str | None, on: progress.Progress
) -> None:
    """Train a learner's network in the folder, from the newest checkpoint if there is one."""
    torch.manual_seed(learner.seed)
    prepared = learner.prepare(pool, where, selection)
    prepared.rows.tell(on)
    for warning in prepared.warnings:
        on.say(warning)
    trainer = Trainer(prepared.task, prepared.loader, learner, folder, on)
    outcome = trainer.run()
    if trainer.first:
        _finish(folder, pool, prepared, outcome, on)
    trainer.fabric.barrier()


def _finish(folder: RunFolder, pool: Pool, prepared: Prepared, outcome: Outcome, on: progress.Progress) -> None:
    from safetensors.torch import load_file

    last = {name: value.clone() for name, value in prepared.task.state_dict().items()}
    prepared.task.load_state_dict(load_file(folder.path / "best.safetensors"))
    prepared.task.cpu()
    prepared.task.eval()
    with progress.stage(on, "judge and export"), torch.no_grad():
        found = prepared.finish(folder)
    about = {
        **prepared.about,
        **found,
        "training": {
            "rows": len(prepared.rows.train),
            "validation_rows": 0,
            "skipped": prepared.rows.skipped,
            "steps": outcome.steps,
            "best_step": outcome.best_step,
            "seconds": round(outcome.seconds, 1),
            "images_per_second": round(outcome.images_per_second, 1),
            **prepared.task.facts(),
        },
    }
    kept = {name: value.clone() for name, value in prepared.task.state_dict().items()}
    prepared.task.load_state_dict(last)
    seen.note(folder, pool, prepared.rows.train, about)
    folder.finish(prepared.task, kept, about, card(folder, about))
