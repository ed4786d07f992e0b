"""Jobs: a child each, told line by line, ended when asked and with the server; exports."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

import veduta
from app.curated import HOSTILE
from veduta.app import exports
from veduta.app.jobs import LINES, Job, Jobs, _event
from veduta.errors import PoolBusy


def run(client: TestClient, **task: object) -> tuple[dict, list[dict]]:
    """The job at its end and everything it told."""
    started = client.post("/api/jobs", json=task)
    assert started.status_code == 200, started.text
    return follow(client, started.json()["id"])


def follow(client: TestClient, name: str) -> tuple[dict, list[dict]]:
    answer = client.get(f"/api/jobs/{name}/events")
    assert answer.headers["content-type"].startswith("text/event-stream")
    told = [json.loads(line[6:]) for line in answer.text.splitlines() if line.startswith("data: ")]
    return next(job for job in client.get("/api/jobs").json() if job["id"] == name), told


def gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return Path(f"/proc/{pid}/stat").exists() and Path(f"/proc/{pid}/stat").read_text().split()[2] == "Z"


def until(true, seconds: float = 20) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if true():
            return True
        time.sleep(0.05)
    return False


def test_operations_come_with_all_that_a_form_needs(reading: TestClient) -> None:
    found = {(o["verb"], o["name"]): o for o in reading.get("/api/operations").json()}
    near = found["select", "deduplicate"]
    assert near["purpose"] == "Keep one image of every group of near-duplicates."
    assert near["schema"]["properties"]["threshold"]["description"]
    assert set(near["extra"]) == {"name"}
    assert found["annotate", "embed"]["places"] == ["encoder"]
    assert not {"review", "picked"} & {name for _, name in found}


def test_an_operation_runs_and_tells(writing: TestClient, own: Path) -> None:
    job, told = run(writing, verb="annotate", operation="quality")
    assert (job["state"], job["error"]) == ("done", None)
    assert [event["event"] for event in told][-2:] == ["done", "end"]
    assert told[-1]["result"]["version"] == veduta.open(own).version
    assert "quality_blurry" in veduta.open(own).schema.names
    again, _ = run(writing, verb="annotate", operation="quality")
    assert again["result"]["changed"] is False
    ended = writing.get(f"/api/jobs/{job['id']}/events", headers={"last-event-id": str(len(told) + 50)})
    assert ended.status_code == 204
    job, _ = run(writing, verb="select", operation="where", parameters={"sql": "width > 40"}, name="wide")
    assert job["result"]["selection"] == "wide"
    job, _ = run(writing, verb="judge", operation="overview")
    assert writing.get(f"/api/reports/{job['result']['report']}").status_code == 200


def test_what_fails_says_why(writing: TestClient) -> None:
    job, told = run(writing, verb="select", operation="where", parameters={"sql": "nonsense ="})
    assert job["state"] == told[-1]["state"] == "failed"
    assert "nonsense" in job["error"]
    assert "\n" not in job["error"]


@pytest.mark.parametrize(
    "task",
    [
        {"verb": "select", "operation": "embed"},
        {"verb": "annotate", "operation": "nothing"},
        {"verb": "annotate", "operation": "../embed"},
        {"verb": "annotate", "operation": "quality", "parameters": {"nothing": 1}},
        {"verb": "annotate", "operation": "quality", "name": "x"},
        {"verb": "annotate", "operation": "quality", "where": "repeat('x', 99) = 'x'"},
        {"verb": "annotate", "operation": "quality", "where": "nonsense ="},
        {"verb": "learn", "operation": "probe", "name": "../../x"},
        {"verb": "generate", "operation": "x"},
        {"verb": "export", "operation": "folder"},
        {"verb": "annotate", "operation": "quality", "pool": "/tmp"},
    ],
)
def test_wrong_tasks_start_nothing(reading: TestClient, task: dict) -> None:
    answer = reading.post("/api/jobs", json=task)
    assert answer.status_code in (400, 422)
    assert answer.json()["error"]["message"]
    assert reading.get("/api/jobs").json() == []


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Children that tell their number and that of one of their own, and then wait."""
    code = (
        "import subprocess, sys, time, json, threading, os, signal; sys.stdin.readline(); "
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)']); "
        "print(json.dumps({'event': 'say', 'message': f'{os.getpid()} {child.pid}'}), flush=True); "
        "signal.signal(signal.SIGINT, signal.SIG_IGN) if os.environ.get('STUBBORN') else None; "
        "time.sleep(60)"
    )
    start = subprocess.Popen
    monkeypatch.setattr(
        "veduta.app.jobs.subprocess.Popen", lambda _, **options: start([sys.executable, "-c", code], **options)
    )


def numbers(job: Job) -> list[int]:
    assert until(lambda: job.since(0)[0])
    return [int(n) for n in job.since(0)[0][0]["message"].split()]


@pytest.mark.usefixtures("slow")
@pytest.mark.parametrize("stubborn", ["", "1"])
def test_a_cancelled_job_ends_with_all_its_children(own: Path, monkeypatch: pytest.MonkeyPatch, stubborn: str) -> None:
    monkeypatch.setenv("STUBBORN", stubborn)
    monkeypatch.setattr("veduta.app.jobs.PATIENCE", 0.5)
    job = Jobs(own).start({"verb": "annotate", "operation": "quality"})
    pids = numbers(job)
    if stubborn:
        time.sleep(0.2)
    job.cancel()
    assert job.join(20)
    assert job.state == "cancelled"
    assert until(lambda: all(gone(pid) for pid in pids))


@pytest.mark.usefixtures("slow")
def test_one_job_writes_at_a_time_and_the_servers_end_ends_all(own: Path) -> None:
    jobs = Jobs(own)
    first = jobs.start({"verb": "annotate", "operation": "quality"})
    with pytest.raises(PoolBusy, match="another job is changing this pool"):
        jobs.start({"verb": "select", "operation": "where"})
    second = jobs.start({"verb": "judge", "operation": "overview"})
    with pytest.raises(PoolBusy, match="most at a time"):
        jobs.start({"verb": "judge", "operation": "overview"})
    pids = numbers(first) + numbers(second)
    jobs.close()
    assert until(lambda: all(gone(pid) for pid in pids))
    with pytest.raises(PoolBusy, match="ending"):
        jobs.start({"verb": "judge", "operation": "overview"})


def test_a_killed_server_takes_its_jobs_along(own: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; from veduta.app.jobs import Jobs; "
        "job = Jobs(Path(sys.argv[1])).start({'verb': 'annotate', 'operation': 'embed', "
        "'parameters': {'column': 'second'}}); print(job._child.pid, flush=True); time.sleep(60)"
    )
    server = subprocess.Popen([sys.executable, "-c", code, str(own)], stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    pid = int(server.stdout.readline())
    server.send_signal(signal.SIGKILL)
    server.wait()
    assert until(lambda: gone(pid))
    assert len(veduta.open(own)) == 28


def test_what_is_kept_of_a_job_is_bounded() -> None:
    job = Job.__new__(Job)
    job.state = "running"
    job._told, job._events = 0, __import__("collections").deque(maxlen=LINES)
    job._lock = __import__("threading").Lock()
    for i in range(3 * LINES):
        job._add({"event": "say", "message": str(i)})
    events, told, _ = job.since(0)
    assert (len(events), told) == (LINES, 3 * LINES)
    assert job.since(told - 2)[0] == [{"event": "say", "message": str(3 * LINES - 2 + i)} for i in range(2)]
    for i in range(5):
        job._add({"event": "progress", "stage": "a", "rows": i})
    assert [e["rows"] for e in job.since(0)[0] if e["event"] == "progress"] == [4]


def test_lines_of_any_kind_become_events() -> None:
    assert _event(b'{"event": "done", "loss": NaN}\n') == {"event": "done", "loss": None}
    assert _event(b"plain \xff words\n")["event"] == "say"
    assert _event(b"[1, 2]\n")["message"] == "[1, 2]"
    assert _event(b"\n") == {}


@pytest.mark.parametrize("form", ["folder", "parquet", "manifest"])
def test_an_export_is_written_in_the_pool_and_sent_as_a_zip(writing: TestClient, own: Path, form: str) -> None:
    assert form in {f["name"] for f in writing.get("/api/formats").json()}
    started = writing.post("/api/exports", json={"format": form, "name": "mine", "selection": "near"})
    job, _ = follow(writing, started.json()["job"])
    assert job["state"] == "done", job
    assert writing.get("/api/exports").json() == ["mine"]
    answer = writing.get("/api/exports/mine")
    assert answer.headers["content-disposition"] == 'attachment; filename="mine.zip"'
    names = zipfile.ZipFile(io.BytesIO(answer.content)).namelist()
    assert zipfile.ZipFile(io.BytesIO(answer.content)).testzip() is None
    assert names
    assert all(name.startswith("mine") and ".." not in name.split("/") for name in names)
    assert not (own.parent / "etc").exists()
    again = writing.post("/api/exports", json={"format": form, "name": "mine"})
    assert "already" in again.json()["error"]["message"]


def test_an_export_takes_the_options_of_its_writer(writing: TestClient, own: Path) -> None:
    formats = {form["name"]: form["schema"]["properties"] for form in writing.get("/api/formats").json()}
    assert formats["webdataset"]["shard_rows"]["minimum"] == 1
    assert formats["folder"]["layout"]["description"]
    assert all({"columns", "errors", "croissant"} <= set(options) for options in formats.values())
    body = {
        "format": "webdataset",
        "name": "tars",
        "options": {"shard_rows": 10, "prefix": "part", "columns": ["label"]},
    }
    job, _ = follow(writing, writing.post("/api/exports", json=body).json()["job"])
    assert job["state"] == "done", job
    assert sorted(file.name for file in (own / "exports" / "tars").iterdir())[:2] == [
        "part-000000.tar",
        "part-000001.tar",
    ]
    for wrong in ({"shard_rows": 0}, {"layout": "labels"}, {"columns": ["nothing"]}, {"target": "elsewhere"}):
        answer = writing.post("/api/exports", json={**body, "name": "other", "options": wrong})
        assert answer.status_code == 400
        assert next(iter(wrong)) in answer.text or "nothing" in answer.text


def test_a_view_and_a_search_are_exported_too(writing: TestClient, own: Path) -> None:
    for name, state, rows in (("view", {"where": "label = 'disc'"}, 8), ("search", {"like": "photo.png", "top": 2}, 2)):
        started = writing.post("/api/exports", json={"format": "manifest", "name": name, "state": state})
        job, _ = follow(writing, started.json()["job"])
        assert job["state"] == "done", job
        lines = (own / "exports" / f"{name}.jsonl").read_text("utf-8").splitlines()
        assert len(lines) == rows
    hostile = {"format": "folder", "name": "odd", "state": {"where": "label is not null and width > 40"}}
    job, _ = follow(writing, writing.post("/api/exports", json=hostile).json()["job"])
    assert job["state"] == "done", job
    archive = zipfile.ZipFile(io.BytesIO(writing.get("/api/exports/odd").content))
    pictures = [name for name in archive.namelist() if name.endswith((".png", ".jpg"))]
    assert len(pictures) == len(HOSTILE)
    assert all(".." not in name.split("/") and "\\" not in name and not name.startswith("/") for name in pictures)


@pytest.mark.parametrize(
    "body",
    [
        {"format": "folder", "name": "../x"},
        {"format": "folder", "name": ".x"},
        {"format": "folder", "name": "a/b"},
        {"format": "nothing", "name": "x"},
        {"format": "folder", "name": "x", "selection": "nobody"},
        {"format": "folder", "name": "x", "selection": "near", "state": {}},
        {"format": "folder", "name": "x", "state": {"where": "nonsense ="}},
        {"format": "folder", "name": "x", "target": "elsewhere"},
    ],
)
def test_wrong_exports_start_nothing(reading: TestClient, body: dict) -> None:
    answer = reading.post("/api/exports", json=body)
    assert answer.status_code in (400, 422)
    assert answer.json()["error"]["message"]
    assert reading.get("/api/jobs").json() == []


def test_only_exports_are_sent_and_links_are_left_out(writing: TestClient, own: Path) -> None:
    place = own / "exports" / "mine"
    place.mkdir(parents=True)
    (place / "a.txt").write_text("a")
    (place / "secret").symlink_to("/etc/passwd")
    (own / "exports" / "away").symlink_to("/etc", target_is_directory=True)
    assert zipfile.ZipFile(io.BytesIO(writing.get("/api/exports/mine").content)).namelist() == ["mine/a.txt"]
    for name in ("away", "nothing", "..", "%2e%2e%2fimages.lance", "../lineage", "mine%2fa.txt"):
        assert writing.get(f"/api/exports/{name}").status_code in (400, 404, 422), name
    assert exports.found(own, "away") is None
