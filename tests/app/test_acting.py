"""History and undo, selections made and compared, reports: what a page changes, and what it is told."""

from __future__ import annotations

from pathlib import Path

import pytest
from fastapi.testclient import TestClient

import veduta
from app.curated import CAPTION, HOSTILE
from veduta.app.api.history import SHOWN, short
from veduta.judge.proof import systems


def refused(answer) -> str:
    assert answer.status_code in (400, 409, 422), answer.text
    return answer.json()["error"]["message"]


def test_history_is_told_newest_first_with_what_still_counts(writing: TestClient, own: Path) -> None:
    records = writing.get("/api/history").json()["records"]
    assert [r["operation"] for r in records[:2]] == ["deduplicate", "exact-duplicates"]
    assert all(r["effective"] for r in records)
    before = records[0]["before"]
    undone = writing.post("/api/undo", json={"to": None}).json()["version"]
    assert writing.get("/api/pool").json()["version"] == undone
    records = writing.get("/api/history").json()["records"]
    assert [(r["operation"], r["effective"]) for r in records[:2]] == [("undo", False), ("deduplicate", False)]
    assert "near" not in veduta.open(own).selections()
    assert writing.post("/api/undo", json={"to": undone - 1}).status_code == 200
    assert "near" in veduta.open(own).selections()
    assert "version 9999" in refused(writing.post("/api/undo", json={"to": 9999}))
    assert before in veduta.open(own).versions()


def test_long_parameters_are_cut() -> None:
    cut = short({"keys": [str(i) for i in range(SHOWN + 7)], "few": {"a": [1, 2]}})
    assert cut["keys"][-1] == "... 7 more"
    assert cut["few"] == {"a": [1, 2]}
    assert short({str(i): i for i in range(SHOWN + 1)})["..."] == "1 more"


def test_selections_tell_kept_left_and_why(reading: TestClient) -> None:
    found = {s["name"]: s for s in reading.get("/api/selections").json()}
    assert set(found) == {"exact", "near"}
    assert found["exact"]["kept"] + found["exact"]["left"] == 28
    assert found["exact"]["reasons"] == [{"reason": "same bytes as photo again.png", "count": 1}]
    assert found["near"]["operation"] == "deduplicate"
    assert sum(r["count"] for r in found["near"]["reasons"]) == found["near"]["left"]
    old = reading.get("/api/selections", params={"version": 2}).json()
    assert old == []


def test_a_view_becomes_its_condition(writing: TestClient, own: Path) -> None:
    state = {"where": "width = 32", "pick": [{"column": "label", "values": ["disc"]}]}
    made = writing.post("/api/selections", json={"name": "discs", "state": state}).json()
    pool = veduta.open(own)
    assert made == {"version": pool.version, "kept": 8}
    assert pool.lineage()[-1].operation == "where"
    assert set(pool.take(pool.selection("discs").rows(), ["label"])["label"].to_pylist()) == {"disc"}
    assert "already" in refused(writing.post("/api/selections", json={"name": "discs", "state": {}}))
    assert "repeat" in refused(
        writing.post("/api/selections", json={"name": "x", "state": {"where": "repeat('a', 9) = 'a'"}})
    )


def test_a_note_on_a_view_stands_in_its_reasons(writing: TestClient, own: Path) -> None:
    body = {"name": "discs", "state": {"where": "label = 'disc'"}, "note": "for the printer"}
    assert writing.post("/api/selections", json=body).status_code == 200
    told = {reason for reason in veduta.open(own).selection("discs").reasons.to_pylist() if reason}
    assert told == {"not in the view: label = 'disc'; for the printer"}


def test_a_search_becomes_its_images(writing: TestClient, own: Path) -> None:
    state = {"like": "photo.png", "top": 3}
    assert writing.post("/api/selections", json={"name": "alike", "state": state}).json()["kept"] == 3
    pool = veduta.open(own)
    chosen = pool.selection("alike")
    assert {"photo again.png", "photo small.png"} <= set(pool.take(chosen.rows(), ["key"])["key"].to_pylist())
    assert {r for r in chosen.reasons.to_pylist() if r} == {"not in the view: like photo.png"}


def test_chosen_keys_are_kept_however_they_are_called(writing: TestClient, own: Path) -> None:
    body = {"name": "odd", "keys": list(HOSTILE), "note": CAPTION}
    assert writing.post("/api/selections", json=body).json()["kept"] == len(HOSTILE)
    stored = next(s for s in writing.get("/api/selections").json() if s["name"] == "odd")
    assert stored["kept"] == len(HOSTILE)
    assert set(stored["parameters"]["keys"]) == set(HOSTILE)
    assert stored["reasons"][0]["reason"].endswith(CAPTION)
    compared = writing.get("/api/selections/compare", params={"a": "odd", "b": "exact"}).json()
    assert compared == {"both": 6, "only_a": 0, "only_b": 21, "neither": 1}


@pytest.mark.parametrize(
    "body",
    [
        {"name": "a b", "state": {}},
        {"name": "../up", "state": {}},
        {"name": "x", "keys": []},
        {"name": "x", "keys": ["nobody"]},
        {"name": "x", "keys": ["s0001"], "state": {}},
        {"name": "x", "state": {"where": "nonsense ==="}},
        {"name": "x", "state": {"like": "nobody"}},
        {"name": "x", "state": {"version": 10**6}},
        {"name": "x", "state": {"unknown": 1}},
    ],
)
def test_wrong_selections_get_a_sentence_and_change_nothing(writing: TestClient, own: Path, body: dict) -> None:
    before = veduta.open(own).version
    assert refused(writing.post("/api/selections", json=body))
    assert veduta.open(own).version == before
    assert "nobody" in refused(writing.get("/api/selections/compare", params={"a": "nobody", "b": "exact"}))


def test_a_report_can_ask_nothing_of_the_server(writing: TestClient, own: Path) -> None:
    (own / "reports").mkdir()
    (own / "reports" / "overview.html").write_text("<script>fetch('/api/pool')</script>")
    (own / "secret.html").write_text("secret")
    listed = writing.get("/api/reports").json()
    assert [(r["name"], r["kind"]) for r in listed if r["kind"] != "proof"] == [("overview", "report")]
    answer = writing.get("/api/reports/overview")
    policy = answer.headers["content-security-policy"]
    assert answer.headers["content-type"].startswith("text/html")
    assert "sandbox" in policy
    assert "allow-same-origin" not in policy
    assert "default-src 'none'" in policy
    assert "connect-src" not in policy
    for name in ("../secret", "..%2Fsecret", "%2e%2e/secret", "nothing", "overview.html", "a" * 300):
        assert writing.get(f"/api/reports/{name}").status_code in (400, 404, 422)


def test_proofs_are_listed_with_what_they_measured(reading: TestClient) -> None:
    proofs = [listed for listed in reading.get("/api/reports").json() if listed["kind"] == "proof"]
    run = {system.slug: system for system in systems() if system.holds is not None}
    assert {proof["name"] for proof in proofs} == set(run)
    for proof in proofs[:3]:
        told = reading.get(f"/api/proofs/{proof['name']}").json()
        assert (told["claim"], told["holds"]) == (proof["title"], proof["holds"])
        assert sum(condition["holds"] for condition in told["conditions"]) == run[proof["name"]].met
    for name in ("nothing", "../pyproject", "..%2f..%2fx", "_shared"):
        assert reading.get(f"/api/proofs/{name}").status_code in (400, 404)
