"""A judgement from its first recipe to its last axis."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from veduta.engine import progress
from veduta.errors import BadInput, NothingToDo, TrainingFailed, VedutaError
from veduta.judge.curation.arms import (
    EVERYTHING,
    RANDOM,
    Arm,
    equalised,
    from_recipe,
    from_selection,
    trimmed,
    with_random,
)
from veduta.judge.curation.axes import Axes, measured
from veduta.judge.curation.battery import Battery, Classified, Paired, Probed, Trained, trained
from veduta.judge.curation.bench import Bench, size_of
from veduta.judge.curation.compare import Difference, Scores
from veduta.judge.curation.exam import Exam, exam, values
from veduta.judge.curation.leaks import leaks
from veduta.pool import Pool, View

if TYPE_CHECKING:
    from veduta.judge.curation.operation import Curation

BATCH = 128


@dataclass
class Judged:
    """What was found.

    arms: all of them, baselines first. outcome: arm -> why it could not be trained. right: arm -> (seeds, test rows).
    notes: which test rows were left out. differences: to random of the size, to everything, and to the reference arm. seconds: arm -> training time of one seed.
    """

    exam: Exam
    arms: list[Arm]
    outcome: dict[str, str]
    right: dict[str, NDArray[np.float32]]
    scores: Scores
    differences: dict[str, list[Difference]]
    seconds: dict[str, float]
    metric: str
    chance: float
    batch: int
    leaked: dict[str, int]
    axes: Axes
    folder: Path
    bytes: int
    notes: list[str] = field(default_factory=list)

    def arm(self, name: str) -> Arm:
        """The arm of that name."""
        return next(arm for arm in self.arms if arm.name == name)

    def difference(self, arm: str, to: str) -> Difference | None:
        """An arm's difference to "random", "everything" or "reference"."""
        return next((each for each in self.differences.get(to, []) if each.arm == arm), None)


def measure(asked: Curation, pool: View, on: progress.Progress) -> Judged:
    """See `Curation.measure`."""
    if not isinstance(pool, Pool):
        raise BadInput(
            "judge curation needs a whole pool, because recipes run over all of it; say which rows to test on with --test"
        )
    asked.check(pool)
    column = asked.text if asked.task == "pairs" else asked.target
    chosen = _chosen(asked, pool, column, on)
    asked.check_vectors(pool)
    _check_columns(pool, chosen, asked)
    needed = f"{asked.embedding} is not null" if asked.task != "classify" else None
    known = asked.trained(pool, *([asked.embedding] if asked.vectors else []))
    tested = exam(pool, asked.test, column, needed or "true", classes=asked.task != "pairs", trained=known)
    bench = Bench(pool)
    battery = _battery(asked, bench, tested)
    space = asked.embedding if asked.embedding in pool.schema.names else None
    with progress.stage(on, "look for test images in the arms"):
        leaked = leaks(bench, tested.eligible, tested.rows, space)
    whole = trimmed(
        Arm(EVERYTHING, EVERYTHING, (np.flatnonzero(tested.eligible),), column), tested, values(pool, column), leaked,
        has=battery.has,
    )  # fmt: skip
    own = [trimmed(arm, tested, values(pool, arm.column), leaked, has=battery.has) for arm in chosen]
    _refuse_leaks(asked, own, leaked)
    own = equalised(own, asked.sizes, asked.seed)
    arms, outcome = _assembled(asked, own, whole, column)
    batch = min([int(asked.training.get("batch", BATCH)), *(len(arm) for arm in arms if arm.name not in outcome)])
    runs = _trained(asked, bench, battery, tested, arms, outcome, max(2, batch), on)
    right = {name: np.stack([each.right for each in own_runs]) for name, own_runs in runs.items()}
    if not any(arm.chosen is not None for arm in arms if arm.name in right):
        raise NothingToDo(
            "judge curation: no arm could be trained: " + "; ".join(f"{k}: {v}" for k, v in outcome.items())
        )
    random = [arm.name for arm in arms if arm.kind == RANDOM]
    scores = Scores(right, tested.weight, random, np.random.default_rng([asked.seed, 1]))
    seconds = {
        name: float(np.mean([t.run.about["training"]["seconds"] for t in own_runs])) for name, own_runs in runs.items()
    }
    axes = measured(asked, bench, battery, tested, arms, runs, on)
    return Judged(
        tested, arms, outcome, right, scores, _differences(asked, arms, scores), seconds, battery.metric, battery.chance, batch,
        {why: int(flags.sum()) for why, flags in leaked.items()}, axes, bench.path, size_of(bench.path),
        known.told(int(np.isin(pool.rows(asked.test), known.rows).sum())),
    )  # fmt: skip


def _chosen(asked: Curation, pool: Pool, column: str, on: progress.Progress) -> list[Arm]:
    """The arms that somebody made, with all rows that they keep."""
    found: list[Arm] = []
    for recipe in asked.recipes:
        on.say(f"recipe {recipe}")
        name, selection, seconds = from_recipe(pool, recipe, asked.embedding, on)
        found.append(Arm(name, "recipe", (selection.rows(),), asked.labels.get(name, column), {}, seconds, selection))
    for name in asked.selections:
        selection, seconds = from_selection(pool, name)
        found.append(
            Arm(name, "selection", (selection.rows(),), asked.labels.get(name, column), {}, seconds, selection)
        )
    names = [arm.name for arm in found]
    twice = sorted({name for name in names if names.count(name) > 1})
    taken = sorted({name for name in names if name == EVERYTHING or name.split(" ")[0] == RANDOM})
    if twice or taken:
        which, why = (twice[0], "two arms have") if twice else (taken[0], "a baseline has")
        raise BadInput(
            f"{why} the name '{which}'; give the recipe another with a line 'name: ...', or the selection with --as"
        )
    unknown = sorted({*asked.labels, *([asked.reference] if asked.reference else [])} - {*names, RANDOM, EVERYTHING})
    if unknown:
        raise BadInput(f"curation has no arm '{unknown[0]}', which labels or reference name (arms: {', '.join(names)})")
    return found


def _check_columns(pool: Pool, arms: Sequence[Arm], asked: Curation) -> None:
    """Columns of labels may be made by the recipes, so they are looked for after those."""
    for arm in arms:
        pool.require(arm.column, needed_by=f"the arm '{arm.name}' of {asked.operation()}", mend="name it with --labels")


def _battery(asked: Curation, bench: Bench, tested: Exam) -> Battery:
    if asked.task == "classify":
        return Classified(bench, tested, asked.steps, asked.training)
    if asked.task == "probe":
        return Probed(bench, tested, asked.embedding, asked.training)
    return Paired(bench, tested, asked.embedding, asked.text, asked.k, asked.steps, asked.training)


def _refuse_leaks(asked: Curation, arms: Sequence[Arm], leaked: dict[str, NDArray[np.bool_]]) -> None:
    for arm in arms:
        count = sum(arm.left.get(why, 0) for why in leaked)
        if asked.leaks == "refuse" and count:
            raise BadInput(
                f"{count:,} rows of the arm '{arm.name}' show a test image; take them out of the selection, or say --leaks exclude"
            )


def _assembled(asked: Curation, own: list[Arm], whole: Arm, column: str) -> tuple[list[Arm], dict[str, str]]:
    """Baselines and arms, and what cannot be trained on."""
    outcome = {arm.name: _why_not(arm) for arm in own if _why_not(arm)}
    trainable = [arm for arm in own if arm.name not in outcome]
    arms = [whole] if EVERYTHING in asked.baselines else []
    if RANDOM in asked.baselines and trainable and len(whole):
        arms += with_random(trainable, whole, column, asked.seeds, asked.seed)
    else:
        arms += trainable
    return [*arms, *(arm for arm in own if arm.name in outcome)], outcome


def _why_not(arm: Arm) -> str:
    if arm.chosen is not None and not len(arm.chosen):
        return "keeps nothing"
    if len(arm) < 2:
        left = ", ".join(f"{count:,} {why}" for why, count in arm.left.items())
        return f"keeps {len(arm):,} rows that can be trained on ({left})" if left else "keeps a single row"
    return ""


def _trained(
    asked: Curation, bench: Bench, battery: Battery, tested: Exam, arms: Sequence[Arm], outcome: dict[str, str], batch: int,
    on: progress.Progress,
) -> dict[str, list[Trained]]:  # fmt: skip
    """Every arm with every seed; an arm that cannot be trained on says so in `outcome`."""
    runs: dict[str, list[Trained]] = {}
    first: VedutaError | None = None
    todo = [arm for arm in arms if arm.name not in outcome]
    with progress.stage(on, f"train and test ({asked.task})", len(todo) * asked.seeds):
        for arm in todo:
            started, made = time.monotonic(), []
            try:
                for seed in range(asked.seeds):
                    made.append(trained(bench, battery, tested, arm.rows(seed), arm.column, asked.seed + seed, batch))
                    on.advance(1)
            except (BadInput, NothingToDo, TrainingFailed) as error:
                outcome[arm.name] = f"cannot be trained on: {error}"
                first = first or error
                continue
            runs[arm.name] = made
            scores = ", ".join(f"{float(each.right @ tested.weight):.3f}" for each in made)
            on.say(f"{arm.name}: {scores} ({len(arm):,} rows, {time.monotonic() - started:.0f} s)")
    if first is not None and not runs:
        raise first  # what no arm can be trained with is no property of an arm
    return runs


def _differences(asked: Curation, arms: Sequence[Arm], scores: Scores) -> dict[str, list[Difference]]:
    """To random of the same size, to everything and to the reference; each family is adjusted by itself."""
    own = [arm for arm in arms if arm.chosen is not None and arm.name in scores.names]
    found = {}
    pairs = [(arm.name, arm.rival) for arm in own if arm.rival in scores.names]
    if pairs:
        found[RANDOM] = scores.against(pairs)
    if EVERYTHING in scores.names:
        found[EVERYTHING] = scores.against([(arm.name, EVERYTHING) for arm in own])
    if asked.reference in scores.names:
        rest = [name for name in scores.names if name != asked.reference]
        found["reference"] = scores.against([(name, str(asked.reference)) for name in rest])
    return found


def facts(judged: Judged) -> list[dict[str, Any]]:
    """One dict an arm: size, score with interval, differences, cost."""
    rows = []
    for arm in judged.arms:
        row: dict[str, Any] = {
            "arm": arm.name,
            "kind": arm.kind,
            "rows": len(arm),
            "labels": arm.column,
            "left_out": arm.left,
        }
        if arm.name in judged.outcome:
            rows.append({**row, "outcome": judged.outcome[arm.name]})
            continue
        low, high = judged.scores.interval(arm.name)
        row |= {
            "score": judged.scores.mean(arm.name),
            "from": low,
            "to": high,
            "seeds": judged.scores.values[arm.name].tolist(),
        }
        for to in judged.differences:
            found = judged.difference(arm.name, to)
            if found is not None:
                row[f"minus_{to}"] = {
                    "value": found.value, "from": found.low, "to": found.high, "p": found.chance, "least": found.least,
                    "shown": found.shown,
                }  # fmt: skip
        rows.append({**row, "training_seconds": judged.seconds[arm.name], "curation_seconds": arm.seconds})
    return rows
