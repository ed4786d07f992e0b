"""The report's chapter on the source: what was read as what, guessed, converted and left aside, in the reader's words."""

from __future__ import annotations

from veduta.judge.report import Report
from veduta.pool import Pool
from veduta.pool.readers.told import lines

# The newest ingests of a pool that is grown every day say enough.
MOST = 5


def source(report: Report, pool: Pool) -> None:
    """Add the chapter "What was read" from the lineage of the newest ingests; nothing for pools that tell none."""
    told = [r for r in pool.lineage() if r.operation == "ingest" and r.details.get("source")][-MOST:]
    if not told:
        return
    section = report.section("What was read")
    for record in reversed(told):
        facts = record.details["source"]
        rows = [dict(zip(("what", "told"), line.split(": ", 1), strict=True)) for line in lines(facts)]
        section.table(rows, title=f"{facts['source']}, {record.started.replace('T', ' ').rstrip('Z')} UTC")
    report.facts["sources"] = [record.details["source"] for record in told]
