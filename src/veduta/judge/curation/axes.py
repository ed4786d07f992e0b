"""What besides the task itself is measured of an arm: the other axes of SELECT.

Legend: S seeds, n test rows of a task.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from veduta.engine import progress
from veduta.judge import corruptions
from veduta.judge.curation.arms import RANDOM, Arm
from veduta.judge.curation.battery import Battery, Probed, Trained, digest, stored
from veduta.judge.curation.bench import Bench
from veduta.judge.curation.compare import Difference, Scores
from veduta.judge.curation.exam import Exam, numbers, values
from veduta.judge.curation.statistics import statistics
from veduta.judge.curation.transfer import transferred
from veduta.judge.neighbours import weighted_votes

if TYPE_CHECKING:
    from veduta.judge.curation.operation import Curation

LEVELS = (1, 3, 5)
SEEN, SEEN_BY_ENCODER = 1_000, 300
"""Test rows that are corrupted; an encoder of photos takes many times as long as a small network."""
BANK = 10_000
DEPTHS = (10, 20, 100, 200)
TEMPERATURE = 0.07


@dataclass(frozen=True)
class Task:
    """One measurement. right: arm -> (S, n) in [0, 1]; weight: (n,) sums to 1; chance: what guessing scores."""

    name: str
    right: Mapping[str, NDArray[np.float32]]
    weight: NDArray[np.float64]
    chance: float


@dataclass
class Axis:
    """Tasks that are averaged. scores: of their mean; broken: task -> why it is left out of it."""

    name: str
    tasks: list[Task]
    scores: Scores | None
    broken: dict[str, str] = field(default_factory=dict)
    against: list[Difference] = field(default_factory=list)


@dataclass
class Axes:
    """axes: ood, transfer, knn as asked. stats: arm -> figures. missing: axis -> why it was not measured."""

    axes: list[Axis] = field(default_factory=list)
    stats: dict[str, dict[str, Any]] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)


def measured(
    asked: Curation, bench: Bench, battery: Battery, tested: Exam, arms: Sequence[Arm], runs: Mapping[str, list[Trained]],
    on: progress.Progress,
) -> Axes:  # fmt: skip
    """All axes that were asked for, of the arms that were trained; figures of all arms."""
    found = Axes()
    random = [arm.name for arm in arms if arm.kind == RANDOM]
    known = [arm for arm in arms if arm.name in runs]
    for name in [axis for axis in ("ood", "transfer", "knn") if axis in asked.axes]:
        with progress.stage(on, f"axis {name}"):
            if name == "ood":
                tasks, why = _ood(asked, bench, battery, tested, runs)
            elif name == "transfer":
                tasks, why = transferred(asked, bench, runs)
            else:
                tasks, why = _knn(asked, bench, tested, known)
        if why:
            found.missing[name] = why
            on.say(f"axis {name}: {why}")
            continue
        found.axes.append(_axis(asked, name, tasks, random))
    if "stats" in asked.axes:
        with progress.stage(on, "statistics of the arms"):
            found.stats = {arm.name: statistics(asked, bench, tested, arm) for arm in arms if len(arm)}
    return found


def _axis(asked: Curation, name: str, tasks: Sequence[Task], random: Sequence[str]) -> Axis:
    """The tasks and their mean. A task that no arm does better than guessing is broken, and counts for none."""
    broken, sound = {}, []
    for task in tasks:
        scores = Scores(task.right, task.weight, random, np.random.default_rng([asked.seed, 2]), rounds=1000)
        best = max(scores.names, key=scores.mean)
        if scores.interval(best)[0] <= task.chance:
            broken[task.name] = (
                f"no arm is above guessing ({task.chance:.1%}): the best, '{best}', has {scores.mean(best):.1%}"
            )
        else:
            sound.append(task)
    if not sound:
        return Axis(name, list(tasks), None, broken)
    right = {arm: np.concatenate([task.right[arm] for task in sound], axis=1) for arm in sound[0].right}
    weight = np.concatenate([task.weight for task in sound]) / len(sound)
    if len({len(task.weight) for task in sound}) == 1 and name != "transfer":  # the same rows: resampled together
        right = {arm: np.mean([task.right[arm] for task in sound], axis=0) for arm in right}
        weight = sound[0].weight
    scores = Scores(right, weight, random, np.random.default_rng([asked.seed, 3]))
    other = asked.reference if asked.reference in scores.names else None
    pairs = [(arm, str(other)) for arm in scores.names if other and arm != other]
    return Axis(name, list(tasks), scores, broken, scores.against(pairs) if pairs else [])


def _ood(
    asked: Curation, bench: Bench, battery: Battery, tested: Exam, runs: Mapping[str, list[Trained]]
) -> tuple[list[Task], str]:
    """Every corruption at three levels, on the same part of the test rows for all arms."""
    if asked.task == "pairs":
        return [], "the task pairs reads stored vectors and texts, which cannot be corrupted; take classify or probe"
    rng = np.random.default_rng([asked.seed, 4])
    seen = SEEN_BY_ENCODER if isinstance(battery, Probed) else SEEN
    places = np.sort(rng.choice(len(tested.rows), min(seen, len(tested.rows)), replace=False))
    weight = tested.weight[places] / tested.weight[places].sum()
    tasks = []
    for name in corruptions.NAMES:
        for level in LEVELS:
            change = partial(_changed, name=name, level=level, seed=asked.seed)
            right = {}
            for arm, own in runs.items():
                made = []
                for each in own:
                    what = digest([each.run.about["weights"], tested.rows[places].tolist(), name, level, asked.seed],
                                  battery.material(tested.rows[places], tested.column))  # fmt: skip
                    measure = partial(battery.changed, each.run, places, change, f"{name} {level}")
                    made.append(bench.kept(f"ood-{what[:24]}", measure))  # pyright: ignore[reportArgumentType]
                right[arm] = np.stack(made)
            tasks.append(Task(f"{name}, level {level}", right, weight, tested.chance))
    return tasks, ""


def _changed(image: NDArray[np.uint8], place: int, *, name: str, level: int, seed: int) -> NDArray[np.uint8]:
    return corruptions.corrupted(image, name, level, np.random.default_rng([seed, 5, place]))


def _knn(asked: Curation, bench: Bench, tested: Exam, arms: Sequence[Arm]) -> tuple[list[Task], str]:
    """The weighted vote of DINO (Caron et al. 2021, arXiv 2104.14294, section 4.1) with each arm as the memory.

    Up to 10,000 rows of an arm, drawn evenly; test rows without a vector cannot be right.
    """
    if asked.task == "pairs":
        return [], "a vote needs classes, and the task pairs has none; take classify or probe"
    has, queries = stored(bench, asked.embedding, tested.rows)
    labels = {arm.column: numbers(values(bench, arm.column), tested.names) for arm in arms}
    least = min(BANK, *(int(has[draw].sum()) for arm in arms for draw in arm.draws))
    if not least:
        return [], f"an arm has no row with a vector in '{asked.embedding}'"
    depths = [k for k in DEPTHS if k <= least] or [least]
    right: dict[int, dict[str, NDArray[np.float32]]] = {k: {} for k in depths}
    for arm in arms:
        votes: dict[int, list[NDArray[np.float32]]] = {k: [] for k in depths}
        for number, draw in enumerate(arm.draws):
            rows = draw[has[draw]]
            if len(rows) > BANK:
                rows = np.sort(np.random.default_rng([asked.seed, 6, number]).choice(rows, BANK, replace=False))
            own = labels[arm.column][rows]
            bank = stored(bench, asked.embedding, rows)[1]
            targets = own[:, None] == np.arange(len(tested.names))
            for k, shares in weighted_votes(bank, targets, queries, depths, TEMPERATURE).items():
                votes[k].append(((shares.argmax(1) == tested.truth) & has[tested.rows]).astype(np.float32))
        for k in depths:
            right[k][arm.name] = np.stack(votes[k])
    return [Task(f"{k} nearest", right[k], tested.weight, tested.chance) for k in depths], ""


def as_facts(axes: Axes) -> dict[str, Any]:
    """For the JSON of the report."""
    made: dict[str, Any] = {"statistics": axes.stats, "not measured": axes.missing}
    for axis in axes.axes:
        tasks = {
            task.name: {arm: float(right.mean(0) @ task.weight) for arm, right in task.right.items()}
            for task in axis.tasks
        }
        mean = {} if axis.scores is None else {arm: axis.scores.mean(arm) for arm in axis.scores.names}
        made[axis.name] = {"mean": mean, "tasks": tasks, "left out of the mean": axis.broken}
    return json.loads(json.dumps(made, default=str))
