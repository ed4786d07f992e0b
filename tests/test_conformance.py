"""One battery over every registered operation: what all of them must do, whoever wrote them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import veduta
from items import Given
from pictures import encoded, picture
from veduta.annotate.embed import Embed
from veduta.annotate.perceptual_hash import PerceptualHash
from veduta.annotate.quality import Quality
from veduta.engine.operation import Annotator, Operation, Selector, TableAnnotator, kebab
from veduta.engine.registry import entries, find
from veduta.errors import BadInput, VedutaError
from veduta.pool import Pool

NAMES = sorted(entries())
# Parameters for what has no defaults, and for small pools.
EXAMPLES: dict[str, dict[str, Any]] = {
    "class-set": {"min_per_class": 2},
    "by-image": {"seeds": "key = 'k00' or key = 'k01'", "k": 3},
    "by-text": {"classes": ["a red square", "a circle"], "k": 3},
    "curation": {"selections": ["proposed"]},
    "density-prune": {"keep": 0.5, "clusters": 3, "neighbours": 2},
    "query": {"text": ["a red square"], "k": 3},
    "sample": {"count": 4},
    "semantic-deduplicate": {"eps": 0.05},
    "taxonomy": {"source": "title", "title": "captions"},
    "top": {"column": "quality_blurry", "keep": 0.5},
    "where": {"sql": "width > 10"},
    "whiten": {"dims": 4},
    "zero-shot": {"classes": ["square", "circle"]},
    "align": {"text": "captions"},
    "disparity": {"groups": ["split"]},
    "filter-quality": {"seeds": 2, "samples": 8, "keep": 0.3},
    "harmful-labels": {"groups": ["split"], "categories": "categories.yaml"},
    "map-labels": {"target": "label"},
    "merge-labels": {"target": "label"},
    "people": {"face": [], "person": [], "annotations": True},
    "picked": {"keys": ["k00", "k01"]},
    "reinforce": {"samples": 2, "size": 32, "target": None},
    "review": {"kind": "outliers", "decisions": {"k00": "dismiss"}},
    "withdraw": {"keys": ["k00"]},
    "label-efficiency": {"fractions": [0.5, 1.0], "repeats": 1},
    "learn.classify": {"model": "conv_small", "steps": 2, "batch": 4, "size": 32},
    "learn.pairs": {"steps": 2, "batch": 4, "dim": 8},
    "learn.views": {"model": "conv_small", "steps": 2, "batch": 4, "size": 32},
}
# Need a file or a model that the battery does not have; their own tests cover them.
NEED_A_FILE = {
    "apply-head",
    "hash-list",
    "import",
    "score",
    "toxicity",
    "watermark",
    "safety",
    "drop-unsafe",
    "predict",
    "domain-shift",
}
RUNNABLE = [name for name in NAMES if name not in NEED_A_FILE]
# Values that no field of the type may take.
WRONG: dict[str, list[Any]] = {
    "float": ["many", float("nan"), [1.0], {}],
    "int": ["many", 1.5, [1], {}],
    "str": [7, ["a"], {}],
    "bool": ["perhaps", 7, []],
}


def example(name: str) -> Operation:
    return find(name)(**EXAMPLES.get(name, {}))


def content(count: int) -> dict[str, bytes]:
    return {f"k{i:02d}": encoded(picture(i, (64, 48)), "PNG") for i in range(count)}


def fields(count: int) -> dict[str, dict[str, Any]]:
    return {
        f"k{i:02d}": {"label": ("round", "square")[i % 2], "captions": [f"picture {i} of shapes"]} for i in range(count)
    }


@pytest.fixture(scope="module")
def full(tmp_path_factory) -> Path:
    """Fourteen sound rows, one that cannot be decoded, and what the head of the default recipe makes."""
    path = tmp_path_factory.mktemp("battery") / "full.vd"
    pool = veduta.create(path)
    damaged = {"bad": b"\xff\xd8\xffbroken"}
    pool.ingest(Given(content(14) | damaged, fields(14)), annotators=[Embed(), Quality(), PerceptualHash()])
    return path


def copy(source: Path, target: Path) -> Pool:
    shutil.copytree(source, target)
    return veduta.open(target)


def act(pool: Pool, operation: Operation) -> None:
    if isinstance(operation, Selector):
        pool.select(operation, name="battery")
    elif isinstance(operation, (Annotator, TableAnnotator)):
        pool.annotate(operation)
    elif operation.verb == "learn":
        operation.learn(pool)  # type: ignore[attr-defined]
    else:
        operation.check(pool)
        operation.judge(pool)  # type: ignore[attr-defined]


@contextmanager
def done_or_one_sentence() -> Iterator[None]:
    try:
        yield
    except VedutaError as error:
        if "\n" in str(error):
            pytest.fail(f"more than one line: {error}")


@pytest.mark.parametrize("name", NAMES)
def test_it_says_what_it_is(name: str):
    cls = find(name)
    assert cls.operation() == name.rpartition(".")[2] == kebab(cls.__name__)
    assert name.rpartition(".")[0] in ("", cls.verb)
    assert cls.purpose().endswith(".")
    assert 10 < len(cls.purpose()) < 130
    assert cls.verb in ("annotate", "select", "learn", "judge")
    for field_name, field in cls.model_fields.items():
        assert field.description, f"{name}.{field_name} has no description"
    assert json.dumps(cls.model_json_schema())


@pytest.mark.parametrize("name", NAMES)
def test_its_parameters_are_frozen_and_come_back(name: str):
    if name in NEED_A_FILE:
        required = {n: "file" for n, f in find(name).model_fields.items() if f.is_required()}
        operation = find(name)(**required)
    else:
        operation = example(name)
    assert type(operation)(**json.loads(json.dumps(operation.parameters()))) == operation
    for field_name in type(operation).model_fields:
        with pytest.raises(Exception, match="frozen"):
            setattr(operation, field_name, 1)


@pytest.mark.parametrize("name", NAMES)
def test_wrong_parameters_get_one_sentence(name: str):
    cls = find(name)
    given = EXAMPLES.get(name, {n: "file" for n, f in cls.model_fields.items() if f.is_required()})
    with pytest.raises(BadInput, match="has no parameter 'colour_of_magic'"):
        cls(**given, colour_of_magic=1)
    for field_name, field in cls.model_fields.items():
        kinds = [
            kind for kind in WRONG if field.annotation is {"float": float, "int": int, "str": str, "bool": bool}[kind]
        ]
        for value in [v for kind in kinds for v in WRONG[kind]]:
            if value != value and not field.metadata:  # NaN is refused wherever a bound is declared
                continue
            with pytest.raises(BadInput, match=field_name) as caught:
                cls(**{**given, field_name: value})
            assert "\n" not in str(caught.value)
        for bound in field.metadata:
            low, high = (
                getattr(bound, "ge", getattr(bound, "gt", None)),
                getattr(bound, "le", getattr(bound, "lt", None)),
            )
            for outside in ([low - 1] if low is not None else []) + ([high + 1] if high is not None else []):
                with pytest.raises(BadInput, match=field_name):
                    cls(**{**given, field_name: outside})


@pytest.mark.parametrize("name", RUNNABLE)
def test_it_works_and_says_the_same_twice(name: str, full: Path, tmp_path: Path):
    one, two = copy(full, tmp_path / "one.vd"), copy(full, tmp_path / "two.vd")
    for pool in (one, two):
        try:
            act(pool, example(name))
        except VedutaError as error:
            pytest.skip(str(error))  # needs more rows than the battery has, and says so
    assert one.digest() == two.digest()
    row = one.rows("key = 'bad'")
    operation = example(name)
    if isinstance(operation, (Annotator, TableAnnotator)):
        assert all(value is None for value in one.take(row, operation.adds().names).to_pylist()[0].values())
        for field in operation.adds():
            assert one.schema.field(field.name).type == field.type
        assert name in [record.operation for record in one.lineage()]
    if isinstance(operation, Selector):
        selection = one.selection("battery")
        assert 0 < len(selection) <= 15
        assert selection.reasons.null_count == len(selection)


@pytest.mark.parametrize("name", RUNNABLE)
def test_bare_pools_get_a_sentence_or_typed_columns(name: str, tmp_path: Path):
    """An empty pool, one row, only damaged rows, and a pool without any annotation."""
    for kind, files in (("empty", {}), ("one", content(1)), ("bare", content(3))):
        pool = veduta.create(tmp_path / f"{kind}.vd")
        if files:
            pool.ingest(Given(files))
        with done_or_one_sentence():
            act(pool, example(name))
    pool = veduta.create(tmp_path / "damaged.vd")
    with pytest.raises(VedutaError, match="none of the 2 items"):
        pool.ingest(Given({"a": b"x", "b": b"y"}), annotators=[PerceptualHash()])
    with done_or_one_sentence():
        act(pool, example(name))


@pytest.mark.parametrize("name", RUNNABLE)
def test_one_annotated_row_is_enough_or_gets_a_sentence(name: str, tmp_path: Path):
    pool = veduta.create(tmp_path / "one.vd")
    pool.ingest(Given(content(1), fields(1)), annotators=[Embed(), Quality(), PerceptualHash()])
    with done_or_one_sentence():
        act(pool, example(name))


def test_importing_all_of_them_touches_nothing_heavy():
    code = (
        "import sys; from veduta.engine.registry import entries, find; [find(n) for n in entries()]; "
        "print([m for m in ('torch','timm','onnxruntime','faiss','sklearn','matplotlib','cleanlab','cv2') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_third_party_operation_shows_up_everywhere(tmp_path: Path):
    """A package of somebody else's with an entry point: listed, on the command line, in recipes."""
    package = tmp_path / "other"
    (package / "redness-1.0.dist-info").mkdir(parents=True)
    (package / "redness-1.0.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: redness\nVersion: 1.0\n")
    (package / "redness-1.0.dist-info" / "entry_points.txt").write_text(
        "[veduta.operations]\nredness = redness:Redness\n"
    )
    page = (Path(__file__).parents[1] / "docs" / "extend.md").read_text("utf-8")
    (package / "redness.py").write_text(page.split("```py\n")[1].split("```")[0])
    environment = {**os.environ, "PYTHONPATH": str(package)}

    def run(*arguments: str) -> str:
        command = [sys.executable, "-m", "veduta", *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout

    listed = next(line for line in run("ops").splitlines() if "redness" in line)
    assert "How red each image is." in listed
    pool = veduta.create(tmp_path / "p.vd")
    pool.ingest(Given(content(3)))
    assert "--power" in run("annotate", "redness", "--help")
    run("annotate", "redness", str(tmp_path / "p.vd"), "--power", "2")
    assert pool.refresh().table(["redness"])["redness"].null_count == 0
