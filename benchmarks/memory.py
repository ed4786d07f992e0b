"""Peak memory of `veduta curate` on all 60,000 CIFAR-10 images, and on 20,000 of them."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow.parquet as pq

from benchmarks.measure import command, row, scratch, veduta
from veduta import samples


def main() -> None:
    """The same command on a third and on the whole."""
    parquet = samples.get("cifar10")
    with scratch() as temporary:
        place = Path(temporary)
        part = place / "part.parquet"
        pq.write_table(pq.read_table(parquet).slice(0, 20_000), part)
        small = command(veduta("curate", part, "-o", place / "part.vd", "--json"))
        whole = command(veduta("curate", parquet, "-o", place / "whole.vd", "--json"))
        stages = [json.loads(line) for line in whole.output.splitlines()]
        slow = max((s for s in stages if s["event"] == "done"), key=lambda s: s["seconds"])
    growth = whole.peak / small.peak
    limit = f"{slow['stage']}: {slow['seconds']:.0f} of {whole.seconds:.0f} s"
    row("curate of 60,000 images, peak memory", f"{whole.peak / 1024:.2f} GiB", "<= 2 GiB", whole.peak <= 2048, limit)
    row(
        "the same against 20,000 images",
        f"{growth:.2f} x",
        "<= 1.10 x",
        growth <= 1.1,
        f"{small.peak / 1024:.2f} GiB at 20,000",
    )


if __name__ == "__main__":
    main()
