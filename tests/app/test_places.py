"""What a page may name on this machine's disk."""

from __future__ import annotations

from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from veduta.app.places import NAMES, inside, is_place
from veduta.engine.operation import Field, Operation
from veduta.engine.registry import entries, find
from veduta.errors import BadInput


class Reads(Operation):
    """Read something."""

    verb = "annotate"
    model: str | None = Field(None, description="a network")
    texts: tuple[str, ...] = Field((), description="words")
    where: Path | None = Field(None, description="a place")


@pytest.mark.parametrize(
    "value", ["offline", "timm:resnet50.a1_in1k", "open_clip:ViT-B-32/laion2b_s34b_b79k", "auto", ""]
)
def test_names_and_hubs_are_as_they_were(tmp_path: Path, value: str) -> None:
    assert inside(tmp_path, Reads, {"model": value}) == {"model": value}


def test_things_in_the_pool_become_absolute(tmp_path: Path) -> None:
    (tmp_path / "runs" / "one").mkdir(parents=True)
    there = str((tmp_path / "runs" / "one").resolve())
    assert inside(tmp_path, Reads, {"model": "runs/one"}) == {"model": there}
    assert inside(tmp_path, Reads, {"model": there}) == {"model": there}
    assert inside(tmp_path, Reads, {"model": "run:runs/one"}) == {"model": f"run:{there}"}


@pytest.mark.parametrize(
    "value",
    [
        *("/etc/passwd", "../up", "runs/../../up", "~/x", "~root/x", "\\\\host\\share", "C:\\x", "a\0b", "/"),
        *("http://evil.example/x", "https://evil.example/x", "file:///etc/passwd", "s3://bucket/x", "hf://x/y"),
        *("onnx:/etc/passwd", "onnx:../x", "run:/tmp", "run:~", "onnx:http://x/y", "timm:../../x", "timm:/etc/x"),
        *("open_clip:a/../../b", "link/passwd", "run:link", "a" * 5000),
    ],
)
def test_everything_else_is_refused(tmp_path: Path, value: str) -> None:
    pool = tmp_path / "pool.vd"
    pool.mkdir()
    (pool / "link").symlink_to("/etc")
    for given in (value, [value], {"x": value}):
        with pytest.raises(BadInput, match="model of reads may name a network or something inside the pool"):
            inside(pool, Reads, {"model": given})
    with pytest.raises(BadInput):
        inside(pool, Reads, {"where": value})
    assert inside(pool, Reads, {"texts": [value]}) == {"texts": [value]}  # words are words


def test_every_parameter_that_is_told_to_be_a_file_obeys() -> None:
    for name in entries():
        cls = find(name)
        for field, info in cls.model_fields.items():
            words = (info.description or "").lower()
            told = any(
                word in words
                for word in (
                    *(
                        "yaml",
                        "text file",
                        "the file",
                        ".safetensors",
                        "onnx:",
                        " url",
                        "csv",
                        ":file",
                        "@file",
                        "run:folder",
                    ),
                    *("folder", "other pool", "another pool"),
                )
            )
            told = (told or words.startswith("file")) and info.annotation is not bool
            assert is_place(cls, field) or not told, f"{name}.{field}: {words}"
    assert NAMES


def test_what_is_written_is_a_csv_file_among_the_reports(tmp_path: Path) -> None:
    cls = find("merge-labels")
    assert inside(tmp_path, cls, {"table": "reports/merges.csv"}) == {"table": "reports/merges.csv"}
    for value in ("images.lance/x.csv", "merges.csv", "reports/x.html", "reports/../x.csv", "reports/a/b.csv"):
        with pytest.raises(BadInput, match=r"table of merge-labels must be a CSV file among the pool's reports"):
            inside(tmp_path, cls, {"table": value})


def test_lists_in_files_and_files_in_options_are_refused(tmp_path: Path) -> None:
    assert inside(tmp_path, find("withdraw"), {"keys": ["a/b.png"]}) == {"keys": ["a/b.png"]}
    with pytest.raises(BadInput, match="keys of withdraw may not name a file here"):
        inside(tmp_path, find("withdraw"), {"keys": ["a.png", "@/etc/passwd"]})
    with pytest.raises(BadInput, match=r"recipes of curation must be a recipe's name or a YAML file"):
        inside(tmp_path, find("curation"), {"recipes": ["density-30", "reports/x.csv"]})
    reinforce = find("reinforce")
    assert inside(tmp_path, reinforce, {"teacher": ["onnx:a.onnx?classes=names.txt&side=224"]})
    for options in ("classes=/etc/passwd", "classes=../names.txt", "side=32&classes=x/y"):
        with pytest.raises(BadInput, match="teacher of reinforce may name"):
            inside(tmp_path, reinforce, {"teacher": [f"onnx:a.onnx?{options}"]})


@pytest.mark.parametrize(
    ("operation", "parameters"),
    [
        ("embed", {"encoder": "onnx:/etc/passwd"}),
        ("embed", {"encoder": "http://evil.example/model.onnx"}),
        ("predict", {"model": "/tmp"}),
        ("score", {"head": "../../head.safetensors"}),
        ("watermark", {"weights": "/etc/x.safetensors"}),
    ],
)
def test_a_job_cannot_be_pointed_outside(reading: TestClient, operation: str, parameters: dict) -> None:
    answer = reading.post("/api/jobs", json={"verb": "annotate", "operation": operation, "parameters": parameters})
    assert answer.status_code == 400
    assert "inside the pool" in answer.json()["error"]["message"]
    assert reading.get("/api/jobs").json() == []


@pytest.mark.parametrize("option", [{"checkpoint_path": "/etc/x"}, {"pretrained_cfg_overlay": {"url": "http://x/y"}}])
def test_options_of_a_network_name_no_place(reading: TestClient, option: dict) -> None:
    asked = {"target": "label", "model": "timm:resnet10t", "options": option}
    answer = reading.post("/api/jobs", json={"verb": "learn", "operation": "classify", "parameters": asked})
    assert answer.status_code == 400
    assert "where weights come from" in answer.json()["error"]["message"]
