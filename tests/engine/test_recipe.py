"""Recipes whose steps train, and references to what an earlier step trained."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import veduta
from learn.shapes import pool_of
from veduta.annotate.embed import Embed
from veduta.encode import load
from veduta.engine.recipe import Recipe, run_recipe
from veduta.errors import BadInput, MissingColumn
from veduta.pool import Pool

STEPS = {"steps": 20, "batch": 16, "dim": 8, "hidden": 8, "where_rows": "key < 's0060'", "as": "filter"}


@pytest.fixture(scope="module")
def shapes(tmp_path_factory: pytest.TempPathFactory) -> Pool:
    return pool_of(tmp_path_factory.mktemp("recipes") / "shapes.vd", 120, damaged=1, annotators=(Embed(),))


def test_a_step_trains_and_a_later_one_uses_the_run(shapes: Pool) -> None:
    steps = [
        {"learn pairs": STEPS},
        {"align": {"encoder": "run:$pool/runs/filter"}},
        {"top": {"column": "alignment", "keep": 0.25, "as": "filtered"}},
    ]
    done = run_recipe(shapes, Recipe.parse(steps))
    assert done.runs["filter"].path == shapes.path / "runs" / "filter"
    assert (
        done.runs["filter"].about["training"]["rows"] + done.runs["filter"].about["training"]["validation_rows"] == 60
    )
    assert len(done.selections["filtered"]) > 0
    assert shapes.provenance("alignment")["parameters"]["encoder"] == f"run:{shapes.path}/runs/filter"
    version = shapes.version
    run_recipe(shapes, Recipe.parse(steps))
    assert shapes.version == version  # nothing was left to do


def test_the_run_may_come_from_another_pool(shapes: Pool, tmp_path: Path) -> None:
    other = pool_of(tmp_path / "other.vd", 24, annotators=(Embed(),))
    steps = [
        {"learn pairs": {**STEPS, "as": "elsewhere", "pool": "$trusted"}},
        {"align": {"encoder": f"run:{shapes.path}/runs/elsewhere"}},
    ]
    done = run_recipe(other, Recipe.parse(steps, variables={"trusted": str(shapes.path)}))
    assert done.runs["elsewhere"].path == shapes.path / "runs" / "elsewhere"
    model = load(done.runs["elsewhere"].encoder)
    row = other.table(["embedding", "captions", "alignment"], limit=1).to_pylist()[0]
    image = model.headed(np.array([row["embedding"]], np.float32))[0]
    if row["alignment"] is not None:
        assert row["alignment"] == pytest.approx(float((model.text(row["captions"]) @ image).max()), abs=1e-5)


def test_a_step_trains_on_what_a_selection_keeps(shapes: Pool) -> None:
    steps = [
        {"where": {"sql": "label = 'disc'", "as": "discs"}},
        {"learn pairs": {**{k: v for k, v in STEPS.items() if k != "where_rows"}, "selection": "discs", "as": "round"}},
    ]
    done = run_recipe(shapes, Recipe.parse(steps))
    assert done.runs["round"].about["asked"]["rows"] == {"where": None, "selection": "discs"}


def test_a_step_that_trains_may_be_left_out(tmp_path: Path) -> None:
    pool = pool_of(tmp_path / "bare.vd", 6)
    with pytest.raises(MissingColumn):
        run_recipe(pool, Recipe.parse([{"learn pairs": STEPS}]))
    done = run_recipe(pool, Recipe.parse([{"learn pairs": {**STEPS, "if": "possible"}}]))
    assert [name for name, _ in done.skipped] == ["pairs"]


def test_the_packaged_recipe_of_a_filter_is_found_by_name() -> None:
    recipe = Recipe.load("filtering-network", {"encoder": "offline"})
    assert recipe.name == "filtering-network"
    assert [step.operation.operation() for step in recipe.steps] == ["embed", "pairs", "align", "top"]
    assert recipe.steps[1].where == "trusted"


@pytest.mark.parametrize(
    ("step", "words"),
    [
        ({"learn pears": {}}, "there is no operation 'learn.pears'"),
        ({"judge classify": {}}, "changes no pool"),
        ({"learn pairs": ["steps"]}, "must be a mapping"),
        ({"align": {"encoder": "$scorer"}}, "the variable \\$scorer was not given"),
    ],
)
def test_wrong_steps_get_one_sentence(step: dict, words: str) -> None:
    with pytest.raises(BadInput, match=words):
        Recipe.parse([step])


def test_a_pool_may_grow_around_the_rows_that_a_step_trained_on(tmp_path: Path) -> None:
    from items import Given
    from learn.shapes import shape
    from pictures import encoded

    pool = pool_of(tmp_path / "grows.vd", 32, annotators=(Embed(),))
    steps = [{"embed": {}}, {"learn pairs": {**STEPS, "where_rows": "key < 's0020' and split = 'train'", "batch": 8}}]
    first = run_recipe(pool, Recipe.parse(steps)).runs["filter"].about["weights"]
    more = {f"t{i}": encoded(shape(500 + i), "PNG") for i in range(3)}
    pool.ingest(Given(more, {key: {"captions": ["a red disc"], "split": "train"} for key in more}))
    assert run_recipe(pool, Recipe.parse(steps)).runs["filter"].about["weights"] == first
    pool.ingest(Given({"s0003": encoded(shape(900), "PNG")}, {"s0003": {"captions": ["new"], "split": "train"}}))
    with pytest.raises(BadInput, match="other rows or other values"):
        run_recipe(pool, Recipe.parse(steps))


def test_a_pool_is_made_by_the_packaged_recipe(tmp_path: Path) -> None:
    from items import Given
    from learn.shapes import COLOURS, shape
    from pictures import encoded

    content = {f"s{i:03d}": encoded(shape(i), "PNG") for i in range(48)}
    fields = {
        f"s{i:03d}": {"captions": [f"a {COLOURS[i // 2 % 4]} {('disc', 'cross')[i % 2]}"], "trusted": i < 30}
        for i in range(48)
    }
    import pyarrow as pa

    pool = veduta.create(tmp_path / "p.vd")
    recipe = Recipe.load("filtering-network", {"encoder": "offline"})
    small = Recipe.parse([{"learn pairs": {"where_rows": "trusted", "steps": 5, "batch": 8, "as": "filter"}}]).steps
    recipe = Recipe(recipe.name, (recipe.steps[0], *small, *recipe.steps[2:]))
    done = run_recipe(pool, recipe, source=Given(content, fields, trusted=pa.bool_()))
    assert done.ingest is not None
    assert 0 < len(done.selections["filtered"]) < 24
