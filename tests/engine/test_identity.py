"""Which row a picture is when names, numbers and places change: its own, whatever stands under its old key."""

from __future__ import annotations

import io
import shutil
import tarfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

import veduta
from items import Labelled, Mean
from pictures import encoded, picture
from veduta.annotate.import_table import Import
from veduta.annotate.review import Review
from veduta.engine.ingest import ingest
from veduta.pool import Item


def png(seed: int) -> bytes:
    return encoded(picture(seed, (40, 30)), "PNG")


def marked(pool: veduta.Pool) -> None:
    """Each picture gets its key of now as a mark from outside."""
    keys = pool.table(["key"])["key"].to_pylist()
    pool.annotate(Import(table=pa.table({"key": keys, "mark": keys})))


def marks(pool: veduta.Pool, *, gone: bool = False) -> dict[str, str | None]:
    names = ["key", "mark", *(["gone"] if "gone" in pool.schema.names else [])]
    return {r["key"]: r["mark"] for r in pool.table(names).to_pylist() if (r.get("gone") is not None) == gone}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    for number, name in enumerate(["cat/0", "cat/1", "cat/2", "dog/3"]):
        place = tmp_path / "data" / f"{name}.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(png(number))
    return tmp_path / "data"


@pytest.fixture
def pool(tmp_path: Path, data: Path) -> veduta.Pool:
    pool = veduta.create(tmp_path / "p.vd")
    ingest(pool, data, annotators=[Mean(), Labelled()])
    marked(pool)
    return pool


def test_a_persons_label_goes_with_the_picture(data, pool):
    pool.annotate(Review(kind="label-issues", decisions={"cat/0.png": "relabel:tiger"}))
    (data / "cat/0.png").rename(data / "t")
    (data / "dog/3.png").rename(data / "cat/0.png")  # between classes: computed columns are carried or made again
    (data / "t").rename(data / "dog/3.png")
    assert ingest(pool, data).outcomes == {"unchanged": 2, "moved": 2}
    table = pool.table(["key", "label", "review_label_issues"]).to_pylist()
    found = {r["key"]: (r["label"], r["review_label_issues"]) for r in table}
    assert (found["dog/3.png"], found["cat/0.png"]) == (("tiger", "relabelled"), ("cat", None))
    assert len(found) == len(table) == 4
    assert marks(pool) == {
        "cat/0.png": "dog/3.png",
        "cat/1.png": "cat/1.png",
        "cat/2.png": "cat/2.png",
        "dog/3.png": "cat/0.png",
    }
    assert pool.table(["mean"])["mean"].null_count == 0


def test_renumbered_after_a_deletion_the_right_one_is_gone(data, pool):
    for number in (0, 1):
        (data / f"cat/{number + 1}.png").replace(data / f"cat/{number}.png")
    report = ingest(pool, data)
    assert report.outcomes == {"unchanged": 1, "moved": 2, "gone": 1}
    assert "1 image that is gone has a new key, such as gone~1/cat/0.png" in report.remarks[0]
    assert marks(pool) == {"cat/0.png": "cat/1.png", "cat/1.png": "cat/2.png", "dog/3.png": "dog/3.png"}
    assert marks(pool, gone=True) == {"gone~1/cat/0.png": "cat/0.png"}
    version = pool.version
    assert ingest(pool, data).outcomes == {"unchanged": 3, "gone before": 1}
    assert pool.version == version
    (data / "cat/9.png").write_bytes(png(0))
    assert ingest(pool, data).outcomes == {"unchanged": 3, "moved": 1}
    assert marks(pool)["cat/9.png"] == "cat/0.png"


def test_a_copy_kept_before_an_edit_is_the_picture(data, pool):
    shutil.copy(data / "cat/0.png", data / "cat/kept.png")
    (data / "cat/0.png").write_bytes(png(50))
    assert ingest(pool, data).outcomes == {"unchanged": 3, "moved": 1, "ingested": 1}
    found = marks(pool)
    assert (found["cat/kept.png"], found["cat/0.png"], len(found)) == ("cat/0.png", None, 5)


def test_an_edited_picture_keeps_what_cannot_be_made_again(data, pool):
    pool.annotate(Review(kind="outliers", decisions={"cat/0.png": "keep"}))
    for name, seed in (("cat/0.png", 60), ("cat/1.png", 61)):
        (data / name).write_bytes(png(seed))
    report = ingest(pool, data)
    assert report.outcomes == {"unchanged": 2, "updated": 2}
    assert report.remarks == [
        "2 updated images keep mark, imported for the pictures as they were",
        "1 updated image keeps review_outliers, decided for the picture as it was",
    ]
    assert all(key == mark for key, mark in marks(pool).items())
    table = pool.table(["key", "mean", "review_outliers"]).to_pylist()
    assert {r["key"] for r in table if r["mean"] is None} == {"cat/0.png", "cat/1.png"}
    assert {r["key"]: r["review_outliers"] for r in table}["cat/0.png"] == "kept"


@pytest.mark.parametrize("change", ["a folder", "all", "deleted"])
def test_a_source_that_moved_and_changed_inside(tmp_path, data, pool, change):
    new = data.rename(tmp_path / "new")
    (new / "cat").rename(new / "kitten")
    gone = {}
    if change == "all":
        (new / "dog").rename(new / "wolf")
    if change == "deleted":
        (new / "kitten/0.png").unlink()
        gone = {"gone": 1}
    assert ingest(pool, new).outcomes == {"moved": 4 - len(gone), **gone}
    names = {"cat": "kitten", "dog": "wolf" if change == "all" else "dog"}
    assert all(key == f"{names[mark.split('/')[0]]}/{mark.split('/')[1]}" for key, mark in marks(pool).items() if mark)
    assert ingest(pool, new).outcomes["unchanged"] == 4 - len(gone)


def test_rows_of_a_table_are_known_by_their_pictures(tmp_path):
    table = tmp_path / "t.parquet"

    def write(*seeds: int) -> None:
        pq.write_table(pa.table({"image": [png(seed) for seed in seeds]}), table)

    write(1, 2, 3)
    pool = veduta.create(tmp_path / "p.vd")
    ingest(pool, table)
    marked(pool)
    write(9, 1, 2, 3)  # on top
    assert ingest(pool, table).outcomes == {"moved": 3, "ingested": 1}
    assert list(dict(sorted(marks(pool).items())).values()) == [None, "t/00000000", "t/00000001", "t/00000002"]
    write(2, 30)  # the first two are gone, the last one is another picture
    assert ingest(pool, table).outcomes == {"moved": 1, "updated": 1, "gone": 2}
    assert marks(pool) == {"t/00000000": "t/00000001", "t/00000001": "t/00000000"}
    assert len({*marks(pool), *marks(pool, gone=True)}) == len(pool) == 4


def test_a_link_that_the_pool_has_is_not_fetched_again(tmp_path):
    place = tmp_path / "links.csv"
    place.write_text("")
    fetched: list[str] = []

    class Links:
        name = str(place)

        def __init__(self, *seeds: int) -> None:
            self.seeds = seeds

        def items(self):
            for number, seed in enumerate(self.seeds):
                link = f"https://example.org/{seed}.png"

                def read(seed: int = seed, link: str = link) -> bytes:
                    fetched.append(link)
                    return png(seed)

                yield Item(f"links/{number:08d}", link, link, read)

        def columns(self) -> dict[str, pa.DataType]:
            return {}

    pool = veduta.create(tmp_path / "p.vd")
    ingest(pool, Links(1, 2, 3))
    marked(pool)
    fetched.clear()
    assert ingest(pool, Links(9, 1, 2, 3)).outcomes == {"ingested": 1, "moved": 3}
    assert set(fetched) == {"https://example.org/9.png"}
    fetched.clear()
    assert ingest(pool, Links(2, 3)).outcomes == {"moved": 2, "gone": 2}
    assert not fetched
    assert marks(pool) == {"links/00000000": "links/00000001", "links/00000001": "links/00000002"}
    assert len({*marks(pool), *marks(pool, gone=True)}) == len(pool) == 4
    assert ingest(pool, Links(3, 3)).outcomes["duplicate key"] == 0
    assert len({*marks(pool), *marks(pool, gone=True)}) == len(pool)


def test_members_of_a_tar_that_look_the_same(tmp_path):
    place = tmp_path / "t.tar"

    def pack(*seeds: int) -> None:
        with tarfile.open(place, "w") as archive:
            for number, seed in enumerate(seeds):
                data = io.BytesIO()
                Image.fromarray(np.asarray(picture(seed, (40, 30)))).save(data, "BMP")
                member = tarfile.TarInfo(f"cat/{number}.bmp")
                member.size = len(data.getvalue())
                archive.addfile(member, io.BytesIO(data.getvalue()))

    pack(1, 2, 3)
    pool = veduta.create(tmp_path / "p.vd")
    ingest(pool, place)
    marked(pool)
    pack(2, 1, 3)
    assert ingest(pool, place).outcomes == {"unchanged": 1, "moved": 2}
    assert marks(pool) == {"cat/0.bmp": "cat/1.bmp", "cat/1.bmp": "cat/0.bmp", "cat/2.bmp": "cat/2.bmp"}
    version = pool.version
    assert ingest(pool, place).outcomes == {"unchanged": 3}
    assert pool.version == version
