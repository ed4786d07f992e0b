"""What a source cannot say now: known rows keep their facts, and nothing is added in its place."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import veduta
from pictures import encoded, picture
from veduta.engine.ingest import ingest
from veduta.errors import SourceError
from veduta.pool.readers import places, survey, tree_folder

FACTS = ["key", "label", "captions", "split", "objects"]


def put(root: Path, *names: str) -> None:
    for seed, name in enumerate(names):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(encoded(picture(seed + 1, (40, 30)), "PNG"))


def facts(pool) -> list[dict]:
    return sorted(pool.table(FACTS).to_pylist(), key=lambda row: row["key"])


def coco(root: Path) -> None:
    for number, split in enumerate(["train", "val"]):
        put(root / f"{split}2017", f"{split}1.png", f"{split}2.png")
        boxes = [{"id": n, "image_id": n, "category_id": 1, "bbox": [1, 2, 10, 12]} for n in (1, 2)]
        named = [{"id": n, "file_name": f"{split}{n}.png"} for n in (1, 2)]
        content = {"images": named, "annotations": boxes, "categories": [{"id": 1, "name": ["cat", "dog"][number]}]}
        (root / "annotations").mkdir(exist_ok=True)
        (root / "annotations" / f"instances_{split}2017.json").write_text(json.dumps(content))


def yolo(root: Path) -> None:
    put(root, "images/a.png", "images/b.png")
    (root / "labels").mkdir()
    for number, name in enumerate("ab"):
        (root / "labels" / f"{name}.txt").write_text(f"{number} 0.5 0.5 0.2 0.2\n")
    (root / "data.yaml").write_text("train: images\nnc: 2\nnames: [cat, dog]\n")


def table(root: Path) -> None:
    put(root, "a.png", "b.png")
    lines = ["file_name,label,split,caption", "a.png,cat,train,a cat", "b.png,dog,val,a dog at home"]
    (root / "metadata.csv").write_text("\n".join(lines) + "\n")


def refuse(monkeypatch, *names: str) -> None:
    """Take away the right to open what has one of these names."""

    def guarded(function):
        def call(uri, *rest):
            if Path(str(uri)).name in names:
                raise PermissionError(13, "Permission denied", str(uri))
            return function(uri, *rest)

        return call

    from veduta.pool import location

    monkeypatch.setattr(survey.places, "open_binary", guarded(places.open_binary))
    monkeypatch.setattr(location, "read", guarded(location.read))
    monkeypatch.setattr(tree_folder.places, "listing", guarded(places.listing))


@pytest.mark.parametrize(
    ("make", "hidden", "outcomes"),
    [
        (coco, ["instances_val2017.json"], {"unchanged": 2, "away": 2}),
        (coco, ["instances_val2017.json", "instances_train2017.json"], {"away": 4}),
        (coco, ["val2017"], {"unchanged": 2, "away": 2}),
        (yolo, ["data.yaml"], {"away": 2}),
        (table, ["metadata.csv"], {"away": 2}),
        (table, ["data"], {"away": 2}),
    ],
)
def test_what_cannot_be_opened_keeps_rows_and_facts(tmp_path, monkeypatch, make, hidden, outcomes):
    make(tmp_path / "data")
    pool = veduta.create(tmp_path / "p.vd")
    ingest(pool, tmp_path / "data")
    before = facts(pool)
    for _ in range(2):
        with monkeypatch.context() as patch:
            refuse(patch, *hidden)
            report = ingest(pool, tmp_path / "data")
        assert report.outcomes == outcomes
        assert facts(pool) == before
        assert "ermission denied" in str([report.unread, report.problems])
        assert "PosixPath" not in str(report.unread)
    assert ingest(pool, tmp_path / "data").outcomes == {"unchanged": len(before)}
    assert facts(pool) == before


YAML, CSV = "data.yaml", "metadata.csv"


@pytest.mark.parametrize(
    ("make", "name", "content", "kept"),
    [
        (yolo, YAML, "train: images\nnames: [cat, ", {"split": 2, "objects": 2}),
        (yolo, YAML, "", {"split": 2, "objects": 2}),
        (yolo, YAML, None, {"split": 2, "objects": 2}),
        (yolo, "labels", None, {"split": 2, "objects": 2}),
        (table, CSV, None, {"label": 2, "split": 2, "captions": 2}),
        (table, CSV, "", {"label": 2, "split": 2, "captions": 2}),
        (table, CSV, "file_name,label,split,caption\na.png,cat,train,a cat\nb.png,dog", {"split": 1, "captions": 1}),
        (table, CSV, "file_name,label,split,caption\na.png,cat,train,a cat\nb.png,dog,val,a do", {"captions": 1}),
    ],
)
def test_silence_takes_nothing_back(tmp_path, make, name, content, kept):
    make(tmp_path / "data")
    pool = veduta.create(tmp_path / "p.vd")
    ingest(pool, tmp_path / "data")
    before = facts(pool)
    place = tmp_path / "data" / name
    aside = tmp_path / "aside"
    place.rename(aside)
    if content is not None:
        place.write_text(content)
    report = ingest(pool, tmp_path / "data")
    assert not report.changed
    assert report.told["untold"]["columns"] == kept
    assert facts(pool) == before
    if content is not None:
        place.unlink()
    aside.rename(place)
    assert not ingest(pool, tmp_path / "data").changed


def test_an_explicit_empty_value_takes_back(tmp_path):
    for make in (yolo, table, coco):
        make(tmp_path / make.__name__)
        pool = veduta.create(tmp_path / f"{make.__name__}.vd")
        ingest(pool, tmp_path / make.__name__)
        root = tmp_path / make.__name__
        if make is yolo:
            (root / "labels" / "a.txt").write_text("")
        elif make is table:
            (root / "metadata.csv").write_text("file_name,label,split,caption\na.png,,,\nb.png,dog,val,a dog at home\n")
        else:
            file = root / "annotations" / "instances_train2017.json"
            content = json.loads(file.read_text())
            file.write_text(json.dumps({**content, "annotations": content["annotations"][1:]}))
        ingest(pool, root)
        row = facts(pool)[0]
        columns = ("label", "split", "captions") if make is table else ("objects",)
        assert not any(row[name] for name in columns), make


def test_class_names_that_cannot_be_read_at_first_are_numbers(tmp_path):
    yolo(tmp_path / "data")
    (tmp_path / "data" / "data.yaml").write_text("names: [cat, ")
    pool = veduta.create(tmp_path / "p.vd")
    report = ingest(pool, tmp_path / "data")
    assert report.outcomes == {"ingested": 2}
    assert [row["objects"][0]["class"] for row in facts(pool)] == ["class 0", "class 1"]
    assert [name for name, _ in report.unread] == ["data.yaml"]
    (tmp_path / "data" / "data.yaml").write_text("train: images\nnames: [cat, dog]\n")
    ingest(pool, tmp_path / "data")
    assert [row["objects"][0]["class"] for row in facts(pool)] == ["cat", "dog"]


def test_bad_lines_are_told_once_and_are_no_rows(tmp_path):
    yolo(tmp_path / "data")
    (tmp_path / "data" / "labels" / "a.txt").write_text("0 0.5 0.5 0.2 0.2\nx\ny z\n")
    report = ingest(veduta.create(tmp_path / "p.vd"), tmp_path / "data")
    assert (report.offered, report.outcomes, report.problems) == (2, {"ingested": 2}, [])
    assert [name for name, _ in report.unread] == ["labels/a.txt:2", "labels/a.txt:3"]


def test_curate_keeps_a_pool_whose_source_is_away(tmp_path, make_folder):
    folder = make_folder(4)
    done = veduta.curate(folder, tmp_path / "p.vd")
    before = done.pool.table(["key", "gone"] if "gone" in done.pool.schema.names else ["key"]).to_pylist()
    folder.rename(tmp_path / "away")
    done = veduta.curate(folder, tmp_path / "p.vd")
    assert done.run.ingest.outcomes == {"away": 4}
    assert done.pool.table(list(before[0])).to_pylist() == before
    with pytest.raises(SourceError, match="does not exist"):
        veduta.curate(folder, tmp_path / "new.vd")
    assert not (tmp_path / "new.vd").exists()
