"""What the operations with the one trainer are: settings, and a task that is prepared from a pool."""

from __future__ import annotations

from typing import TYPE_CHECKING

from veduta.engine import progress
from veduta.learn.settings import Settings
from veduta.pool import Pool

if TYPE_CHECKING:
    from veduta.learn.folder import RunFolder
    from veduta.learn.session import Prepared


class Learner(Settings):
    """Base of the operations that train a network step by step."""

    def prepare(self, pool: Pool, where: str | None, selection: str | None) -> Prepared:
        """Check the pool, choose rows, build the task; torch's generator is seeded already."""
        raise NotImplementedError

    def fill(
        self, folder: RunFolder, pool: Pool, where: str | None, selection: str | None, on: progress.Progress
    ) -> None:
        from veduta.learn.session import train

        train(self, folder, pool, where, selection, on)
