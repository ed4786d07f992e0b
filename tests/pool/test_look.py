"""The preview of a source, and the words that tell what was read as what."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

import veduta
from pictures import encoded, picture
from veduta.errors import BadInput
from veduta.pool.readers.notes import Notes
from veduta.pool.readers.told import Tally, facts, lines


def put(root, *paths):
    for number, path in enumerate(paths):
        place = root / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(encoded(picture(number, (48, 40)), "PNG"))
    return root


def test_a_preview_counts_what_would_become_of_a_source(tmp_path):
    put(tmp_path, "train/cat/a.png", "train/dog/b.png", "test/cat/c.png")
    (tmp_path / "clip.mp4").write_bytes(b"0" * 10)
    seen = veduta.look(tmp_path, rows=2)
    assert seen.whole
    assert seen.facts["rows"] == 3
    assert seen.facts["labels"] == {"rows": 3, "classes": 2, "counts": {"cat": 2, "dog": 1}}
    assert seen.facts["splits"] == {"test": 1, "train": 2}
    assert [row["key"] for row in seen.rows] == ["test/cat/c.png", "train/cat/a.png"]
    assert "left aside: 1 x " in str(seen)
    assert "clip.mp4" in str(seen)


def test_objects_captions_and_own_columns_are_told(tmp_path):
    put(tmp_path, "a.png", "b.png")
    box = {"class": "cat", "bbox": [1, 2, 5, 5]}
    records = [
        {"file_name": "a.png", "caption": "a cat", "objects": [box, box], "night": True},
        {"file_name": "b.png", "caption": "nothing", "objects": [], "night": False},
    ]
    (tmp_path / "metadata.jsonl").write_text("".join(json.dumps(r) + "\n" for r in records), encoding="utf-8")
    seen = veduta.look(tmp_path)
    assert seen.facts["objects"]["objects"] == 2
    assert seen.facts["objects"]["rows"] == 1
    assert seen.facts["captions"] == {"rows": 2, "captions": 2}
    assert "2 objects of 1 class on 1 image;" in seen.lines[1]
    assert seen.rows[0]["night"] is True


def test_every_note_is_in_the_facts_and_the_words():
    notes = Notes()
    for number in range(5):
        notes.skip(f"v{number}.mp4", "not an image", "videos (.mp4)")
    notes.guess("labels", "the folders' names", "--label-from none")
    notes.guess("labels", "the folders' names", "--label-from none")
    notes.count("boxes clipped to the image", 7)
    notes.problem("x.png", "named in metadata.csv, but there is no such image")
    notes.warn("row 3", "4 cells under 3 column names")
    reader = type(
        "Reader", (), {"name": "s", "notes": notes, "layout_name": "YOLO", "layout_why": "data.yaml", "columns": dict}
    )()
    told = json.loads(json.dumps(facts(reader, Tally())))
    assert lines(told) == [
        "read as: YOLO (data.yaml)",
        "found: 0 images; no labels",
        "guessed: labels: the folders' names (otherwise: --label-from none)",
        "left aside: 5 x videos (.mp4) (v0.mp4, v1.mp4, v2.mp4, ...)",
        "note: 7 x boxes clipped to the image",
        "doubt: x.png: named in metadata.csv, but there is no such image",
        "doubt: row 3: 4 cells under 3 column names",
    ]


def test_kinds_of_left_aside_files_are_bounded():
    notes = Notes()
    for number in range(1000):
        notes.skip(f"{number}", f"reason {number}")
    assert len(notes.aside) <= 101
    assert sum(count for count, _ in notes.aside.values()) == 1000


def test_an_option_of_another_reader_names_those_that_exist(tmp_path):
    put(tmp_path, "a.png")
    with pytest.raises(BadInput, match=r"no option key \(--key-column\); its options: layout \(--layout\)"):
        veduta.look(tmp_path, key="picture")


def test_the_command_prints_the_same_facts_for_people_and_machines(tmp_path):
    source = put(tmp_path / "source", "cat/a.png", "dog/b.png")
    words = subprocess.run([sys.executable, "-m", "veduta", "look", source], capture_output=True, text=True)
    machine = subprocess.run([sys.executable, "-m", "veduta", "look", source, "--json"], capture_output=True, text=True)
    told = json.loads(machine.stdout)
    assert told["labels"]["counts"] == {"cat": 1, "dog": 1}
    assert all(line in words.stdout for line in told["lines"])
    assert "cat/a.png" in words.stdout
    assert list(tmp_path.iterdir()) == [source]


def test_an_ingest_tells_the_same_as_the_preview_and_what_the_pixels_said(tmp_path):
    from veduta.judge.pool_report import pool_report

    source = put(tmp_path / "source", "cat/a.png", "dog/b.png")
    (source / "cat" / "c.png").write_bytes(encoded(picture(3), "JPEG"))
    (source / "clip.mp4").write_bytes(b"0")
    pool = veduta.create(tmp_path / "p.vd")
    report = pool.ingest(source)
    told = report.told
    assert {k: v for k, v in told.items() if k != "converted"} == {
        k: v for k, v in veduta.look(source).facts.items() if k != "converted"
    }
    misnamed = "files that are in another format than their names say (read as what they are)"
    assert told["converted"] == {misnamed: 1}
    assert pool.log()[-1].details["source"] == told
    page = pool_report(pool).to_html()
    assert "left aside" in page
    assert misnamed in page
