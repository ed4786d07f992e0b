"""A source that changes, and a pool that follows: what a second ingest of the same source does."""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

import veduta
from items import Doubled, Given, Labelled, Mean, Rank
from pictures import encoded, picture
from veduta.annotate.import_table import Import
from veduta.annotate.perceptual_hash import PerceptualHash, phash
from veduta.annotate.review import Review
from veduta.engine.ingest import ingest
from veduta.errors import SourceError
from veduta.pool.writers import export


def png(seed: int) -> bytes:
    return encoded(picture(seed, (40, 30)), "PNG")


def put(root: Path, **files: int) -> None:
    """Pictures by name, `cat__a=1` for cat/a.png."""
    for name, seed in files.items():
        place = root / f"{name.replace('__', '/')}.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(png(seed))


def rows(pool, *columns: str) -> dict[str, tuple]:
    table = pool.table(["key", *columns]).to_pylist()
    return {row["key"]: tuple(row[c] for c in columns) for row in table}


@pytest.fixture
def data(tmp_path) -> Path:
    put(tmp_path / "data", cat__a=1, cat__b=2, dog__c=3)
    return tmp_path / "data"


@pytest.fixture
def pool(tmp_path, data):
    pool = veduta.create(tmp_path / "p.vd")
    ingest(pool, data, annotators=[Mean()])
    return pool


def test_unchanged_makes_no_version(pool, data):
    version = pool.version
    assert ingest(pool, data).outcomes == {"unchanged": 3}
    assert pool.version == version


def test_moved_to_another_class(pool, data):
    pool.annotate([Doubled(), Rank(), Labelled()])
    before = rows(pool, "mean", "doubled", "rank", "label")
    (data / "cat" / "a.png").rename(data / "dog" / "z.png")
    report = ingest(pool, data)
    assert (report.outcomes, report.changed) == ({"unchanged": 2, "moved": 1}, {"label": 1})
    after = rows(pool, "mean", "doubled", "rank", "label")
    assert after["dog/z.png"] == (*before["cat/a.png"][:3], "dog")
    assert set(after) == {"dog/z.png", "cat/b.png", "dog/c.png"}
    assert rows(pool, "uri")["dog/z.png"] == (str(data / "dog" / "z.png"),)
    labelled = rows(pool, "labelled")
    assert (labelled["dog/z.png"], labelled["cat/b.png"]) == ((None,), (3,))
    pool.annotate([Labelled()])
    assert set(rows(pool, "labelled").values()) == {(3,)}
    assert [d is not None for d in pool.read_images(range(3))] == [True] * 3
    version = pool.version
    assert ingest(pool, data).outcomes == {"unchanged": 3}
    assert pool.version == version


def test_changed_pixels_empty_what_was_computed_from_them(pool, data):
    before = rows(pool, "mean")
    put(data, cat__a=11)
    assert ingest(pool, data).outcomes == {"unchanged": 2, "updated": 1}
    after = rows(pool, "mean", "digest")
    assert after["cat/a.png"] == (None, hashlib.sha256(png(11)).hexdigest())
    assert after["cat/b.png"][:1] == before["cat/b.png"]
    pool.annotate([Mean()])
    assert rows(pool, "mean")["cat/a.png"] != before["cat/a.png"]


def test_gone_is_marked_left_out_and_comes_back(pool, data, tmp_path):
    pool.annotate([PerceptualHash()])
    (data / "cat" / "a.png").unlink()
    report = ingest(pool, data)
    assert report.outcomes == {"unchanged": 2, "gone": 1}
    assert report.problems == [("cat/a.png", "gone", f"no longer in {data}")]
    assert rows(pool, "gone")["cat/a.png"] == (f"no longer in {data}",)
    assert rows(pool, "mean")["cat/a.png"] != (None,)
    from veduta.select.exact_duplicates import ExactDuplicates

    chosen = pool.select(ExactDuplicates())
    assert chosen.keep.sum() == 2
    assert f"no longer in {data}" in chosen.reasons.to_pylist()
    assert export(pool, tmp_path / "out").left_out == {"no longer in the source": 1}
    assert export(pool, tmp_path / "all", gone=True).rows == 3
    assert '"gone":' not in (tmp_path / "all" / "metadata.jsonl").read_text()
    version = pool.version
    assert ingest(pool, data).outcomes == {"unchanged": 2, "gone before": 1}
    assert pool.version == version
    put(data, cat__a=1)
    os.utime(data / "cat" / "a.png", ns=(1, 1))
    assert ingest(pool, data).outcomes == {"unchanged": 2, "back": 1}
    assert rows(pool, "gone")["cat/a.png"] == (None,)
    assert pool.select(ExactDuplicates()).keep.all()


def test_a_gone_copy_never_stands_for_one_that_is_there(tmp_path):
    from veduta.select.exact_duplicates import ExactDuplicates

    put(tmp_path / "data", cat__a=1, cat__b=1, cat__c=2)
    pool = veduta.create(tmp_path / "p.vd")
    ingest(pool, tmp_path / "data")
    (tmp_path / "data/cat/a.png").unlink()
    ingest(pool, tmp_path / "data")
    kept = pool.table(["key"]).filter(pa.array(pool.select(ExactDuplicates()).keep))["key"].to_pylist()
    assert kept == ["cat/b.png", "cat/c.png"]


def test_a_copy_is_new_and_a_move_is_not(pool, data):
    shutil.copy(data / "cat" / "a.png", data / "dog" / "copy.png")
    assert ingest(pool, data).outcomes == {"unchanged": 3, "ingested": 1}
    (data / "cat" / "a.png").unlink()
    (data / "dog" / "copy.png").rename(data / "dog" / "once.png")
    report = ingest(pool, data)
    assert report.outcomes == {"unchanged": 2, "moved": 1, "gone": 1}
    assert len(pool) == 4


@pytest.mark.parametrize("store", ["copy", "reference"])
def test_away_changes_nothing(tmp_path, data, store):
    pool = veduta.create(tmp_path / "p.vd")
    ingest(pool, data, annotators=[Mean()], store=store)
    digest = pool.digest()
    content = pool.read_images(range(3))
    names = [name for name in pool.schema.names if name not in ("image", "stamp")]
    before = pool.table(names)
    # A file that cannot be read: a link to a drive that is not there.
    (data / "cat" / "a.png").rename(tmp_path / "kept.png")
    (data / "cat" / "a.png").symlink_to(tmp_path / "nowhere" / "a.png")
    report = ingest(pool, data, store=store)
    assert report.outcomes == {"unchanged": 2, "away": 1}
    assert report.problems == [("cat/a.png", "away", "No such file or directory")]
    # A folder behind such a link, one below a mount point without its drive, and the whole source.
    (data / "dog").rename(tmp_path / "dog")
    (data / "dog").symlink_to(tmp_path / "nowhere")
    assert ingest(pool, data, store=store).outcomes == {"unchanged": 1, "away": 2}
    (data / "dog").unlink()
    (data / "dog").mkdir()
    os.utime(data / "dog", (1, 1))
    report = ingest(pool, data, store=store)
    assert report.outcomes == {"unchanged": 1, "away": 2}
    assert "not mounted" in report.problems[-1][2]
    data.rename(tmp_path / "elsewhere")
    report = ingest(pool, data, store=store)
    assert report.outcomes == {"away": 3}
    assert "does not exist" in report.problems[-1][2]
    with pytest.raises(SourceError, match="does not exist"):
        ingest(pool, tmp_path / "never read", store=store)
    data.mkdir()
    assert ingest(pool, data, store=store).outcomes == {"away": 3}
    data.rmdir()
    if store == "copy":
        assert pool.read_images(range(3)) == content
    assert pool.table(names) == before
    (tmp_path / "elsewhere").rename(data)
    (data / "dog").rmdir()
    (tmp_path / "dog").rename(data / "dog")
    (data / "cat" / "a.png").unlink()
    (tmp_path / "kept.png").rename(data / "cat" / "a.png")
    assert ingest(pool, data, store=store).outcomes == {"unchanged": 3}
    assert (pool.digest(), pool.read_images(range(3))) == (digest, content)


def test_a_server_that_fails_for_a_moment_keeps_the_rows(tmp_path):
    pool = veduta.create(tmp_path / "p.vd")
    good = {"a": png(1), "b": png(2)}
    ingest(pool, Given(good), annotators=[Mean()])
    broken = {"a": TimeoutError("timed out"), "b": SourceError("503 Service Unavailable"), "c": OSError(5, "I/O error")}
    report = ingest(pool, Given(broken), annotators=[Mean()])
    assert report.outcomes == {"away": 2, "unreadable": 1}
    assert rows(pool, "error")["a"] == (None,)
    assert ingest(pool, Given(good | {"c": png(3)}), annotators=[Mean()]).outcomes == {"unchanged": 2, "updated": 1}
    assert pool.table(["mean"])["mean"].null_count == 0


def test_a_narrower_and_a_wider_source_are_the_same_files(pool, data):
    version = pool.version
    assert ingest(pool, data / "cat").outcomes == {"unchanged": 2}
    assert pool.version == version
    (data / "cat" / "a.png").unlink()
    assert "gone" not in ingest(pool, data / "cat").outcomes
    assert ingest(pool, data).outcomes == {"unchanged": 2, "gone": 1}


def test_a_wider_source_renews_keys_and_labels(tmp_path, data):
    pool = veduta.create(tmp_path / "p.vd")
    ingest(pool, data / "cat", annotators=[Mean()])
    assert rows(pool, "label") == {"a.png": (None,), "b.png": (None,)}
    assert ingest(pool, data, annotators=[Mean()]).outcomes == {"moved": 2, "ingested": 1}
    assert rows(pool, "label") == {"cat/a.png": ("cat",), "cat/b.png": ("cat",), "dog/c.png": ("dog",)}
    assert pool.table(["mean"])["mean"].null_count == 0


@pytest.mark.parametrize("store", ["copy", "reference"])
def test_a_moved_root_with_an_edited_and_a_deleted_file(tmp_path, data, store):
    pool = veduta.create(tmp_path / "p.vd")
    ingest(pool, data, annotators=[Mean()], store=store)
    before = rows(pool, "mean")
    data.rename(tmp_path / "new")
    put(tmp_path / "new", cat__b=22, emu__e=5)
    (tmp_path / "new/dog/c.png").rename(tmp_path / "new/dog/d.png")
    report = ingest(pool, tmp_path / "new", store=store)
    assert report.outcomes == {"moved": 2, "updated": 1, "ingested": 1}
    assert str(tmp_path / "new") in report.remarks[0]
    after = rows(pool, "mean", "uri")
    assert after["cat/a.png"] == (*before["cat/a.png"], str(tmp_path / "new/cat/a.png"))
    assert after["dog/d.png"] == (*before["dog/c.png"], str(tmp_path / "new/dog/d.png"))
    seeds = {"cat/a.png": 1, "cat/b.png": 22, "dog/d.png": 3, "emu/e.png": 5}
    keys = pool.table(["key"])["key"].to_pylist()
    assert pool.read_images(range(4)) == [png(seeds[key]) for key in keys]
    version = pool.version
    assert ingest(pool, tmp_path / "new", store=store).outcomes == {"unchanged": 4}
    assert pool.version == version


def test_another_source_with_the_same_keys_is_kept_beside(tmp_path, data, pool):
    other = tmp_path / "other"
    put(other, cat__a=1, cat__b=77, emu__e=5)
    report = ingest(pool, other)
    assert report.outcomes == {"unchanged": 1, "ingested": 2}
    assert "such as cat/b.png, here as other~2/cat/b.png" in report.remarks[0]
    assert set(rows(pool)) == {"cat/a.png", "cat/b.png", "dog/c.png", "other~2/cat/b.png", "emu/e.png"}
    assert ingest(pool, other).outcomes == {"unchanged": 3}
    assert ingest(pool, data).outcomes == {"unchanged": 3}
    # Two different sources stay two when the drive of the first is away.
    data.rename(tmp_path / "hidden")
    put(tmp_path / "third", cat__a=91, cat__b=92)
    assert ingest(pool, tmp_path / "third").outcomes == {"ingested": 2}
    assert len(pool) == 7


def test_a_review_stays_unless_only_the_source_changed(tmp_path):
    data = tmp_path / "data"
    put(data, a=1, b=2, c=3)

    def labels(**names: str) -> None:
        lines = [json.dumps({"file_name": f"{n}.png", "label": label}) for n, label in names.items()]
        (data / "metadata.jsonl").write_text("\n".join(lines) + "\n")

    labels(a="cta", b="dog", c="emu")
    pool = veduta.create(tmp_path / "p.vd")
    ingest(pool, data, annotators=[Mean()])
    pool.annotate(Review(kind="label-issues", decisions={"a.png": "relabel:cat"}))
    labels(a="cta", b="dog", c="cow")
    report = ingest(pool, data)
    assert (report.outcomes, report.changed) == ({"unchanged": 2, "changed facts": 1}, {"label": 1})
    assert rows(pool, "label") == {"a.png": ("cat",), "b.png": ("dog",), "c.png": ("cow",)}
    labels(a="tiger", b="dog", c="cow")
    report = ingest(pool, data)
    assert report.kept == [("a.png", "label", "tiger")]
    assert rows(pool, "label")["a.png"] == ("cat",)
    assert ingest(pool, data).kept == []
    assert rows(pool, "review_label_issues")["a.png"] == ("relabelled",)
    put(data, a=11)
    ingest(pool, data, annotators=[Mean()])
    assert rows(pool, "label")["a.png"] == ("cat",)
    assert pool.table(["mean"])["mean"].null_count == 0


def test_another_picture_under_a_referenced_name_is_said_and_never_exported(tmp_path, data):
    pool = veduta.create(tmp_path / "p.vd")
    ingest(pool, data, store="reference")
    put(data, cat__a=99)
    problems: dict[int, str] = {}
    assert pool.read_images([0], problems) == [None]
    assert "is no longer the image that was ingested" in problems[0]
    report = export(pool, tmp_path / "out")
    assert report.left_out == {"the file is another image now": 1}
    assert "cat/a.png" in str(report)
    assert not (tmp_path / "out/cat/a.png").exists()


def test_a_pool_of_before_reconciles_from_its_log(tmp_path, data):
    """No column says where a row came from, stamps have no facts: the log says which source there was."""
    pool = veduta.create(tmp_path / "p.vd")
    ingest(pool, data, annotators=[Mean()])
    plain = [s.rpartition("|")[0] for s in pool.table(["stamp"])["stamp"].to_pylist()]
    pool.fill(pa.table({"stamp": plain}), [f.fragment_id for f in pool.dataset.get_fragments()])
    pool.drop(["origin"])
    version = pool.version
    assert ingest(pool, data).outcomes == {"unchanged": 3}
    assert pool.version == version
    (data / "cat" / "a.png").unlink()
    (data / "cat" / "b.png").rename(data / "dog" / "b.png")
    assert ingest(pool, data).outcomes == {"unchanged": 1, "moved": 1, "gone": 1}
    assert pool.table(["mean"])["mean"].null_count == 0


@pytest.mark.parametrize("end", ["zip", "tar", "tar.gz"])
def test_archives_that_change_and_break(tmp_path, end):
    place = tmp_path / f"s.{end}"

    def pack(**files: int) -> None:
        names = {f"{name.replace('__', '/')}.png": png(seed) for name, seed in files.items()}
        if end == "zip":
            with zipfile.ZipFile(place, "w") as archive:
                for name, data in names.items():
                    archive.writestr(name, data)
            return
        with tarfile.open(place, "w:gz" if end == "tar.gz" else "w") as archive:
            for name, data in names.items():
                member = tarfile.TarInfo(name)
                member.size = len(data)
                archive.addfile(member, io.BytesIO(data))

    pack(cat__a=1, cat__b=2, dog__c=3, dog__d=4)
    pool = veduta.create(tmp_path / "p.vd")
    ingest(pool, place, annotators=[Mean()])
    pack(cat__a=11, dog__b=2, dog__c=3, dog__copy=3)
    report = ingest(pool, place, annotators=[Mean()])
    assert report.outcomes == {"unchanged": 1, "moved": 1, "updated": 1, "ingested": 1, "gone": 1}
    assert pool.table(["mean"])["mean"].null_count == 0
    version = pool.version
    assert ingest(pool, place).outcomes == {"unchanged": 4, "gone before": 1}
    assert pool.version == version
    if end != "zip":
        place.write_bytes(place.read_bytes()[: place.stat().st_size // 2])
        report = ingest(pool, place)
        assert report.outcomes["away"] > 0
        assert not report.outcomes["gone"]
        assert pool.table(["mean"])["mean"].null_count == 0


def test_what_cannot_be_read_now_takes_nothing_back(tmp_path):
    put(tmp_path / "data", images__a=1, images__b=2)
    data = tmp_path / "data"
    (data / "labels").mkdir()
    (data / "classes.txt").write_text("cat\ndog\n")
    for name in "ab":
        (data / "labels" / f"{name}.txt").write_text("1 0.5 0.5 0.2 0.2\n")
    pool = veduta.create(tmp_path / "p.vd")
    ingest(pool, data)
    before = rows(pool, "objects")
    assert all(len(objects) == 1 for (objects,) in before.values())
    (data / "labels" / "a.txt").write_bytes(bytes(range(200)) * 9)
    (data / "labels" / "b.txt").write_text("0 0.5 0.5 0.2 0.2\n")
    ingest(pool, data)
    after = rows(pool, "objects")
    assert after["images/a.png"] == before["images/a.png"]
    assert [o["class"] for o in after["images/b.png"][0]] == ["cat"]


@pytest.mark.parametrize("fault", ["", "widen.aside:1", "widen.added:1"])
def test_a_column_widens_with_what_the_source_says(tmp_path, fault):
    put(tmp_path / "data", a=1, b=2)
    path = tmp_path / "p.vd"
    veduta.create(path)
    code = f"import veduta; veduta.open({str(path)!r}).ingest({str(tmp_path / 'data')!r})"
    for value, kind, expected in [
        ("1", "int64", [1, 7]), ("1.5", "double", [1.5, 7.0]), ("one", "string", ["one", "7"]), ("2", "string", ["2", "7"]),
    ]:  # fmt: skip
        (tmp_path / "data" / "metadata.csv").write_text(f"file_name,n\na.png,{value}\nb.png,7\n")
        if fault and kind != "int64":
            subprocess.run([sys.executable, "-c", code], env={**os.environ, "VEDUTA_FAULT": fault})
        report = ingest(veduta.open(path), tmp_path / "data")
        column = veduta.open(path).table(["n"])
        assert (str(column.schema.field("n").type), column["n"].to_pylist()) == (kind, expected)
        assert [r for r in report.remarks if "the column n is" in r] or kind == "int64" or fault or value == "2"
    assert ingest(veduta.open(path), tmp_path / "data").outcomes == {"unchanged": 2}


def test_a_table_with_a_broken_line_takes_nothing_back(tmp_path):
    put(tmp_path / "data", a=1, b=2)
    table = tmp_path / "data" / "metadata.jsonl"
    lines = [json.dumps({"file_name": f"{name}.png", "text": f"picture {name}"}) for name in "ab"]
    table.write_text("\n".join(lines))
    pool = veduta.create(tmp_path / "p.vd")
    ingest(pool, tmp_path / "data")
    before = rows(pool, "captions")
    table.write_text("\n".join([lines[0][:20], lines[1].replace("picture b", "new words")]))
    ingest(pool, tmp_path / "data")
    assert rows(pool, "captions") == {"a.png": before["a.png"], "b.png": (["new words"],)}
    (tmp_path / "data" / "a.png").unlink()
    assert ingest(pool, tmp_path / "data").outcomes == {"unchanged": 1, "gone": 1}


# -- any change, against a plain model ---------------------------------------------------------------------------------

NAMES = [f"{folder}/{name}.png" for folder in ("cat", "dog", "é mu.1") for name in ("a", "b b", "c")]
CHANGE = st.tuples(
    st.sampled_from(
        [
            "move",
            "delete",
            "edit",
            "new",
            "say",
            "hide file",
            "hide folder",
            "bring back",
            "swap",
            "renumber",
            "insert",
            "keep",
        ]
    ),
    st.sampled_from(NAMES),
    st.sampled_from(NAMES),
)


class Tree:
    """A folder source and what a pool must hold of it."""

    def __init__(self, root: Path) -> None:
        self.root, self.aside = root, root.with_name("aside")
        self.aside.mkdir()
        self.files: dict[str, int] = {}
        self.words: dict[str, str] = {}
        self.hidden: set[str] = set()
        self.folder: str | None = None
        self.rows: dict[str, tuple[int | None, str, str | None, bool]] = {}
        self.marks: dict[str, str | None] = {}
        self.seed = 0

    def free(self, name: str) -> bool:
        return name not in self.files and name.split("/")[0] != self.folder

    def there(self, name: str) -> bool:
        return name in self.files and name not in self.hidden and name.split("/")[0] != self.folder

    def apply(self, kind: str, name: str, other: str) -> None:
        place = self.root / name
        if kind == "bring back":
            for each in sorted(self.hidden):
                (self.root / each).unlink()
                (self.aside / each.replace("/", "_")).rename(self.root / each)
            self.hidden.clear()
            if self.folder:
                (self.root / self.folder).unlink()
                (self.aside / "folder").rename(self.root / self.folder)
                self.folder = None
        elif kind == "new" and self.free(name):
            self.seed += 1
            self.files[name] = self.seed
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(png(self.seed))
        elif not self.there(name):
            return
        elif kind == "move" and self.free(other):
            (self.root / other).parent.mkdir(parents=True, exist_ok=True)
            place.rename(self.root / other)
            self.files[other] = self.files.pop(name)
            self._leave(place)
        elif kind == "delete" and len(self.files) > 1:
            place.unlink()
            del self.files[name]
            self._leave(place)
        elif kind == "edit":
            self._edit(name)
        elif kind == "keep" and self.free(other):  # the picture under another name, and its own edited
            (self.root / other).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(place, self.root / other)
            self.files[other] = self.files[name]
            self._edit(name)
        elif kind == "swap" and self.there(other):
            self._shift([name, other], last=other)
        elif kind in ("renumber", "insert"):
            chain = [n for n in sorted(self.files) if self.there(n)]
            chain = chain[chain.index(name) :]
            self._shift(chain if kind == "insert" else chain[::-1], last=None)
        elif kind == "say":
            self.words[name] = f"{other} {self.seed}"
        elif kind == "hide file":
            place.rename(self.aside / name.replace("/", "_"))
            place.symlink_to(self.aside / "nowhere")
            self.hidden.add(name)
        elif kind == "hide folder" and not self.folder and not self.hidden:
            self.folder = name.split("/")[0]
            place.parent.rename(self.aside / "folder")
            place.parent.symlink_to(self.aside / "nowhere")

    def _edit(self, name: str) -> None:
        self.seed += 1
        self.files[name] = self.seed
        (self.root / name).write_bytes(png(self.seed))

    def _shift(self, names: list[str], last: str | None) -> None:
        """Each picture under the next name; the first name gets the last one's picture, none, or a new one."""
        if last is None and len(names) == len(self.files) == 1:
            return
        held, seeds = [(self.root / n).read_bytes() for n in names], [self.files[n] for n in names]
        for after, data, seed in zip(names[1:], held, seeds, strict=False):
            (self.root / after).write_bytes(data)
            self.files[after] = seed
        if last:
            (self.root / names[0]).write_bytes(held[-1])
            self.files[names[0]] = seeds[-1]
        elif self.seed % 2:
            self._edit(names[0])
        else:
            (self.root / names[0]).unlink()
            del self.files[names[0]]
            self._leave(self.root / names[0])

    def _leave(self, place: Path) -> None:
        if not any(place.parent.iterdir()):
            place.parent.rmdir()

    def settle(self) -> bool:
        """Write the captions; what the pool must hold after an ingest. False if there is nothing to ingest."""
        offered = {name: seed for name, seed in self.files.items() if name.split("/")[0] != self.folder}
        said = {name: self.words.get(name) for name in offered}
        lines = [json.dumps({"file_name": name, "captions": words}) for name, words in said.items()]
        (self.root / "metadata.jsonl").write_text("\n".join(lines) + "\n")
        if not offered:
            return False
        seen = {name for name in offered if name not in self.hidden}
        before, marks = dict(self.rows), dict(self.marks)
        away = {key for key in before if key.split("/")[0] == self.folder or key in self.hidden}
        owners = {before[key][0]: key for key in before if key not in away and before[key][0] is not None}
        became = {name: owners[offered[name]] for name in seen if offered[name] in owners}
        for name in seen - became.keys():
            if name in before and name not in became.values():
                became[name] = name
        self.rows, self.marks = {}, {}
        for name in offered:
            was = became.get(name, name if name in self.hidden else None)
            label, words = name.split("/")[0], said[name]
            if len({each.split("/")[0] for each in offered}) < 2:  # the only folder is not a class; what was said stays
                stays = was and re.sub(r"^gone~\d+/", "", was).split("/")[0] == label
                label = before[was][1] if was in before and stays else None
            self.rows[name] = (offered[name], label, words, False)
            if name in self.hidden:
                self.rows[name] = before.get(name, (None, label, words, False))
            if was in marks:
                self.marks[name] = marks[was]
        for key in before.keys() - became.values() - self.hidden:
            here, own, number = key, re.sub(r"^gone~\d+/", "", key), 0
            while here in self.rows or (here != key and here in before):
                number += 1
                here = f"gone~{number}/{own}"
            self.rows[here] = before[key] if key in away else (*before[key][:3], True)
            self.marks[here] = marks.get(key)
        return True


def _as_model(pool, known: dict[str, int]) -> dict[str, tuple]:
    names = ["key", "digest", "label", "captions", "hash", *(["gone"] if "gone" in pool.schema.names else [])]
    found = {}
    for row in pool.table(names).to_pylist():
        seed = known.get(row["digest"])
        expected = phash([np.asarray(picture(seed, (40, 30)))])[0].tobytes() if seed else None
        assert row["hash"] == expected, row["key"]
        words = (row["captions"] or [None])[0]
        found[row["key"]] = (seed, row["label"], words, row.get("gone") is not None)
    return found


@pytest.mark.parametrize("store", ["copy", "reference"])
@settings(
    max_examples=12,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=list(HealthCheck),
    derandomize=True,
)
@given(rounds=st.lists(st.lists(CHANGE, min_size=1, max_size=5), min_size=1, max_size=3))
def test_any_change_ends_as_the_plain_model_says(tmp_path_factory, store, rounds):
    home = tmp_path_factory.mktemp("tree")
    tree = Tree(home / "data")
    for name in NAMES[:5]:
        tree.apply("new", name, name)
    pool = veduta.create(home / "p.vd")
    for changes in [[], *rounds]:
        for change in changes:
            tree.apply(*change)
        if not tree.settle():
            with pytest.raises(SourceError):
                ingest(pool, tree.root, annotators=[PerceptualHash()], store=store)
            return
        ingest(pool, tree.root, annotators=[PerceptualHash()], store=store)
        known = {hashlib.sha256(png(seed)).hexdigest(): seed for seed in range(1, tree.seed + 1)}
        assert _as_model(pool, known) == tree.rows
        if not tree.marks:
            tree.marks = {key: key for key in tree.rows}
            pool.annotate(Import(table=pa.table({"key": list(tree.marks), "mark": list(tree.marks)})))
        marks = {key: mark for key, (mark,) in rows(pool, "mark").items() if mark}
        assert marks == {key: mark for key, mark in tree.marks.items() if mark}
        version = pool.version
        again = ingest(pool, tree.root, annotators=[PerceptualHash()], store=store)
        assert pool.version == version, again
        for row, data in zip(pool.table(["key"])["key"].to_pylist(), pool.read_images(range(len(pool))), strict=True):
            seed = tree.rows[row][0]
            if tree.there(row) and seed is not None:
                assert data == png(seed)
