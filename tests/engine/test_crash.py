"""kill -9 at ten points: the pool opens, the same command finishes, the table is byte-identical."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pytest

import veduta
from items import Bright
from veduta.pool import unfinished
from veduta.pool.lineage import Record

STORY = """
import sys
import veduta
from items import Bright
from pictures import encoded, picture
from items import Bright, Doubled, Given, Mean, Rank
from pathlib import Path
import veduta.engine.ingest as ingest
ingest.COMMIT_ROWS = 16
path = Path(sys.argv[1])
pool = veduta.open(path) if (path / "images.lance").exists() else veduta.create(path)
content = {f"k{i:02d}": encoded(picture(i, (40, 30)), "PNG") for i in range(60)} | {"bad": b"x"}
pool.ingest(Given(content), annotators=[Mean()])
pool.annotate([Doubled(), Rank()])
pool.select(Bright())
"""

POINTS = [
    "ingest.append:1", "ingest.append:3", "ingest.appended:2", "ingest.recorded:1", "annotate.computed:2",
    "annotate.filled:1", "table.computed:1", "table.added:1", "table.filled:1", "select.computed:1", "table.added:2",
    "select.recorded:1",
]  # fmt: skip


def story(path: Path, fault: str = "") -> subprocess.CompletedProcess:
    here = Path(__file__).parents[1]
    environment = {**os.environ, "VEDUTA_FAULT": fault, "PYTHONPATH": str(here), "PYTHONHASHSEED": "0"}
    return subprocess.run([sys.executable, "-c", STORY, str(path)], env=environment, capture_output=True, text=True)


def end(path: Path) -> list:
    """What a pool ends as: its content, recipe and runs, and what each undo leaves."""
    pool = veduta.open(path)
    ends: list = [pool.digest(), pool.recipe(), [(r.operation, r.parameters) for r in pool.lineage()]]
    while pool.lineage():
        pool.undo()
        ends.append((len(pool), sorted(pool.schema.names)))
    return ends


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("story") / "whole.vd"
    done = story(path)
    assert done.returncode == 0, done.stderr
    return path


@pytest.fixture(scope="module")
def undisturbed(whole: Path) -> str:
    return veduta.open(whole).digest()


@pytest.fixture(scope="module")
def ended(whole: Path, undisturbed: str) -> list:
    return end(Path(shutil.copytree(whole, whole.with_name("undone.vd"))))


@pytest.mark.parametrize("fault", POINTS)
def test_killed_anywhere_the_same_command_ends_the_same(tmp_path: Path, ended: list, fault: str):
    path = tmp_path / "p.vd"
    killed = story(path, fault)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    veduta.open(path)  # opens at the last commit
    again = story(path)
    assert again.returncode == 0, again.stderr
    assert end(path) == ended


def test_a_killed_run_that_another_follows_is_a_run_of_its_own(tmp_path: Path, whole: Path):
    path = tmp_path / "p.vd"
    assert story(path, "annotate.filled:1").returncode == -signal.SIGKILL
    pool = veduta.open(path)
    rows = len(pool)
    pool.select(Bright())
    names = [record.operation for record in pool.lineage()]
    assert names[-1] == "bright"
    assert pool.lineage()[-2].details == {"interrupted": True}
    pool.undo()
    assert (len(pool), "select_bright" in pool.schema.names) == (rows, False)
    pool.undo()
    assert (len(pool), "doubled" in pool.schema.names) == (rows, False)


def test_a_run_that_failed_before_it_wrote_is_no_run(tmp_path: Path, whole: Path):
    pool = veduta.open(shutil.copytree(whole, tmp_path / "p.vd"))
    before = pool.version
    unfinished.begin(pool, [Record("doubled", {}, 0, 0, adds=["doubled"])])  # and then an error
    pool.define(pa.schema([pa.field("more", pa.int64())]))
    pool.record(Record("other", {}, before, pool.version, adds=["more"]))
    runs = len(pool.lineage())
    pool.undo()
    assert (len(pool.lineage()), "more" in pool.schema.names) == (runs - 1, False)
    assert not [record for record in pool.log() if record.details.get("interrupted")]


@pytest.mark.parametrize("fault", ["ingest.append:2:disk", "annotate.computed:1:disk", "table.filled:1:disk"])
def test_a_disk_that_fills_up_is_an_answer(tmp_path: Path, undisturbed: str, fault: str):
    path = tmp_path / "p.vd"
    full = story(path, fault)
    assert "DiskFull" in full.stderr.splitlines()[-1]
    assert story(path).returncode == 0
    assert veduta.open(path).digest() == undisturbed


CHANGED = """
import sys
import veduta
from items import Bright
from items import Labelled, Mean
from pathlib import Path
import veduta.engine.ingest as ingest
ingest.COMMIT_ROWS = 2
path, data = Path(sys.argv[1]), Path(sys.argv[2])
pool = veduta.open(path)
pool.ingest(data, annotators=[Mean(), Labelled()])
pool.annotate([Mean(), Labelled()])
"""

RECONCILED = [
    "ingest.append:1", "ingest.append:2", "ingest.listed:1", "ingest.carry:1", "ingest.carried:1", "ingest.renew:1",
    "ingest.renewed:1", "ingest.recorded:1", "annotate.filled:1",
]  # fmt: skip


@pytest.fixture(scope="module")
def changed(tmp_path_factory) -> tuple[Path, str]:
    """A pool whose source was moved as a whole, edited, relabelled by moving, and lost a file; the digest that it must end with."""
    from items import Labelled, Mean
    from pictures import encoded, picture

    home = tmp_path_factory.mktemp("changed")
    for number in range(8):
        place = home / "old" / ("cat" if number < 6 else "dog") / f"{number}.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(encoded(picture(number, (40, 30)), "PNG"))
    pool = veduta.create(home / "p.vd")
    pool.ingest(home / "old", annotators=[Mean(), Labelled()])
    (home / "old").rename(home / "new")
    data = home / "new"
    (data / "cat" / "0.png").rename(data / "dog" / "0.png")
    (data / "cat" / "1.png").unlink()
    for name, seed in (("cat/2.png", 12), ("cat/8.png", 18), ("cat/9.png", 19), ("cat/10.png", 20)):
        (data / name).write_bytes(encoded(picture(seed, (40, 30)), "PNG"))
    whole = home / "whole.vd"
    shutil.copytree(home / "p.vd", whole)
    done = reconcile(whole, data)
    assert done.returncode == 0, done.stderr
    ended = veduta.open(whole)
    assert sum(value is not None for value in ended.table(["gone"])["gone"].to_pylist()) == 1
    assert ended.table(["labelled"])["labelled"].null_count == ended.table(["mean"])["mean"].null_count == 0
    return home, ended.digest()


def reconcile(path: Path, data: Path, fault: str = "") -> subprocess.CompletedProcess:
    here = Path(__file__).parents[1]
    environment = {**os.environ, "VEDUTA_FAULT": fault, "PYTHONPATH": str(here), "PYTHONHASHSEED": "0"}
    command = [sys.executable, "-c", CHANGED, str(path), str(data)]
    return subprocess.run(command, env=environment, capture_output=True, text=True)


@pytest.mark.parametrize("fault", RECONCILED)
def test_a_reconciliation_killed_anywhere_ends_the_same(tmp_path: Path, changed: tuple[Path, str], fault: str):
    home, digest = changed
    path = tmp_path / "p.vd"
    shutil.copytree(home / "p.vd", path)
    killed = reconcile(path, home / "new", fault)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    veduta.open(path)
    again = reconcile(path, home / "new")
    assert again.returncode == 0, again.stderr
    assert veduta.open(path).digest() == digest
