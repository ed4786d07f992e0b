"""Kills at random moments of every writing command: the same command again ends as if nothing had happened.

`python -m benchmarks.kills [KILLS]` (200 by default, seed in SEED). Each command starts from the same pool; it is killed with all
its processes, run again to its end, and compared with an undisturbed run: content, columns, selections, log, recipe, what
is exported, and what an undo leaves. The last line says how many kills came before the command's own end.
"""

from __future__ import annotations

import hashlib
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

from benchmarks.measure import row, scratch, veduta
from benchmarks.power_cuts import _photos

FIRST = "curate SRC -o POOL"
"""What makes the pool that the other commands start from; killed as well, from nothing."""

COMMANDS = (
    "curate MORE -o POOL",
    "ingest MORE -o POOL",
    "annotate blank POOL",
    "annotate quality POOL --where width>10",
    "annotate cluster POOL --count 3",
    "annotate label-issues POOL --minimum 2",
    "annotate review POOL --kind outliers --decisions a/000.png=keep,b/001.png=leave-out",
    "annotate import POOL TABLE --on key",
    "select sample POOL --count 9 --as some",
    "select deduplicate POOL --as proposed --threshold 0.99",
    "select picked POOL --keys a/002.png,b/003.png",
    "learn probe POOL --as again",
    "undo POOL",
    "export POOL OUT --format folder",
    "export POOL OUT.parquet",
)


def main(kills: int = 200) -> None:
    """Kill, run again, compare; one row a command."""
    draw = random.Random(int(os.environ.get("SEED", "0")))
    with scratch() as temporary:
        place = Path(temporary)
        _photos(place / "src", 40)
        _photos(place / "more", 56)
        (place / "table.csv").write_text("key,score\n" + "".join(f"{'ab'[i % 2]}/{i:03d}.png,{i}\n" for i in range(40)))
        chain = [(FIRST, None), *((words, "base") for words in COMMANDS)]
        _run(FIRST, place, place / "base")
        each, mid, wrong = max(1, kills // len(chain)), 0, 0
        for words, start in chain:
            begun, differences = 0, Counter[str]()
            length, wanted = _undisturbed(words, place, start)
            for _ in range(each):
                _fresh(place, start)
                begun += _killed(words, place, draw.uniform(0.05, 1.05) * length)
                differences.update(_differences(wanted, _again(words, place)))
            mid, wrong = mid + begun, wrong + bool(differences)
            said = ", ".join(f"{what} {n}" for what, n in differences.items())
            row(f"{words}: {each} kills", said or "equal", "equal", not differences, f"{begun} before the end")
        row(
            f"{each * len(chain)} kills of {len(chain)} commands",
            f"{wrong} differ",
            "0 differ",
            not wrong,
            f"{mid} before the end",
        )


def _undisturbed(words: str, place: Path, start: str | None) -> tuple[float, dict[str, Any]]:
    _fresh(place, start)
    began = time.monotonic()
    _run(words, place, place / "pool")
    return time.monotonic() - began, _state(place, undo=True)


def _fresh(place: Path, start: str | None) -> None:
    for left in ("pool", "out", "out.parquet"):
        gone = place / left
        shutil.rmtree(gone, ignore_errors=True) if gone.is_dir() else gone.unlink(missing_ok=True)
    if start:
        shutil.copytree(place / start, place / "pool")


def _killed(words: str, place: Path, seconds: float) -> bool:
    """Whether the command was still running when it was killed."""
    process = subprocess.Popen(
        _arguments(words, place, place / "pool"),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    time.sleep(seconds)
    is_running = process.poll() is None
    if is_running:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    return is_running


def _again(words: str, place: Path) -> dict[str, Any]:
    done = subprocess.run(_arguments(words, place, place / "pool"), capture_output=True, text=True, check=False)
    if words.startswith("undo"):  # a second undo takes another run away, if the first was done already
        return {"status": done.returncode}
    if done.returncode and not (words.startswith("export") and "exists already" in done.stderr):
        return {"status": f"{done.returncode}: {done.stderr.strip().splitlines()[-1][:200]}"}
    return _state(place, undo=True)


def _differences(wanted: dict[str, Any], found: dict[str, Any]) -> list[str]:
    if set(found) == {"status"}:
        return [] if found["status"] == 0 else [str(found["status"])]
    return [name for name in wanted if wanted[name] != found.get(name)]


def _state(place: Path, *, undo: bool) -> dict[str, Any]:
    """What a user can see of the pool and of what was exported."""
    from veduta.pool import Pool

    pool = Pool.open(place / "pool")
    found: dict[str, Any] = {
        "content": pool.digest(),
        "columns": sorted(pool.schema.names),
        "selections": sorted(pool.selections()),
        "log": [record.operation for record in pool.log()],
        "recipe": pool.recipe(),
        "runs": sorted(run.parent.name for run in (place / "pool").glob("runs/*/veduta.json")),
        "sound": not pool.check().problems,
        "exported": _digest(place),
        "left over": sorted(str(p.relative_to(place)) for p in place.glob(".*.part-*")),
    }
    if undo and any(record.adds for record in pool.lineage()):
        pool.undo()
        found["after undo"] = pool.digest()
    return found


def _digest(place: Path) -> str:
    total = hashlib.sha256()
    for root in (place / "out", place / "out.parquet"):
        for path in sorted(root.rglob("*")) if root.is_dir() else [root] if root.exists() else []:
            if path.is_file() and path.suffix in (".png", ".jsonl", ".parquet"):
                total.update(path.relative_to(place).as_posix().encode() + path.read_bytes())
    return total.hexdigest()


def _run(words: str, place: Path, pool: Path) -> None:
    done = subprocess.run(_arguments(words, place, pool), capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{words} failed:\n{done.stdout}\n{done.stderr}")


def _arguments(words: str, place: Path, pool: Path) -> list[str]:
    known = {
        "SRC": place / "src", "MORE": place / "more", "POOL": pool, "OUT": place / "out", "OUT.parquet": place / "out.parquet",
        "TABLE": place / "table.csv",
    }  # fmt: skip
    return [str(word) for word in veduta(*(str(known.get(word, word)) for word in words.split()))]


if __name__ == "__main__":
    main(*map(int, sys.argv[1:2]))
