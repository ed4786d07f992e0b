"""What every operation that trains is: it fills the folder of a run."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from veduta.engine import progress
from veduta.engine.operation import Operation, Verb
from veduta.pool import Pool

if TYPE_CHECKING:
    from veduta.learn.folder import RunFolder
    from veduta.learn.run import Run


class Learn(Operation):
    """Base of the operations that make a model from a pool."""

    verb: ClassVar[Verb] = "learn"

    def reads(self) -> list[str]:
        """The columns that the model depends on besides the images; with others the run need not be made again."""
        return []

    def fill(
        self, folder: RunFolder, pool: Pool, where: str | None, selection: str | None, on: progress.Progress
    ) -> None:
        """Train on `pool`, which is at the run's version, and finish the folder."""
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
        from veduta.learn.runs import run

        self.check(pool)
        return run(self, pool, where, selection, name or self.operation(), on or progress.Silent())
