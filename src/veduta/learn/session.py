"""What is done around the training: the folder, the pinned pool, the end of the run."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from veduta.engine import progress
from veduta.engine.disk import full_disk_is_an_answer
from veduta.engine.run import signature
from veduta.errors import BadInput
from veduta.learn.card import card
from veduta.learn.folder import ASKED, LOCK, RunFolder, place
from veduta.learn.learner import Learner
from veduta.learn.loader import Loader
from veduta.learn.operation import Learn
from veduta.learn.rows import Rows
from veduta.learn.run import Run
from veduta.learn.task import Task
from veduta.learn.trainer import Outcome, Trainer
from veduta.pool import Pool
from veduta.pool.lock import exclusive


@dataclass
class Prepared:
    """What a learner hands to the trainer.

    task: with the first weights. loader: (rank, processes) -> batches. about: what `veduta.json` says of the model.
    finish: called with the best weights in the task; writes what the model needs besides its weights, and returns figures.
    warnings: what the user should know before the training starts, a sentence each.
    """

    task: Task
    loader: Callable[[int, int], Loader]
    rows: Rows
    about: dict[str, Any]
    finish: Callable[[RunFolder], dict[str, Any]]
    warnings: list[str] = field(default_factory=list)


def run(
    operation: Learn, pool: Pool, where: str | None, selection: str | None, name: str, on: progress.Progress
) -> Run:
    """Make the run `runs/<name>` of the pool, or go on with it; see `Learn.learn`."""
    rows = {"where": where, "selection": selection}
    asked = {"operation": operation.operation(), "parameters": operation.parameters(), "rows": rows}
    on = on if first_process() else progress.Silent()
    path = place(pool, name)
    with full_disk_is_an_answer(pool.path), _alone(path):
        folder = _opened(path, pool, asked)
        if folder.done:
            _same_data(operation, folder, pool, where, selection)
            on.say(f"{path} is done already; choose another name with --as to train again")
        else:
            operation.fill(folder, pool.at(folder.version), where, selection, on)
    return Run(path)


def first_process() -> bool:
    """Whether this is the only process, or the one that speaks and writes for those that `torchrun` started."""
    return os.environ.get("RANK", "0") == "0"


def _same_data(operation: Learn, folder: RunFolder, pool: Pool, where: str | None, selection: str | None) -> None:
    """Raise BadInput if a finished run would see other data in the pool as it is now."""
    then = pool.at(folder.version)
    reads = [*operation.reads(), *([f"select_{selection}"] if selection else [])]
    same = signature(then, reads) == signature(pool, reads)
    if not same or (where and not np.array_equal(then.rows(where), pool.rows(where))):
        raise BadInput(
            f"the run {folder.path} was trained on version {folder.version} of the pool, and the pool has other rows or "
            f"other values by now (version {pool.version}); choose another name with --as to train again"
        )


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
        _finish(folder, prepared, outcome, on)
    trainer.fabric.barrier()


def _finish(folder: RunFolder, prepared: Prepared, outcome: Outcome, on: progress.Progress) -> None:
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
    prepared.task.load_state_dict(last)
    folder.finish(prepared.task, about, card(folder, about))


def _opened(path: Path, pool: Pool, asked: dict[str, Any]) -> RunFolder:
    """The folder; of several processes the first makes it."""
    if not first_process():
        for _ in range(600):
            if (path / ASKED).exists():
                break
            time.sleep(0.1)
    return RunFolder.open(path, pool, asked)


@contextlib.contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Only one command works on a run at a time."""
    if not first_process():
        yield
        return
    path.mkdir(parents=True, exist_ok=True)
    with exclusive(path / LOCK):
        yield
