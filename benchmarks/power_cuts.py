"""Power cuts during and after every kind of writing command: no pool is lost, and no command that has ended.

The pool lies on a file system in a file. A cut is a copy of that file while the command is held: what has reached the disk, and
nothing else. Needs root on Linux (loop mounts).
"""

from __future__ import annotations

import filecmp
import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.measure import row, scratch, veduta

COMMANDS = (
    "curate SRC -o DISK/pool.vd",
    "annotate blank DISK/pool.vd",
    "select sample DISK/pool.vd --count 9 --as some",
    "export DISK/pool.vd DISK/clean --format folder --selection some",
    "annotate review DISK/pool.vd --kind outliers --decisions a/000.png=keep,b/001.png=leave-out",
    "select picked DISK/pool.vd --keys a/002.png,b/003.png",
    "undo DISK/pool.vd",
    "annotate review DISK/pool.vd --kind outliers --decisions a/002.png=keep",
    "export DISK/pool.vd DISK/rows.parquet",
    "curate SRC -o DISK/pool.vd --encoder offline",
)
IN, AFTER = 2, 2
"""Cuts in each command, and after it."""
_STATE = """
import json, sys, veduta
pool = veduta.open(sys.argv[1], int(sys.argv[2]) or None)
log = [[r.operation, r.before, r.version] for r in pool.log()]
print(json.dumps({"version": pool.version, "content": pool.digest(), "log": log}))
"""


def main() -> None:
    """Cut, look at what is left, go on."""
    if os.geteuid():
        raise SystemExit("power cuts need root: they mount file systems")
    draw = random.Random(int(os.environ.get("SEED", "0")))
    wrong: dict[str, list[str]] = {"pools lost": [], "finished commands lost": [], "not sound": [], "stuck": []}
    opened, cuts = 0, 0
    with scratch() as temporary:
        place = Path(temporary)
        image, copy, disk, source = place / "disk.img", place / "cut.img", place / "disk", place / "src"
        _do("truncate", "-s", "300M", image)
        _do("mkfs.ext4", "-q", image)
        with _mounted(image, disk):
            state, length = None, 3.0
            for number, words in enumerate(COMMANDS):
                _photos(source, 40 if number < len(COMMANDS) - 1 else 60)
                length = 5.0 if words.startswith("curate") else 1.8
                process = _begun(words, source, disk)
                for moment in sorted(draw.uniform(0.3, length) for _ in range(IN)):
                    _wait(process, moment / IN)
                    _cut(process, image, copy)
                    cuts += 1
                    with _mounted(copy, place / "after") as left:
                        opened += _judge(words, left, state, {}, wrong, ended=False)
                        if words != "undo DISK/pool.vd" and not (words.startswith("export") and _outputs(left)):
                            again = _begun(words, source, left)
                            if again.wait() and "exists already" not in (again.stderr.read() if again.stderr else ""):
                                wrong["stuck"].append(words)
                if process.wait():
                    raise SystemExit(f"{words} failed:\n{process.stderr.read() if process.stderr else ''}")
                for wait in [0.0, *(draw.uniform(0.1, 8.0) for _ in range(AFTER - 1))]:
                    time.sleep(wait)
                    _cut(None, image, copy)
                    cuts += 1
                    state = _state(disk / "pool.vd")
                    with _mounted(copy, place / "after") as left:
                        opened += _judge(words, left, state, _outputs(disk), wrong, ended=True)
    for name, found in wrong.items():
        row(f"{name} by {cuts} power cuts", str(len(found)), "0", not found, "; ".join(found)[:400])


def _judge(words: str, left: Path, state: dict | None, outputs: dict, wrong: dict, *, ended: bool) -> int:
    """What a cut has left: the pool opens, and whatever had ended is there."""
    pool = left / "pool.vd"
    if state is None and not ended:
        return 0  # before the first command has ended there may be none
    now = _state(pool)
    if now is None:
        wrong["pools lost"].append(words)
        return 0
    assert state is not None
    then = _state(pool, state["version"])
    if then is None or then["content"] != state["content"] or now["log"][: len(state["log"])] != state["log"]:
        wrong["finished commands lost"].append(words)
    found = _outputs(left)
    if any(found.get(name) != content for name, content in outputs.items()):
        wrong["finished commands lost"].append(words)
    if ended and subprocess.run(veduta("check", pool), capture_output=True, check=False).returncode:
        wrong["not sound"].append(words)
    return 1


def _begun(words: str, source: Path, disk: Path) -> subprocess.Popen[str]:
    arguments = [w.replace("SRC", str(source)).replace("DISK", str(disk)) for w in words.split()]
    return subprocess.Popen(veduta(*arguments), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


def _wait(process: subprocess.Popen[str], seconds: float) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end and process.poll() is None:
        time.sleep(0.01)


def _cut(process: subprocess.Popen[str] | None, image: Path, copy: Path) -> None:
    """A copy of the disk as it is now: taken twice, until the kernel wrote nothing meanwhile."""
    running = process is not None and process.poll() is None
    if running:
        os.kill(process.pid, signal.SIGSTOP)
    other = copy.with_suffix(".twice")
    for _ in range(20):
        _do("cp", "--sparse=always", image, copy)
        _do("cp", "--sparse=always", image, other)
        if filecmp.cmp(copy, other, shallow=False):
            break
    if running:
        os.kill(process.pid, signal.SIGCONT)


@contextmanager
def _mounted(image: Path, folder: Path) -> Iterator[Path]:
    folder.mkdir(exist_ok=True)
    _do("mount", "-o", "loop", image, folder)
    try:
        yield folder
    finally:
        _do("umount", folder)


def _state(pool: Path, version: int = 0) -> dict | None:
    """Version, digest of the content and log; None where the pool does not open."""
    done = subprocess.run(
        [sys.executable, "-c", _STATE, str(pool), str(version)], capture_output=True, text=True, check=False
    )
    return json.loads(done.stdout) if done.returncode == 0 else None


def _outputs(disk: Path) -> dict[str, str]:
    """The exports on a disk, with a digest of their files."""
    found = {}
    for place in (p for p in disk.iterdir() if p.name in ("clean", "rows.parquet")):
        files = sorted(p for p in (place.rglob("*") if place.is_dir() else [place]) if p.is_file())
        total = hashlib.sha256(b"".join(p.name.encode() + p.read_bytes() for p in files))
        found[place.name] = total.hexdigest()
    return found


def _photos(folder: Path, count: int) -> None:
    for number in range(count):
        place = folder / "ab"[number % 2]
        place.mkdir(parents=True, exist_ok=True)
        noise = np.random.default_rng(number).integers(0, 255, (6, 6, 3))
        Image.fromarray(np.kron(noise, np.ones((16, 16, 1))).astype("uint8")).save(place / f"{number:03d}.png")


def _do(*words: str | Path) -> None:
    subprocess.run([str(w) for w in words], check=True)


if __name__ == "__main__":
    main()
