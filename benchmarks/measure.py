"""Running whole commands: seconds and peak memory, ours and a peer's in turn."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

PEERS = Path(os.environ.get("VEDUTA_PEERS", ".venv-peers")) / "bin" / "python"


@dataclass
class Run:
    """Wall seconds and peak resident memory (MiB) of the largest process of a command, and what it printed."""

    seconds: float
    peak: float
    output: str


def command(arguments: Sequence[str | Path]) -> Run:
    """Run a command to its end; a failure stops the benchmark with what it printed."""
    code = (
        "import resource,subprocess,sys,time;s=time.perf_counter();r=subprocess.run(sys.argv[1:]).returncode;"
        "t=time.perf_counter()-s;sys.stderr.write(f'\\n@@{t} {resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss}');sys.exit(r)"
    )
    done = subprocess.run([sys.executable, "-c", code, *map(str, arguments)], capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{' '.join(map(str, arguments))} failed:\n{done.stdout}\n{done.stderr}")
    seconds, peak = done.stderr.rsplit("@@", 1)[1].split()
    return Run(float(seconds), int(peak) / 1024, done.stdout)


def veduta(*arguments: str | Path) -> list[str | Path]:
    """The veduta command of this environment."""
    return [sys.executable, "-m", "veduta", *arguments]


def in_turn(ours, peer, rounds: int = 3) -> tuple[float, float, float]:
    """Medians of both and the median of the pairwise ratios; the two alternate, so that drift of the machine cancels."""
    pairs = [(ours(), peer()) for _ in range(rounds)]
    return median(a for a, _ in pairs), median(b for _, b in pairs), median(a / b for a, b in pairs)


def row(name: str, measured: str, asked: str, holds: bool, limit: str) -> None:
    """One line of the table, as JSON for `python -m benchmarks`."""
    print(
        json.dumps({"what": name, "measured": measured, "at least": asked, "holds": bool(holds), "limited by": limit}),
        flush=True,
    )


def scratch() -> tempfile.TemporaryDirectory:
    """A folder that goes away."""
    return tempfile.TemporaryDirectory(prefix="veduta-bench-")


def peak_here() -> float:
    """Peak resident memory of this process in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def now() -> float:
    """Seconds of a clock that only goes forward."""
    return time.perf_counter()
