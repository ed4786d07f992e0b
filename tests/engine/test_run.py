from __future__ import annotations

import io
import json
import multiprocessing
import random
import re
import shutil
from pathlib import Path
from typing import ClassVar

import numpy as np
import pyarrow as pa
import pytest

import veduta
from items import Bright, Doubled, Given, Mean, Rank
from pictures import encoded, picture
from veduta.engine.operation import Annotator
from veduta.engine.progress import JsonLines, Silent
from veduta.engine.recipe import Recipe, Step, run_recipe
from veduta.engine.run import annotate
from veduta.errors import BadInput, DiskFull, MissingColumn, VedutaError


@pytest.fixture
def pool(tmp_path: Path, monkeypatch) -> veduta.Pool:
    monkeypatch.setattr("veduta.engine.ingest.COMMIT_ROWS", 16)
    pool = veduta.create(tmp_path / "a.vd")
    pool.ingest(Given({f"k{i:02d}": encoded(picture(i, (40, 30)), "PNG") for i in range(40)}))
    return pool


class Wrong(Annotator):
    """Returns what it did not declare."""

    def adds(self) -> pa.Schema:
        return pa.schema([pa.field("a", pa.int32())])

    def annotate(self, batch):
        return {"b": [1] * len(batch)}


def test_where_limits_the_work(pool):
    pool.annotate(Mean(), where="key < 'k10'")
    assert pool.table(["mean"])["mean"].null_count == 30
    pool.annotate(Mean())
    assert pool.table(["mean"])["mean"].null_count == 0


def test_where_that_finds_nothing_says_what_there_is(pool):
    before, told = pool.version, Told()
    for where, words in {
        "format = 'JPG'": "no row satisfies format = 'JPG'; format holds 'PNG' (40)",
        "width > 100 and label = 'x'": "width holds values from 40 to 40; label holds nothing",
        "gone is not null": "widen the condition",
        "": "the condition is empty",
        "  ": "the condition is empty",
    }.items():
        with pytest.raises(VedutaError, match=re.escape(words)):
            pool.annotate(Mean(), where=where)
    assert pool.version == before
    annotate(pool, [Mean()], where="width > 100", on=told, empty=True)
    assert told.said == ["no row satisfies width > 100; width holds values from 40 to 40"]
    assert told.rows == [0]
    pool.annotate(Mean(), where="key < 'k10'", on=told)
    assert told.rows == [0, 10]


class Told(Silent):
    def __init__(self):
        self.said, self.rows = [], []

    def say(self, message):
        self.said.append(message)

    def done(self, **facts):
        self.rows.append(facts["rows"])


def test_the_plan_is_checked_before_the_first_image(pool):
    version = pool.version
    with pytest.raises(MissingColumn, match="doubled needs the column 'mean'"):
        pool.annotate([Doubled(), Mean()])
    with pytest.raises(BadInput, match="is not an annotator"):
        pool.annotate([Mean(), Bright()])
    assert pool.version == version


def test_an_operation_that_breaks_its_promise_is_named(pool):
    with pytest.raises(VedutaError, match=r"wrong declared the columns \['a'\] and returned \['b'\]"):
        pool.annotate(Wrong())


class Apart(Mean):
    """Sees the pixels of its own side, and tells beforehand what it will do."""

    alone: ClassVar[bool] = True
    column: str = "apart"

    def foresee(self, pool, rows):
        if self.scale == 13:
            raise BadInput("thirteen brings bad luck")
        return [f"{len(rows)} rows to go"]


def test_an_operation_may_stand_alone_and_say_what_is_to_come(pool):
    """Stages are as many as passes; the second run has nothing left to foresee."""
    told = io.StringIO()
    pool.annotate([Mean(), Mean(column="more"), Apart(), Mean(column="last")], on=JsonLines(told))
    events = [json.loads(line) for line in told.getvalue().splitlines()]
    assert [e["stage"] for e in events if e["event"] == "stage"] == ["mean + mean", "apart", "mean"]
    assert [e["message"] for e in events if e["event"] == "say"] == ["40 rows to go"]
    pool.annotate(Apart(), on=JsonLines(told))
    assert len(told.getvalue().splitlines()) == len(events)
    version = pool.version
    with pytest.raises(BadInput, match="bad luck"):
        pool.annotate(Apart(scale=13))
    assert pool.version == version
    pool.annotate(Apart(column="some"), where="key < 'k10'", on=JsonLines(told))
    assert '"10 rows to go"' in told.getvalue()


def test_an_operation_that_stands_alone_is_no_head_of_a_recipe(tmp_path):
    content = {f"k{i}": encoded(picture(i, (40, 30)), "PNG") for i in range(3)}
    made = veduta.create(tmp_path / "r.vd")
    run_recipe(made, Recipe("r", (Step(Mean()), Step(Apart()), Step(Mean(column="last")))), source=Given(content))
    assert made.table(["mean"]).column(0).to_pylist() == made.table(["apart"]).column(0).to_pylist()
    assert made.table(["last"])["last"].null_count == 0


def test_two_operations_for_one_column(pool):
    with pytest.raises(BadInput, match="would write the columns"):
        pool.annotate([Mean(), Mean(scale=2.0)])


def test_parameters_are_checked_in_words():
    with pytest.raises(BadInput, match="scale of mean: input should be greater than 0, got -1"):
        Mean(scale=-1)
    with pytest.raises(BadInput, match=r"mean has no parameter 'sale' \(it has: scale, column\)"):
        Mean(sale=1)


def test_a_full_disk_is_an_answer_and_loses_nothing(pool, monkeypatch):
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("veduta.pool.fragments.write_columns", full)
        with pytest.raises(DiskFull, match="everything committed so far is safe"):
            pool.annotate(Mean())
    pool = veduta.open(pool.path)
    pool.annotate(Mean())
    assert pool.table(["mean"])["mean"].null_count == 0


def _in_child(task, rows, connection):
    connection.send(task(rows))


class Scattered:
    """An executor of another kind: every fragment in a new process of its own, in random order."""

    def run(self, task, fragments, advance):
        context = multiprocessing.get_context("spawn")
        for fragment_id, rows in random.Random(0).sample(list(fragments), len(fragments)):
            here, there = context.Pipe()
            child = context.Process(target=_in_child, args=(task, rows, there))
            child.start()
            columns = here.recv()
            child.join()
            advance(len(rows))
            yield fragment_id, pa.Table.from_batches([columns])


def test_another_executor_gives_the_same_table(pool, tmp_path):
    shutil.copytree(pool.path, tmp_path / "b.vd")
    other = veduta.open(tmp_path / "b.vd")
    pool.annotate([Mean(), Doubled()])
    other.annotate([Mean(), Doubled()], executor=Scattered())
    assert pool.digest() == other.digest()


def test_table_operations_follow_the_rows(pool):
    pool.annotate([Mean(), Rank()])
    first = pool.table(["rank"])["rank"].to_pylist()
    pool.ingest(Given({f"m{i:02d}": encoded(picture(100 + i, (40, 30)), "PNG") for i in range(5)}), annotators=[Mean()])
    pool.annotate([Mean(), Rank()])
    now = pool.table(["rank"])["rank"].to_pylist()
    assert len(now) == 45
    assert sorted(now) == list(range(45))
    assert np.array_equal(np.argsort(first), np.argsort(now[:40]))


def test_recipes_from_text(tmp_path):
    path = tmp_path / "r.yaml"
    path.write_text("- embed: {encoder: $encoder}\n- combine: {as: done}\n")
    recipe = Recipe.load(path, {"encoder": "offline"})
    assert [s.operation.operation() for s in recipe.steps] == ["embed", "combine"]
    for text, words in (
        ("- embeded: {}", "did you mean 'embed'"),
        ("- embed: {colour: 1}", "step 1 of the recipe: embed has no parameter 'colour'"),
        ("- embed: {encoder: $x}", "variable \\$x was not given"),
        ("a: [", "not valid YAML"),
        ("- {a: 1, b: 2}", "step 1"),
        ("hello", "must be a list"),
    ):
        path.write_text(text)
        with pytest.raises(BadInput, match=words):
            Recipe.load(path)
