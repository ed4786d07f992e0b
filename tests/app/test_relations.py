"""Relations as sources write them, found among the objects of an image."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import veduta
from app.looked import client
from items import Given
from pictures import encoded, picture
from veduta.app.relations import read

PLAIN = [{"class": "person", "box": [0.0, 0.0, 4.0, 8.0]}, {"class": "horse", "box": [5.0, 5.0, 9.0, 9.0]}]
NUMBERED = [{**thing, "attributes": json.dumps({"object_id": 7 - place})} for place, thing in enumerate(PLAIN)]


def told(given: Any, objects: list[dict[str, Any]]) -> list[tuple]:
    found = read(json.dumps(given), objects)
    return [(r.subject.name, r.subject.thing, r.predicate, r.object.name, r.object.thing) for r in found]


@pytest.mark.parametrize(
    ("given", "objects"),
    [
        ([{"subject": 0, "predicate": "rides", "object": 1}], PLAIN),
        ([{"subject": "person", "relation": "rides", "object": "horse"}], PLAIN),
        ([["person", "rides", "horse"]], PLAIN),
        ([{"subject_id": 7, "predicate": "rides", "object_id": 6}], NUMBERED),
        (
            {"relationships": [{"subject": {"object_id": 7}, "predicate": "rides", "object": {"object_id": 6}}]},
            NUMBERED,
        ),
    ],
)
def test_a_relation_is_between_two_objects(given: Any, objects: list[dict[str, Any]]) -> None:
    assert told(given, objects) == [("person", 0, "rides", "horse", 1)]


def test_ends_that_are_no_objects_keep_their_names_and_boxes() -> None:
    given = {"subject": {"name": "man", "x": 1, "y": 2, "w": 3, "h": 4}, "predicate": "is", "object": "tall"}
    [found] = read(json.dumps([given]), PLAIN)
    assert (found.subject.box, found.object.name, found.object.box) == ([1, 2, 3, 4], "tall", None)
    twice = [*PLAIN, PLAIN[0]]
    assert told([["person", "near", "horse"]], twice)[0][:2] == ("person", None)  # which of the two is not said
    assert told([[7, "on", 9]], PLAIN) == [("object 7", None, "on", "object 9", None)]


@pytest.mark.parametrize(
    "text", [None, "", "no json", "5", '"words"', "[1, 2]", '[{"subject": 0}]', "[[0, 1, 1]]", "{}"]
)
def test_what_is_no_relation_is_left_away(text: str | None) -> None:
    assert read(text, PLAIN) == []


def test_the_row_page_is_told(tmp_path: Path) -> None:
    pool = veduta.create(tmp_path / "related.vd")
    fields = {
        "objects": [{"class": name, "box": [1.0, 1.0, 9.0, 9.0]} for name in ("cup", "table")],
        "relations": json.dumps([{"subject": 0, "predicate": "on", "object": 1}]),
    }
    pool.ingest(Given({"a": encoded(picture(1, (40, 30))), "b": encoded(picture(2, (40, 30)))}, {"a": fields}))
    with client(pool) as app:
        [found] = app.get("/api/row", params={"key": "a"}).json()["relations"]
        assert (found["subject"]["name"], found["predicate"], found["object"]["thing"]) == ("cup", "on", 1)
        assert found["object"]["box"] == [1, 1, 9, 9]
        assert app.get("/api/row", params={"key": "b"}).json()["relations"] == []
