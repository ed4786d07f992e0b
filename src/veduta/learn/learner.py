"""What every training operation is: settings, and a `learn` that trains or goes on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from veduta.engine import progress
from veduta.learn.settings import Settings
from veduta.pool import Pool

if TYPE_CHECKING:
    from veduta.learn.run import Run
    from veduta.learn.session import Prepared


class Learner(Settings):
    """Base of the operations that train a model on a pool."""

    def prepare(self, pool: Pool, where: str | None, selection: str | None) -> Prepared:
        """Check the pool, choose rows, build the task; torch's generator is seeded already."""
        raise NotImplementedError

    def learn(
        self,
        pool: Pool,
        *,
        where: str | None = None,
        selection: str | None = None,
        name: str | None = None,
        on: progress.Progress | None = None,
    ) -> Run:
        """Train, or go on with the run `name` (default: the operation's name) where it was interrupted.

        where, selection: the rows to train on, by SQL or as a stored selection keeps them. The run is bound to the
        version of the pool at its first call. Raises BadInput if `name` is another run; nothing is overwritten.
        """
        from veduta.learn.session import train

        self.check(pool)
        return train(self, pool, where, selection, name or self.operation(), on or progress.Silent())
