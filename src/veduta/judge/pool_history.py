"""The report's chapters on what a pool cost, how it was made, and what to do next."""

from __future__ import annotations

import shlex
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from veduta.judge import words
from veduta.judge.pool_scan import Scan
from veduta.judge.report import Card, Report
from veduta.pool import Pool
from veduta.pool.schema import FINGERPRINT

PACKAGES = (
    "veduta",
    "pylance",
    "pyarrow",
    "numpy",
    "onnxruntime",
    "torch",
    "faiss-cpu",
    "pillow",
    "simplejpeg",
    "cleanlab",
)


def cost(report: Report, pool: Pool, scan: Scan, timings: Sequence[Mapping[str, Any]] | None) -> None:
    """Add the chapter "What it cost"; without `timings` the lineage tells."""
    stages = [dict(stage) for stage in timings or ()]
    if not stages:
        stages = [
            {"stage": record.operation, "rows": record.rows, "seconds": record.seconds}
            for record in pool.lineage()
            if "fused_with" not in record.details
        ]
    if not stages:
        return
    total = sum(float(stage["seconds"]) for stage in stages)
    section = report.section("What it cost")
    rate = scan.rows / total if total > 0 else float("nan")
    section.cards(
        [
            Card(words.duration(total), "in all", words.count(len(stages), "stage")),
            Card(words.number(rate), "images a second", "the whole run over the whole pool"),
        ]
    )
    rows = []
    for stage in stages:
        seconds, done = float(stage["seconds"]), int(stage.get("rows") or 0)
        rows.append(
            {
                "stage": stage["stage"],
                "time": seconds,
                "of all": seconds / total if total else None,
                "share": seconds,
                "images": done or None,
                "images a second": done / seconds if seconds > 0 and done else None,
            }
        )
    section.table(rows, columns={"time": "seconds", "of all": "percent", "share": "bar"})
    report.facts["timings"] = stages


def made(report: Report, pool: Pool, source: str | None) -> None:
    """Add the chapter "How it was made": outcomes, encoders, lineage, versions."""
    section = report.section("How it was made")
    if source:
        section.text(f"The images came from `{source}`.")
    ingests = [record for record in pool.lineage() if record.operation == "ingest"]
    latest = {str(record.parameters.get("source")): record.details.get("outcomes", {}) for record in ingests}
    offered: Counter[str] = Counter()
    for outcomes in latest.values():
        offered.update(outcomes)
    if offered:
        told = ", ".join(f"{number:,} {outcome}" for outcome, number in offered.items() if number)
        section.text(f"Every file offered has one outcome: {told}.")
    for name in ("embedding", "embedding_text"):
        if name in pool.schema.names:
            made = pool.provenance(name)
            uri = str(made.get("parameters", {}).get("encoder", "unknown"))
            mark = (pool.schema.field(name).metadata or {}).get(FINGERPRINT, b"").decode()[:12]
            section.text(f"`{name}` was made by the encoder **{uri}**" + (f" (fingerprint `{mark}`)." if mark else "."))
            if uri == "offline" and name == "embedding":
                section.note(_advice(), "info")
    records = pool.lineage()
    if records:
        rows = [
            {
                "step": i + 1,
                "operation": record.operation,
                "parameters": _brief(record.parameters),
                "images": record.rows,
                "time": record.seconds,
                "version": record.version,
                "when": record.started.replace("T", " ").rstrip("Z"),
            }
            for i, record in enumerate(records)
        ]
        note = "Times of day are UTC. Steps that shared one pass over the images show the time of the whole pass."
        section.table(
            rows, title="Lineage", columns={"operation": "code", "time": "seconds", "when": "date"}, note=note
        )
    section.text("Versions: " + ", ".join(f"{name} {number}" for name, number in _versions().items()) + ".")
    report.facts["versions"] = _versions()
    report.facts["lineage"] = [
        {"operation": r.operation, "parameters": r.parameters, "version": r.version} for r in records
    ]


def _advice() -> str:
    from veduta.encode.base import ADVICE

    return "The offline encoder needs no download and is the fallback: good for duplicates and rough search. " + ADVICE


def _brief(parameters: Mapping[str, Any]) -> str:
    """Parameters as words; long lists are cut."""
    parts = (f"{name}={value}" for name, value in parameters.items() if value not in (None, "", [], {}, ()))
    return ", ".join(part if len(part) <= 80 else part[:79] + "…" for part in parts)


def _versions() -> dict[str, str]:
    found = {"python": ".".join(map(str, sys.version_info[:3]))}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def ahead(report: Report, pool: Pool, chosen: str | None, commands: Sequence[tuple[str, str]] | None) -> None:
    """Add the chapter "What to do next": commands that work on this pool as they stand."""
    place = shlex.quote(str(pool.path))
    steps = list(commands or ())
    if not steps:
        steps.append((f"veduta view {place}", "See, search, review and decide in the browser."))
        if "embedding" in pool.schema.names:
            steps.append((f'veduta search {place} "a dog in the snow" --sheet found.png', "Find pictures by words."))
        if chosen:
            ask = f"veduta show {place} --where 'not select_{chosen}' --columns key,reason_{chosen}"
            steps.append((ask, "See every picture that was left out, with its reason."))
            take = f"veduta export {place} clean --format folder --selection {chosen}"
            steps.append((take, "Take the selected pictures with you, as they came."))
        else:
            steps.append((f"veduta curate SOURCE -o {place}", "Check the images and get a proposed selection."))
        steps.append((f"veduta log {place}", "See what was done to the pool; veduta undo takes the last step back."))
    report.section("What to do next").commands(steps[:5])
