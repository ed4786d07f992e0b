from __future__ import annotations

from pathlib import Path

import pytest

from veduta.engine.recipe import Recipe
from veduta.errors import BadInput

GIVEN = {"encoder": "offline", "classes": []}


def test_a_recipe_of_the_package_goes_by_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    recipe = Recipe.load("human-free", GIVEN)
    steps = {step.operation.operation(): step for step in recipe.steps}
    assert recipe.name == "human-free"
    assert {"people", "blank", "human-free", "people-sample"} <= set(steps)
    assert steps["human-free"].operation.parameters()["licences"] == ["CC-BY", "CC0"]
    assert Recipe.load("default", GIVEN) == Recipe.load(None, GIVEN)


def test_a_file_of_that_name_goes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    Path("human-free").write_text("- quality: {}\n", "utf-8")
    assert [step.operation.operation() for step in Recipe.load("human-free").steps] == ["quality"]


@pytest.mark.parametrize("name", ["human-fre", "/nowhere/human-free", "/nowhere/mine.yaml"])
def test_a_name_that_leads_nowhere_says_which_there_are(name: str):
    with pytest.raises(
        BadInput, match=r"cannot be read: No such file or directory; .*: .*default, .*human-free"
    ) as caught:
        Recipe.load(name)
    assert "\n" not in str(caught.value)
