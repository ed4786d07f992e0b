"""The report of a pool as an operation."""

from __future__ import annotations

from veduta.engine.operation import Field
from veduta.judge.operation import Judge
from veduta.judge.report import Report
from veduta.pool import Pool


class Overview(Judge):
    """Write the report of a pool again, from what its columns hold now."""

    selection: str | None = Field(
        None, description="the selection that the report is about; default: the last one made"
    )
    clusters: int = Field(24, ge=1, le=500, description="show at most so many clusters")

    def judge(self, pool: Pool) -> Report:
        from veduta.judge.pool_report import pool_report

        return pool_report(pool, selection=self.selection, max_clusters=self.clusters)
