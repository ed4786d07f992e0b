"""The one training loop: any task, any loader, exact resume, one or many processes.

A step is a function of the weights, the batch and its number: torch's generator is seeded anew before each, the loader
gives batch `n` without having given those before, and schedules know only the step. So a run that was killed and goes on
from its last checkpoint ends, on a CPU, in the same bits as one that was not.
"""

from __future__ import annotations

import contextlib
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from veduta.engine import faults
from veduta.engine.progress import Progress
from veduta.errors import TrainingFailed
from veduta.learn import checkpoint, curve, length, planning
from veduta.learn.board import Board
from veduta.learn.ema import EMA
from veduta.learn.folder import RunFolder
from veduta.learn.length import Budget
from veduta.learn.loader import Batch, Loader
from veduta.learn.optim import optimizer_for
from veduta.learn.processes import agreed, fabric_for
from veduta.learn.schedule import factor
from veduta.learn.settings import Settings
from veduta.learn.state import State
from veduta.learn.task import Task

CHECKPOINT_SECONDS = 30.0
TELL_SECONDS = 1.0
VALIDATIONS = 20
"""Validations in a run, evenly spread; each also decides which weights are the best so far."""

SETTLED = 0
"""Instead of a number of steps: it stays as it is."""


@dataclass
class Outcome:
    """How a run went. best_step: whose weights are kept."""

    steps: int
    seconds: float
    best_step: int
    images_per_second: float


class Trainer:
    """Trains `task` on the batches of `loader` into `folder`.

    settings: see `Settings`. on: receives a live line. Runs under `torchrun` as one of its processes: the first one writes.
    """

    def __init__(
        self, task: Task, loader: Callable[[int, int], Loader], settings: Settings, folder: RunFolder, on: Progress
    ) -> None:
        self.settings, self.folder, self.on = settings, folder, on
        self.fabric = fabric_for(settings.precision)
        self.loader = loader(self.fabric.global_rank, self.fabric.world_size)
        self.task = task.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
        self.optimizer = optimizer_for(task, settings)
        self.module, self.wrapped = self.fabric.setup(task, self.optimizer)
        self.ema = EMA(task) if settings.ema else None
        self.state = State(task, self.optimizer, self.ema)
        self.curve = curve.Curve(folder.path)
        self.board: Board | None = None
        self.step, self.steps = 0, 0
        self.elapsed = 0.0
        self.budget: Budget | None = None
        self.spent = 0.0
        self.begin: tuple[dict[str, Tensor], dict[str, Any]] | None = None
        self.best: dict[str, float] = {}
        self.best_step = 0

    @property
    def first(self) -> bool:
        """Whether this process writes."""
        return self.fabric.global_rank == 0

    def run(self) -> Outcome:
        """Train to the end, from the newest checkpoint if there is one."""
        started = time.monotonic()
        found = checkpoint.newest(self.folder.checkpoints, self.on.say)
        if found is not None:
            self._restore(*found)
            self.on.say(f"going on from step {self.step:,} of {self.steps:,}")
        else:
            self.steps = self._plan(started)
            self._save()
        while True:
            if self.settings.tensorboard and self.first:
                self.board = Board(self.folder.path / "tensorboard", self.step)
            self.on.stage(self.settings.operation(), self.steps)
            self.on.advance(self.step)
            if self._loop():
                break
            self._begin_again(started)
        self.on.done(steps=self.steps)
        if self.first:
            self._draw()
        rate = self.steps * self.loader.batch / max(self.elapsed, 1e-9)
        return Outcome(self.steps, self.elapsed, self.best_step, rate)

    def _loop(self) -> bool:
        """Train to the last step, or until a budget asks for another number of steps (False)."""
        if self.step >= self.steps:
            return True
        every = max(1, self.steps // VALIDATIONS)
        begun, before = time.monotonic(), self.elapsed
        saved = told = waited = begun
        since, images = self.step, self.loader.batch
        losses: list[Tensor] = []
        with contextlib.closing(self.loader.batches(self.step)) as batches:
            for batch in batches:
                values = self._step(batch)
                losses.append(values["loss"])
                self.step += 1
                now = time.monotonic()
                self.elapsed = before + now - begun
                last, round_ = self.step == self.steps, self.step % every == 0
                tell, save, steps = agreed(
                    self.fabric,
                    now - told > TELL_SECONDS,
                    now - saved > CHECKPOINT_SECONDS,
                    self._revised(now - waited),
                )
                if steps == SETTLED:
                    self.budget = self.begin = None
                elif steps != self.steps:
                    self.steps = steps
                    return False
                if last or tell or round_:
                    shown = self._tell(losses, values, (self.step - since) * images / max(now - told, 1e-9))
                    self.on.advance(self.step - since, **shown)
                    told, since, losses = now, self.step, []
                if last or round_:
                    self._validate()
                    told = time.monotonic()
                if last or save:
                    self.elapsed = before + time.monotonic() - begun
                    self._save()
                    saved = time.monotonic()
                waited = time.monotonic()
                faults.point("learn.step")
                if last:
                    break
        return True

    def _revised(self, step: float) -> int:
        """The number of steps there should be, or SETTLED. step: seconds that the last one took."""
        if self.budget is None:
            return self.steps
        spent = self.spent + self.elapsed
        if not self.budget.may_revise(spent):
            return SETTLED
        self.budget.took(step)
        return self.budget.revised(spent, self.steps - self.step, self.steps) or self.steps

    def _begin_again(self, started: float) -> None:
        """Undo the steps so far, for a run of `self.steps`: it ends in the bits of one that was given this number."""
        self.on.say(f"steps take another time than at first: the run begins again, {self.steps:,} fit into the budget")
        assert self.begin is not None
        self.state.put(*self.begin)
        self.fabric.barrier()
        if self.first:
            shutil.rmtree(self.folder.checkpoints, ignore_errors=True)
        self.curve.rows.clear()
        self.step, self.elapsed, self.best, self.best_step = 0, 0.0, {}, 0
        self.spent = time.monotonic() - started
        self._save()

    def _step(self, batch: Batch) -> dict[str, Tensor]:
        torch.manual_seed(_mixed(self.settings.seed, self.step, self.fabric.global_rank))
        self.task.train()
        self.task.before_step(self.step)
        rate = factor(self.settings.schedule, self.step, self.steps, self.settings.warmup)
        for group in self.optimizer.param_groups:
            group["lr"] = self.settings.lr * rate
        pieces = batch.split(self.settings.accumulate) if self.settings.accumulate > 1 else [batch]
        total: dict[str, Tensor] = {}
        for number, piece in enumerate(pieces):
            with self.fabric.no_backward_sync(self.module, enabled=number < len(pieces) - 1):
                values = self.module(piece.to(self.fabric.device))
                self.fabric.backward(values["loss"] / len(pieces))
            for name, value in values.items():
                total[name] = total.get(name, torch.zeros(())) + value.detach().float().cpu() / len(pieces)
        if not torch.isfinite(total["loss"]):
            raise TrainingFailed(
                f"the loss became {float(total['loss'])} at step {self.step:,} with a learning rate of "
                f"{self.settings.lr * rate:.2g}; the weights of the last checkpoint are kept in {self.folder.path}; "
                "try again with a lower --lr and another --as"
            )
        self.task.after_backward(self.step)
        if self.settings.clip:
            self.fabric.clip_gradients(self.module, self.wrapped, max_norm=self.settings.clip, error_if_nonfinite=False)
        self.wrapped.step()
        self.wrapped.zero_grad(set_to_none=True)
        self.task.after_step(self.step)
        if self.ema is not None:
            self.ema.update(self.task, self.loader.batch)
        return total

    def _tell(self, losses: list[Tensor], values: dict[str, Tensor], rate: float) -> dict[str, float]:
        means = {name: float(value) for name, value in values.items()}
        means["loss"] = float(torch.stack(losses).mean())
        if self.fabric.world_size > 1:
            reduced = self.fabric.all_reduce(torch.tensor(list(means.values())), reduce_op="mean")
            means = dict(zip(means, reduced.tolist(), strict=True))
        lr = self.optimizer.param_groups[0]["lr"]
        self.curve.add(step=self.step, seconds=self.elapsed, lr=lr, images_per_second=rate, **means)
        return {"loss": means["loss"], "lr": lr, "images/s": rate}

    def _validate(self) -> None:
        if self.first:
            with self._judged(), torch.no_grad():
                self.task.eval()
                figures = self.task.validate()
                if figures:
                    self.curve.add(step=self.step, **figures)
                if not self.best or not figures or self.task.better(figures, self.best):
                    self.best, self.best_step = figures, self.step
                    self.folder.save_best(self.task)
            self.curve.save()
            if self.board is not None:
                self.board.write(self.curve.rows)
        self.fabric.barrier()

    @contextlib.contextmanager
    def _judged(self) -> Iterator[None]:
        """The weights that are judged and kept: the moving average where there is one."""
        if self.ema is None:
            yield
        else:
            with self.ema.swapped(self.task):
                yield

    def _plan(self, started: float) -> int:
        """The number of steps: as given, or as many as a budget has room for, by the time of a few that are undone."""
        per_epoch = self.loader.steps_per_epoch
        if (given := planning.given(self.settings, per_epoch)) is not None:
            return given
        total = length.seconds(planning.budget(self.settings))
        self.begin = self.state.copy()
        self.steps = 1_000_000
        with contextlib.closing(self.loader.batches(0)) as batches:
            typical = planning.typical(self.fabric, batches, self._try, total)
        with self._judged(), torch.no_grad():
            start = time.monotonic()
            self.task.eval()
            self.task.validate()
            validation = time.monotonic() - start
        self.state.put(*self.begin)
        self.step = 0
        self.spent = time.monotonic() - started
        self.budget = Budget(total, validation * (VALIDATIONS + 1), planning.most(self.settings, per_epoch))
        (planned,) = agreed(self.fabric, self.budget.steps(self.spent, typical))
        for line in planning.told(self.settings, planned, typical, per_epoch):
            self.on.say(line)
        return planned

    def _try(self, batch: Batch) -> None:
        """A step that the plan times and undoes."""
        self._step(batch)
        self.step += 1

    def _save(self) -> None:
        if self.first:
            facts = {"steps": self.steps, "seconds": self.elapsed, "best": self.best, "best_step": self.best_step}
            tensors, plain = self.state.get()
            checkpoint.save(self.folder.checkpoints, self.step, tensors, {**facts, "optimizer": plain})
            self.curve.save()
        self.fabric.barrier()

    def _restore(self, tensors: dict[str, Tensor], facts: dict[str, Any]) -> None:
        try:
            self.state.put(tensors, facts["optimizer"])
        except (RuntimeError, KeyError, ValueError) as error:
            raise TrainingFailed(
                f"the checkpoint in {self.folder.path} is of another network ({str(error).splitlines()[0]}); "
                "name another run with --as"
            ) from None
        self.step, self.steps = int(facts["step"]), int(facts["steps"])
        self.elapsed = float(facts["seconds"])
        self.best, self.best_step = dict(facts["best"]), int(facts["best_step"])
        self.curve.load(self.step)

    def _draw(self) -> None:
        self.curve.save()
        metrics = [name for name in self.curve.names if name in self.best and name != "validation_loss"]
        self.curve.draw(self.folder.path.name, metrics, self.best_step)


def _mixed(*parts: int) -> int:
    """A seed for torch from several numbers."""
    value = 0
    for part in parts:
        value = (value * 1_000_003 + part + 0x9E3779B9) & 0x7FFF_FFFF_FFFF_FFFF
    return value
