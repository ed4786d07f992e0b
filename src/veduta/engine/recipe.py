"""Recipes: a YAML list of operations, run over a source or a pool."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any

from veduta.engine import progress
from veduta.engine.ingest import IngestReport, ingest
from veduta.engine.operation import Annotator, Operation, Selector
from veduta.engine.registry import find
from veduta.engine.run import annotate, select
from veduta.errors import BadInput, VedutaError
from veduta.pool import Pool, Selection


@dataclass(frozen=True)
class Step:
    """One operation of a recipe; `where` limits its rows, `name` names its selection."""

    operation: Operation
    name: str | None = None
    where: str | None = None
    optional: bool = False


@dataclass(frozen=True)
class Recipe:
    """Steps in order."""

    name: str
    steps: tuple[Step, ...]

    @classmethod
    def load(cls, path: str | Path | None = None, variables: Mapping[str, Any] | None = None) -> Recipe:
        """Read a recipe file, or one of the package's by its bare name; without a path, the default recipe."""
        import yaml

        package = {each.name.removesuffix(".yaml"): each for each in (files("veduta.engine") / "recipes").iterdir()}
        if path is None or (not Path(path).exists() and str(path) in package):
            text = package[str(path or "default")].read_text("utf-8")
            place = f"the recipe '{path}'" if path else "the default recipe"
        else:
            place = str(path)
            try:
                text = Path(path).read_text("utf-8")
            except OSError as error:
                raise BadInput(
                    f"the recipe {path} cannot be read: {error.strerror}; name a YAML file, or one of the package's: "
                    + ", ".join(sorted(package))
                ) from None
        try:
            content = yaml.safe_load(text)
        except yaml.YAMLError as error:
            raise BadInput(f"{place} is not valid YAML: {' '.join(str(error).split())}") from None
        if isinstance(content, list):
            content = {"name": Path(place).stem, "steps": content}
        if not isinstance(content, dict) or not isinstance(content.get("steps"), list):
            raise BadInput(f"{place} must be a list of operations, or a mapping with 'name' and 'steps'")
        return cls.parse(content["steps"], name=str(content.get("name", Path(place).stem)), variables=variables)

    @classmethod
    def parse(
        cls,
        steps: Sequence[str | Mapping[str, Any]],
        *,
        name: str = "recipe",
        variables: Mapping[str, Any] | None = None,
    ) -> Recipe:
        """Build a recipe from `[{"embed": {"encoder": "offline"}}, "quality", ...]`."""
        variables = dict(variables or {})
        parsed = [_parse(i, step, variables) for i, step in enumerate(steps, 1)]
        return cls(name, tuple(step for step in parsed if step is not None))


def _parse(number: int, step: Any, variables: Mapping[str, Any]) -> Step | None:
    if isinstance(step, str):
        step = {step: {}}
    if not isinstance(step, Mapping) or len(step) != 1:
        raise BadInput(f"step {number} of the recipe must be one 'operation: {{parameters}}', got {step!r}")
    ((name, given),) = step.items()
    parameters = dict(given or {})
    condition = parameters.pop("if", None)
    alias, where = parameters.pop("as", None), parameters.pop("where_rows", None)
    if condition not in (None, "possible") and not variables.get(condition):
        return None
    for key, value in parameters.items():
        if isinstance(value, str) and value.startswith("$"):
            if value[1:] not in variables:
                raise BadInput(f"step {number} ({name}): the variable {value} was not given")
            parameters[key] = variables[value[1:]]
    try:
        operation = find(name)(**parameters)
    except BadInput as error:
        raise BadInput(f"step {number} of the recipe: {error}") from None
    return Step(operation, alias, where, condition == "possible")


@dataclass
class RecipeRun:
    """What a run of a recipe did."""

    ingest: IngestReport | None = None
    stages: list[dict[str, Any]] = field(default_factory=list)
    skipped: list[tuple[str, str]] = field(default_factory=list)
    selections: dict[str, Selection] = field(default_factory=dict)


def run_recipe(
    pool: Pool,
    recipe: Recipe,
    *,
    source: Any = None,
    store: str = "copy",
    format: str | None = None,
    on: progress.Progress | None = None,
) -> RecipeRun:
    """Run the steps in order over `pool`, ingesting `source` first where one is given.

    The annotators at the head of the recipe see the pixels while the source is read: one decode for everything.
    """
    timed = progress.Timed(on or progress.Silent())
    run = RecipeRun(stages=timed.stages)
    steps = list(recipe.steps)
    with pool.writing():
        if source is not None:
            head = _head(steps)
            run.ingest = ingest(pool, source, annotators=head, store=store, format=format, on=timed)  # pyright: ignore
        while steps:
            group = steps[: max(1, len(_head(steps)))]
            group = [step for step in group if step.where == group[0].where]
            del steps[: len(group)]
            step = group[0]
            try:
                step.operation.check(pool)
                if isinstance(step.operation, Selector):
                    name = step.name or step.operation.operation().replace("-", "_")
                    run.selections[name] = select(pool, step.operation, name=name, on=timed)
                else:
                    annotate(pool, [s.operation for s in group], where=step.where, on=timed)
            except VedutaError as error:
                if not step.optional:
                    raise
                run.skipped.append((step.operation.operation(), str(error)))
                timed.say(f"skipped {step.operation.operation()}: {error}")
    return run


def _head(steps: Sequence[Step]) -> list[Annotator]:
    """The annotators that come first and can share one pass."""
    head: list[Annotator] = []
    for step in steps:
        if not isinstance(step.operation, Annotator) or step.optional or step.where:
            break
        head.append(step.operation)
    return head
