"""Training whose result is measured and not kept: the one trainer, without a run's folder."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from torch import nn

from veduta.engine.progress import Silent
from veduta.learn.trainer import Trainer

if TYPE_CHECKING:
    from veduta.learn.learner import Learner
    from veduta.learn.session import Prepared
    from veduta.learn.task import Task


class Aside:
    """What the trainer needs of a run's folder; the best weights stay in memory."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.checkpoints = path / "checkpoint"
        self._best: dict[str, object] = {}

    def save_best(self, module: nn.Module) -> None:
        """Keep the module's weights as the best so far."""
        self._best = {name: value.detach().cpu().clone() for name, value in module.state_dict().items()}

    def put_best(self, module: nn.Module) -> None:
        """Give the best weights to the module."""
        module.load_state_dict(self._best)  # pyright: ignore[reportArgumentType]


def train_aside(learner: Learner, prepared: Prepared) -> Task:
    """Train to the end in a temporary folder and give the task back on the CPU, with its best weights, in evaluation mode.

    Without validation rows the best are the last ones. Seed torch before the task is prepared, as `session.train` does.
    """
    with tempfile.TemporaryDirectory() as place:
        folder = Aside(Path(place))
        Trainer(prepared.task, prepared.loader, learner, folder, Silent()).run()  # pyright: ignore[reportArgumentType]
        folder.put_best(prepared.task)
    return prepared.task.cpu().eval()
