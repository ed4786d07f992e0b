"""What is done around the training: the folder, the pinned pool, the end of the run."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from veduta.engine import progress
from veduta.engine.disk import full_disk_is_an_answer
from veduta.learn.card import card
from veduta.learn.folder import RunFolder
from veduta.learn.learner import Learner
from veduta.learn.loader import Loader
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
    """

    task: Task
    loader: Callable[[int, int], Loader]
    rows: Rows
    about: dict[str, Any]
    finish: Callable[[RunFolder], dict[str, Any]]


def train(
    learner: Learner, pool: Pool, where: str | None, selection: str | None, name: str, on: progress.Progress
) -> Run:
    """Train in the folder `runs/<name>`, or go on there; see `Learner.learn`."""
    rows = {"where": where, "selection": selection}
    asked = {"operation": learner.operation(), "parameters": learner.parameters(), "rows": rows}
    folder = _opened(pool, name, asked)
    if folder.done:
        on.say(f"{folder.path} is done already; choose another name with --as to train again")
        return Run(folder.path)
    with _alone(folder.path), full_disk_is_an_answer(pool.path):
        torch.manual_seed(learner.seed)
        prepared = learner.prepare(pool.at(folder.version), where, selection)
        for reason, count in prepared.rows.skipped.items():
            on.say(f"left aside: {count:,} {reason}")
        trainer = Trainer(prepared.task, prepared.loader, learner, folder, on)
        outcome = trainer.run()
        if trainer.first:
            _finish(folder, prepared, outcome, on)
        trainer.fabric.barrier()
    return Run(folder.path)


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


def _opened(pool: Pool, name: str, asked: dict[str, Any]) -> RunFolder:
    """The folder; of several processes the first makes it."""
    if int(os.environ.get("RANK", "0")):
        place = pool.path / "runs" / name / "run.json"
        for _ in range(600):
            if place.exists():
                break
            time.sleep(0.1)
    return RunFolder.open(pool, name, asked)


@contextlib.contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Only one command works on a run at a time."""
    if int(os.environ.get("RANK", "0")):
        yield
        return
    with exclusive(path / ".lock"):
        yield
