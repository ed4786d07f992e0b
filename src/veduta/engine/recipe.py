"""Recipes: a YAML list of operations, run over a source or a pool."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
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

POOL = re.compile(r"\$pool\b")
"""Stands in a parameter for the path of the pool that the recipe is run on, as in `run:$pool/runs/filter`."""


@dataclass(frozen=True)
class Step:
    """One operation of a recipe; `where` limits its rows, `name` names its selection or its run.

    selection, pool: of a step that trains: only rows that this selection keeps, and another pool to train on.
    """

    operation: Operation
    name: str | None = None
    where: str | None = None
    optional: bool = False
    selection: str | None = None
    pool: str | None = None

    def on(self, pool: Pool) -> Step:
        """The step with the pool's path in the place of `$pool`."""
        given = self.operation.parameters()
        filled = _filled(given, str(pool.path))
        elsewhere = _filled(self.pool, str(pool.path))
        if filled == given and elsewhere == self.pool:
            return self
        return replace(self, operation=type(self.operation)(**filled), pool=elsewhere)


@dataclass(frozen=True)
class Recipe:
    """Steps in order."""

    name: str
    steps: tuple[Step, ...]

    @classmethod
    def load(cls, path: str | Path | None = None, variables: Mapping[str, Any] | None = None) -> Recipe:
        """Read a recipe file, or one of the package by its name; without a path, the package's default recipe."""
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
            content = {"name": Path(path or "default").stem, "steps": content}
        if not isinstance(content, dict) or not isinstance(content.get("steps"), list):
            raise BadInput(f"{place} must be a list of operations, or a mapping with 'name' and 'steps'")
        return cls.parse(
            content["steps"], name=str(content.get("name", Path(path or "default").stem)), variables=variables
        )

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
    if given is not None and not isinstance(given, Mapping):
        raise BadInput(f"step {number} of the recipe ({name}): its parameters must be a mapping, got {given!r}")
    parameters = dict(given or {})
    condition = parameters.pop("if", None)
    if condition not in (None, "possible") and not variables.get(condition):
        return None
    for key, value in parameters.items():
        if isinstance(value, str) and re.fullmatch(r"\$\w+", value) and value != "$pool":
            if value[1:] not in variables:
                raise BadInput(f"step {number} ({name}): the variable {value} was not given")
            parameters[key] = variables[value[1:]]
    alias, where = parameters.pop("as", None), parameters.pop("where_rows", None)
    try:
        kind = find(".".join(str(name).split(maxsplit=1)))
        if kind.verb not in ("annotate", "select", "learn"):
            raise BadInput(f"{name} changes no pool, so it is not a step; run it afterwards: veduta {kind.verb}")
        trains = {key: parameters.pop(key, None) for key in ("selection", "pool")} if kind.verb == "learn" else {}
        operation = kind(**parameters)
    except BadInput as error:
        raise BadInput(f"step {number} of the recipe: {error}") from None
    return Step(operation, alias, where, condition == "possible", **trains)


def _filled(value: Any, path: str) -> Any:
    """A parameter's value with `path` in the place of `$pool`, in lists and mappings too."""
    if isinstance(value, str):
        return POOL.sub(lambda _: path, value)
    if isinstance(value, Mapping):
        return {key: _filled(each, path) for key, each in value.items()}
    return [_filled(each, path) for each in value] if isinstance(value, list) else value


@dataclass
class RecipeRun:
    """What a run of a recipe did. selections, runs: by name, what was chosen and what was trained (`veduta.learn.run.Run`)."""

    ingest: IngestReport | None = None
    stages: list[dict[str, Any]] = field(default_factory=list)
    skipped: list[tuple[str, str]] = field(default_factory=list)
    selections: dict[str, Selection] = field(default_factory=dict)
    runs: dict[str, Any] = field(default_factory=dict)


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
    steps = [step.on(pool) for step in recipe.steps]
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
                if step.operation.verb == "learn":
                    _learn(pool, step, run, timed)
                    continue
                step.operation.check(pool)
                if isinstance(step.operation, Selector):
                    name = step.name or step.operation.operation().replace("-", "_")
                    run.selections[name] = select(pool, step.operation, name=name, on=timed, aside=True)
                else:
                    annotate(pool, [s.operation for s in group], where=step.where, on=timed, empty=True, aside=True)
            except VedutaError as error:
                if not step.optional:
                    raise
                run.skipped.append((step.operation.operation(), str(error)))
                timed.say(f"skipped {step.operation.operation()}: {error}")
    return run


def _learn(pool: Pool, step: Step, run: RecipeRun, on: progress.Progress) -> None:
    """Train, into the pool's folder of runs or that of the pool that the step names."""
    operation: Any = step.operation  # the verbs stand above the engine, which knows of this one only its method
    source = pool if step.pool is None else Pool.open(step.pool)
    made = operation.learn(source, where=step.where, selection=step.selection, name=step.name, on=on)
    run.runs[made.path.name] = made


def _head(steps: Sequence[Step]) -> list[Annotator]:
    """The annotators that come first and can share one pass."""
    head: list[Annotator] = []
    for step in steps:
        if not isinstance(step.operation, Annotator) or step.optional or step.where or step.operation.alone:
            break
        head.append(step.operation)
    return head
