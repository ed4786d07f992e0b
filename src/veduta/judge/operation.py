"""The verb `judge`: measures a pool and returns a report."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from veduta.engine.operation import Operation, Verb

if TYPE_CHECKING:
    from veduta.engine.progress import Progress
    from veduta.judge.report import Report
    from veduta.pool import View


class Judge(Operation):
    """Base of the operations that measure. `judge` changes neither rows nor columns."""

    verb: ClassVar[Verb] = "judge"

    def reads(self) -> list[str]:
        """The columns it reads."""
        return []

    def check(self, pool: View) -> None:
        for column in self.reads():
            pool.require(column, needed_by=self.operation())

    def judge(self, pool: View) -> Report:
        """Measure the pool (or the rows of a view)."""
        raise NotImplementedError

    def watched(self, pool: View, on: Progress) -> Report:
        """As `judge`; those that take minutes tell `on` how far they are."""
        return self.judge(pool)
