"""The command line as a user types it."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

import veduta


def run(*arguments: object, ok: bool = True, cwd: Path | None = None) -> subprocess.CompletedProcess:
    done = subprocess.run(
        [sys.executable, "-m", "veduta", *map(str, arguments)], capture_output=True, text=True, cwd=cwd, timeout=170
    )
    if ok:
        assert done.returncode == 0, done.stdout + done.stderr
    return done


@pytest.fixture(scope="module")
def curated(tmp_path_factory) -> Path:
    from pictures import encoded, picture

    root = tmp_path_factory.mktemp("cli")
    for i in range(16):
        folder = root / "photos" / ("even", "odd")[i % 2]
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{i:02d}.jpg").write_bytes(encoded(picture(i)))
    (root / "photos" / "even" / "copy.jpg").write_bytes(encoded(picture(4)))
    (root / "photos" / "even" / "small copy.jpg").write_bytes(encoded(picture(4).resize((120, 90)), quality=70))
    (root / "photos" / "even" / "torn.jpg").write_bytes(encoded(picture(6))[:900])
    run("curate", root / "photos", "-o", root / "p.vd")
    return root


def test_curate_finds_what_is_wrong(curated: Path):
    pool = veduta.open(curated / "p.vd")
    rows = {r["key"]: r for r in pool.table(["key", "error", "reason_proposed"]).to_pylist()}
    assert len(rows) == 19
    assert "truncated" in rows["even/torn.jpg"]["error"]
    assert "cannot be decoded" in rows["even/torn.jpg"]["reason_proposed"]
    same = {key for key in ("even/04.jpg", "even/copy.jpg") if rows[key]["reason_proposed"]}
    assert len(same) == 1
    assert rows["even/small copy.jpg"]["reason_proposed"]
    report = curated / "p.vd" / "reports"
    assert (report / "report.html").stat().st_size > 10_000
    assert json.loads((report / "report.json").read_text())


def test_curate_again_does_only_the_new_work(curated: Path, tmp_path: Path):
    from pictures import encoded, picture

    pool = veduta.open(curated / "p.vd")
    before = pool.version
    again = run("curate", curated / "photos", "-o", curated / "p.vd")
    assert "19 unchanged" in again.stderr
    assert pool.refresh().version == before
    (curated / "photos" / "odd" / "new.jpg").write_bytes(encoded(picture(99)))
    grown = run("curate", curated / "photos", "-o", curated / "p.vd", "--json")
    events = [json.loads(line) for line in grown.stdout.splitlines()]
    done = next(e for e in events if e["event"] == "done" and e["stage"].startswith("ingest"))
    assert (done["unchanged"], done["ingested"]) == (19, 1)
    assert pool.refresh().table(["embedding"], where="key = 'odd/new.jpg'")["embedding"].null_count == 0
    whole = veduta.curate(curated / "photos", tmp_path / "whole.vd", report=False).pool
    assert set(whole.schema.names) == set(pool.schema.names)
    same = ["key", "digest", "error", "embedding", "select_proposed", "quality_blurry"]
    assert pool.table(same).sort_by("key") == whole.table(same).sort_by("key")


def test_show_log_recipe_search_export(curated: Path, tmp_path: Path):
    pool = curated / "p.vd"
    assert "embedding" in run("show", pool).stdout
    shown = run("show", pool, "--where", "error is not null", "--columns", "key,error").stdout
    assert "even/torn.jpg" in shown
    assert "ingest" in run("log", pool).stdout
    recipe = tmp_path / "mine.yaml"
    recipe.write_text(run("recipe", pool).stdout)
    run("curate", curated / "photos", "-o", tmp_path / "again.vd", "--recipe", recipe)
    found = run("search", pool, "--row", "even/04.jpg", "-k", 3, "--sheet", tmp_path / "s.png").stdout
    assert "copy.jpg" in found
    assert (tmp_path / "s.png").stat().st_size > 1000
    run("export", pool, tmp_path / "clean", "--selection", "proposed")
    assert not (tmp_path / "clean" / "even" / "torn.jpg").exists()
    assert run("export", pool, tmp_path / "clean", ok=False).returncode == 2


def test_operations_from_the_command_line(curated: Path):
    pool = curated / "p.vd"
    run("select", "sample", pool, "--count", 5, "--as", "five")
    assert len(veduta.open(pool).selection("five")) == 5
    assert "up to date" in run("annotate", "quality", pool).stderr
    assert "is now as it was" in run("undo", pool).stdout
    assert "five" not in veduta.open(pool).selections()


WRONG = [
    (("show", "nowhere.vd"), "does not exist; make a pool with"),
    (("curate", "nowhere", "-o", "x.vd"), "nowhere"),
    (("select", "deduplicate", "{pool}", "--threshold", "7"), "threshold of deduplicate"),
    (("show", "{pool}", "--where", "nonsense = 1"), "not valid SQL"),
    (("show", "{pool}", "--columns", "nope"), "lacks"),
    (("curate", "{photos}", "-o", "{photos}/inside.vd"), "lie inside its source"),
    (("annotate", "embed", "{pool}", "--encoder", "magic:7"), "magic"),
    (("prove", "nothing"), "nothing"),
    (("samples", "get", "nothing"), "nothing"),
]


@pytest.mark.parametrize(("arguments", "words"), WRONG)
def test_wrong_use_is_one_line_and_status_2(curated: Path, tmp_path: Path, arguments, words):
    places = {"pool": curated / "p.vd", "photos": curated / "photos"}
    done = run(*(a.format(**places) for a in arguments), ok=False, cwd=tmp_path)
    assert done.returncode == 2, done.stdout + done.stderr
    lines = [line for line in done.stderr.splitlines() if line.startswith("error V")]
    assert len(lines) == 1
    assert words in lines[0]
    assert "Traceback" not in done.stderr


def test_help_of_everything(curated: Path):
    assert run("--version").stdout == f"veduta {veduta.__version__}\n"
    text = run("--help").stdout
    assert "curate" in text
    for name in ("curate", "ingest", "search", "show", "log", "undo", "export", "ops", "systems", "prove", "recipe"):
        assert "Example: veduta" in run(name, "--help").stdout.replace("\n", " ")
    assert "--threshold" in run("select", "deduplicate", "--help").stdout


def test_start_up_touches_nothing_heavy():
    code = "import sys, veduta, veduta.cli.app; veduta.cli.app.build(['--help']); print([m for m in ('torch','lance','onnxruntime','matplotlib','pandas') if m in sys.modules])"
    start = time.monotonic()
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
    assert time.monotonic() - start < 30


def test_a_list_comes_by_commas_or_flag_by_flag():
    from veduta.annotate.zero_shot import ZeroShot
    from veduta.cli.fields import operation_from

    for given in (["a,b,c"], ["a", "b,c"], ['["a", "b"]', "c"], ['["a", "b", "c"]']):
        assert operation_from(ZeroShot, {"classes": given}).parameters()["classes"] == ["a", "b", "c"]
