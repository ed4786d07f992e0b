"""Review: what was found is listed, decided by key, and comes back as columns of a new version."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest
from fastapi.testclient import TestClient

import veduta
from veduta.annotate.embed import Embed
from veduta.app.server import create_app
from veduta.engine.operation import TableAnnotator
from veduta.pool import Pool, View


def values(pool: Pool, key: str, *columns: str) -> tuple:
    quoted = key.replace("'", "''")
    row = pool.table(list(columns), where=f"key = '{quoted}'").to_pylist()[0]
    return tuple(row[name] for name in columns)


def decide(client: TestClient, kind: str, **decisions: str) -> int:
    answer = client.post("/api/decide", json={"kind": kind, "decisions": decisions})
    assert answer.status_code == 200, answer.text
    return answer.json()["version"]


def test_kinds_say_how_much_is_open_and_how_to_find_it(reading: TestClient) -> None:
    kinds = {k["kind"]: k for k in reading.get("/api/review").json()["kinds"]}
    assert (kinds["label-issues"]["total"], kinds["label-issues"]["open"]) == (3, 3)
    assert kinds["undecodable"]["total"] == 2
    assert kinds["duplicates"]["ready"]
    bare = {k["kind"]: k for k in reading.get("/api/review", params={"version": 2}).json()["kinds"]}
    assert not bare["duplicates"]["ready"]
    assert bare["duplicates"]["mend"].startswith("veduta select deduplicate")
    assert reading.get("/api/review/duplicates", params={"version": 2}).status_code == 400


def test_groups_of_duplicates_are_led_by_the_image_that_stays(reading: TestClient) -> None:
    groups = reading.get("/api/review/duplicates").json()
    first = groups["groups"][0]
    assert first["representative"]["key"] == "photo again.png"
    assert [m["key"] for m in first["members"]] == ["photo.png", "photo small.png", "photo 80.jpg"]
    assert first["members"][0]["similarity"] == pytest.approx(1, abs=1e-5)
    later = reading.get("/api/review/duplicates", params={"start": 1, "count": 1}).json()
    assert later["total"] == groups["total"]
    assert later["groups"] == groups["groups"][1:2]


def test_pairs_on_both_sides_of_a_threshold(reading: TestClient, whole: Path) -> None:
    got = reading.get("/api/review/threshold", params={"value": 0.9}).json()
    assert got["whole"]
    assert all(pair[2] >= 0.9 for pair in got["above"])
    assert all(pair[2] < 0.9 for pair in got["below"])
    assert got["above"] == sorted(got["above"], key=lambda pair: pair[2])
    assert got["below"] == sorted(got["below"], key=lambda pair: -pair[2])
    # By hand: everyone's most similar other, pairs that touch joined.
    vectors, rows = veduta.open(whole).vectors("embedding", where="error is null")
    cosine = vectors @ vectors.T
    best = {}
    for i in range(len(rows)):
        j = max((j for j in range(len(rows)) if j != i), key=lambda j: cosine[i, j])
        if cosine[i, j] >= 0.9:
            best[i] = j
    leader = list(range(len(rows)))

    def top(i: int) -> int:
        return i if leader[i] == i else top(leader[i])

    for i, j in best.items():
        leader[top(i)] = top(j)
    sizes = [sum(top(i) == lead for i in range(len(rows))) for lead in {top(i) for i in best}]
    assert (got["groups"], got["left_out"]) == (len(sizes), sum(sizes) - len(sizes))
    assert reading.get("/api/review/threshold", params={"value": 1}).json()["below"]
    assert reading.get("/api/review/threshold", params={"value": "nan"}).status_code == 422


def test_label_issues_come_worst_first_with_evidence(reading: TestClient) -> None:
    got = reading.get("/api/review/labels").json()
    assert [(i["key"], i["given"], i["suggested"]) for i in got["items"]] == [
        ("s0003", "cross", "disc"),
        ("s0001", "cross", "disc"),
        ("s0002", "disc", "cross"),
    ]
    assert all(item["neighbours"] and item["decision"] is None for item in got["items"])
    broken = reading.get("/api/review/undecodable").json()
    assert {item["key"] for item in broken["items"]} == {"broken.jpg", "text.png"}
    assert all(item["error"] for item in broken["items"])


def test_labels_change_by_decision_and_change_back(writing: TestClient, own: Path) -> None:
    decide(writing, "label-issues", s0003="accept", s0001="relabel: it's <b>odd</b> ", s0002="dismiss")
    pool = veduta.open(own)
    columns = ("label", "label_before_review", "review_label_issues")
    assert values(pool, "s0003", *columns) == ("disc", "cross", "accepted")
    assert values(pool, "s0001", *columns) == ("it's <b>odd</b>", "cross", "relabelled")
    assert values(pool, "s0002", *columns) == ("disc", None, "dismissed")
    assert values(pool, "s0004", *columns) == ("disc", None, None)
    open_ = writing.get("/api/review/labels", params={"open": True}).json()
    assert open_["total"] == 0
    decide(writing, "label-issues", s0003="open", s0001="accept")
    pool = veduta.open(own)
    assert values(pool, "s0003", *columns) == ("cross", None, None)
    assert values(pool, "s0001", *columns) == ("disc", "cross", "accepted")
    assert values(pool, "s0002", *columns) == ("disc", None, "dismissed")
    first = next(i for i in writing.get("/api/review/labels").json()["items"] if i["key"] == "s0003")
    assert first["decision"] is None
    assert writing.post("/api/undo", json={"to": None}).status_code == 200
    assert values(veduta.open(own), "s0003", *columns) == ("disc", "cross", "accepted")


def test_other_kinds_leave_labels_alone(writing: TestClient, own: Path) -> None:
    before = veduta.open(own).table(["key", "label"]).to_pylist()
    decide(writing, "duplicates", **{"photo.png": "leave-out", "photo 80.jpg": "keep"})
    decide(writing, "outliers", **{"it's; drop table images--": "dismiss"})
    decide(writing, "outliers", s0000="accept")
    pool = veduta.open(own)
    assert pool.table(["key", "label"]).to_pylist() == before
    assert values(pool, "photo.png", "review_duplicates") == ("left out",)
    assert values(pool, "it's; drop table images--", "review_outliers") == ("dismissed",)
    members = writing.get("/api/review/duplicates").json()["groups"][0]["members"]
    assert {m["key"]: m["decision"] for m in members}["photo 80.jpg"] == "kept"


@pytest.mark.parametrize(
    ("kind", "decisions"),
    [
        ("label-issues", {"s0003": "perhaps"}),
        ("label-issues", {"s0003": "relabel: "}),
        ("label-issues", {"nobody": "dismiss"}),
        ("label-issues", {"s0004": "accept"}),
        ("outliers", {"s0003": "relabel:cat"}),
        ("label-issues", {}),
        ("weather", {"s0003": "dismiss"}),
    ],
)
def test_wrong_decisions_change_nothing(writing: TestClient, own: Path, kind: str, decisions: dict) -> None:
    before = veduta.open(own).version
    answer = writing.post("/api/decide", json={"kind": kind, "decisions": decisions})
    assert answer.status_code in (400, 422)
    assert answer.json()["error"]["message"]
    assert veduta.open(own).version == before


def test_labels_are_shown_without_evidence_where_images_have_no_vector(own: Path) -> None:
    pool = veduta.open(own)
    pool.annotate(Embed(), where="label is null")  # leaves the labelled ones without
    with TestClient(create_app(own), base_url="http://localhost") as client:
        told = client.get("/api/review/labels").json()
    assert told["items"]
    assert all(item["neighbours"] == [] for item in told["items"])


BOX = pa.struct([*((name, pa.float32()) for name in ("x1", "y1", "x2", "y2", "score")), ("detector", pa.string())])


class Flagged(TableAnnotator):
    """The columns that detectors of people and of generated images write, with known content."""

    def adds(self) -> pa.Schema:
        kinds = {"has_person": pa.bool_(), "person_score": pa.float32(), "is_generated": pa.bool_()}
        kinds |= {"person_boxes": pa.list_(BOX), "face_boxes": pa.list_(BOX)}
        return pa.schema([pa.field(name, kind) for name, kind in kinds.items()])

    def compute(self, pool: View) -> pa.Table:
        keys = pool.table(["key"]).column(0).to_pylist()
        score = {"photo.png": 0.9, "s0001": 0.6, "s0002": None}
        person = {"x1": 2.0, "y1": 3.0, "x2": 12.0, "y2": 23.0, "score": 0.75, "detector": "nanodet 1a2b"}
        bad = {**person, "x2": 1.0}
        columns = {
            "_row": pool.rows(),
            "has_person": [key in ("photo.png", "s0001") for key in keys],
            "person_score": pa.array([score.get(key, 0.1) for key in keys], pa.float32()),
            "is_generated": [key == "s0002" or None for key in keys],
            "person_boxes": pa.array(
                [[person, bad, None] if key == "photo.png" else None for key in keys], pa.list_(BOX)
            ),
            "face_boxes": pa.array([[] for _ in keys], pa.list_(BOX)),
        }
        return pa.table(columns)


def test_flags_are_reviewed_where_a_column_has_them_with_their_boxes(own: Path) -> None:
    veduta.open(own).annotate(Flagged())
    with TestClient(create_app(own), base_url="http://localhost") as client:
        kinds = {k["kind"]: k for k in client.get("/api/review").json()["kinds"]}
        assert (kinds["people"]["total"], kinds["generated"]["total"]) == (2, 1)
        found = client.get("/api/review/flagged/people").json()["items"]
        assert [(item["key"], round(item["quality"], 2)) for item in found] == [("photo.png", 0.9), ("s0001", 0.6)]
        [box] = found[0]["boxes"]
        assert (box["name"], box["box"], box["score"]) == ("person", [2, 3, 10, 20], 0.75)
        assert found[1]["boxes"] == []
        drawn = client.get("/api/row", params={"key": "photo.png"}).json()["objects"]
        assert [(thing["class"], thing["box"], thing["source"]) for thing in drawn] == [
            ("person", [2, 3, 10, 20], "nanodet 1a2b")
        ]
        decide(client, "people", **{"photo.png": "accept", "s0001": "dismiss"})
        decide(client, "generated", s0002="dismiss")
        kinds = {k["kind"]: k for k in client.get("/api/review").json()["kinds"]}
        assert (kinds["people"]["open"], kinds["generated"]["open"]) == (0, 0)
    assert values(veduta.open(own), "s0001", "has_person", "review_people") == (True, "dismissed")
    assert values(veduta.open(own), "s0002", "label", "review_generated") == ("disc", "dismissed")
