"""Review keeps every label in every version, whatever happens to the run that changes them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import veduta
from items import Given
from learn.shapes import shape
from pictures import encoded
from veduta.annotate.label_issues import LabelIssues
from veduta.annotate.review import Review
from veduta.errors import BadInput, MissingColumn
from veduta.pool import Pool

KEYS = [f"s{i:02d}" for i in range(6)]


@pytest.fixture
def pool(tmp_path: Path) -> Pool:
    """Six shapes in two ingests (two fragments), one of them without a label, and a damaged file with one."""
    pool = veduta.create(tmp_path / "p.vd")
    files = {key: encoded(shape(i), "PNG") for i, key in enumerate(KEYS)} | {"broken": b"\xff\xd8\xff"}
    fields = {key: {"label": f"was {key}"} for key in [*KEYS[:5], "broken"]}
    pool.ingest(Given({key: files[key] for key in KEYS[:3]}, fields))
    pool.ingest(Given(files, fields))
    return pool


def labels(pool: Pool) -> dict[str, str | None]:
    table = pool.table(["key", "label"])
    return dict(zip(table["key"].to_pylist(), table["label"].to_pylist(), strict=True))


def test_only_what_was_decided_changes(pool: Pool) -> None:
    before, version, images = labels(pool), pool.version, pool.read_images(np.arange(len(pool)))
    pool.annotate(
        Review(kind="label-issues", decisions={"s01": "relabel:new", "s05": "relabel:first", "broken": "dismiss"})
    )
    assert labels(pool) == {**before, "s01": "new", "s05": "first"}
    assert pool.read_images(np.arange(len(pool))) == images
    assert labels(pool.at(version)) == before
    pool.annotate(Review(kind="label-issues", decisions={"s01": "open", "s05": "open"}))
    assert labels(pool) == before
    reviewed = pool.table(["key", "label_before_review", "review_label_issues"]).to_pylist()
    assert [r for r in reviewed if r["label_before_review"] or r["review_label_issues"]] == [
        {"key": "broken", "label_before_review": None, "review_label_issues": "dismissed"}
    ]


def test_deciding_the_same_twice_is_deciding_once(pool: Pool) -> None:
    decisions = {"s01": "relabel:new", "s02": "relabel:was s02"}
    pool.annotate(Review(kind="label-issues", decisions=decisions))
    content, version = pool.digest(), pool.version
    pool.annotate(Review(kind="label-issues", decisions=decisions))
    assert pool.version == version
    pool.annotate(Review(kind="label-issues", decisions={"s03": "dismiss"}))
    pool.annotate(Review(kind="label-issues", decisions={"s03": "open"}))
    assert pool.digest() == content
    pool.annotate(Review(kind="label-issues", decisions={"s01": "relabel:newer"}))
    pool.annotate(Review(kind="label-issues", decisions={"s01": "open", "s02": "open"}))
    assert labels(pool)["s01"] == "was s01"
    assert labels(pool)["s02"] == "was s02"


def test_undo_brings_labels_back_and_the_recipe_repeats_the_review(pool: Pool) -> None:
    start = pool.version
    pool.annotate(Review(kind="label-issues", decisions={"s01": "relabel:a"}))
    pool.annotate(Review(kind="label-issues", decisions={"s02": "relabel:b", "s01": "dismiss"}))
    content, recipe = pool.digest(), pool.recipe()
    assert [step["review"]["decisions"] for step in recipe] == [
        {"s01": "relabel:a"},
        {"s02": "relabel:b", "s01": "dismiss"},
    ]
    pool.undo(start)
    assert labels(pool)["s02"] == "was s02"
    for step in recipe:
        pool.annotate(Review(**step["review"]))
    assert pool.digest() == content


def test_other_operations_see_that_labels_changed(pool: Pool) -> None:
    from veduta.engine.run import signature

    before = signature(pool, LabelIssues(probabilities="x").reads())
    pool.annotate(Review(kind="label-issues", decisions={"s01": "relabel:a"}))
    assert signature(pool, LabelIssues(probabilities="x").reads()) != before


@pytest.mark.parametrize("fault", ["table.computed:1", "amend.defined:1", "amend.filled:1", "table.recorded:1"])
def test_killed_anywhere_no_label_is_lost_and_the_same_call_finishes(pool: Pool, fault: str) -> None:
    before = labels(pool)
    code = (
        "import sys, veduta; from veduta.annotate.review import Review; "
        "veduta.open(sys.argv[1]).annotate(Review(kind='label-issues', decisions={'s01': 'relabel:a', 's04': 'dismiss'}))"
    )
    environment = {**os.environ, "VEDUTA_FAULT": fault, "PYTHONPATH": str(Path(veduta.__file__).parents[1])}
    done = subprocess.run([sys.executable, "-c", code, str(pool.path)], env=environment, check=False)
    assert done.returncode == -9
    for version in pool.refresh().versions():
        if len(found := labels(pool.at(version))) == len(before):
            assert set(found.values()) <= {*before.values(), "a"}
            assert sum(v is None for v in found.values()) == 1
    pool.annotate(Review(kind="label-issues", decisions={"s01": "relabel:a", "s04": "dismiss"}))
    assert labels(pool) == {**before, "s01": "a"}
    assert pool.provenance("label")["operation"] == "review"


@pytest.mark.parametrize(
    ("kind", "decisions", "error", "words"),
    [
        ("label-issues", {"s01": "accept"}, MissingColumn, "label_suggested"),
        ("label-issues", {"nobody": "dismiss"}, BadInput, "no image 'nobody'"),
        ("label-issues", {"s01": "relabel:"}, BadInput, "must be one of"),
        ("outliers", {"s01": "relabel:a"}, BadInput, "must be one of"),
        ("weather", {"s01": "dismiss"}, BadInput, "kind of review"),
        ("outliers", {}, BadInput, "decisions of review"),
    ],
)
def test_what_cannot_be_decided_is_said(pool: Pool, kind: str, decisions: dict, error: type, words: str) -> None:
    version = pool.version
    with pytest.raises(error, match=words):
        pool.annotate(Review(kind=kind, decisions=decisions))  # type: ignore[arg-type]
    assert pool.refresh().version == version
