"""What is compared: selections of a pool with the labels that they would be trained with.

Legend: N rows of the pool.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from veduta.engine import progress
from veduta.engine.operation import Selector
from veduta.engine.recipe import Recipe, Step, run_recipe
from veduta.errors import BadInput
from veduta.judge.curation.exam import Exam
from veduta.judge.curation.provenance import seconds_of
from veduta.pool import Pool, Selection
from veduta.pool.selection import column_names

Kind = Literal["recipe", "selection", "random", "everything"]
RANDOM, EVERYTHING = "random", "everything"
ALIKE = 1.1
"""Arms whose sizes differ by no more than this factor share one random arm."""


@dataclass(frozen=True)
class Arm:
    """One way of curating. draws: the rows (m,) int64 to train on, ascending; a random arm has one draw for each seed.

    column: its labels. left: reason -> how many rows of the selection are not trained on. seconds: what its making took.
    chosen: the selection as it was made, None for random and everything. rival: the random arm of its size.
    """

    name: str
    kind: Kind
    draws: tuple[NDArray[np.int64], ...]
    column: str
    left: dict[str, int] = field(default_factory=dict)
    seconds: float = 0.0
    chosen: Selection | None = None
    rival: str = ""

    def rows(self, seed: int) -> NDArray[np.int64]:
        """The rows to train on with the seed of this number."""
        return self.draws[seed % len(self.draws)]

    def __len__(self) -> int:
        return len(self.draws[0])


def from_recipe(pool: Pool, name: str, embedding: str, on: progress.Progress) -> tuple[str, Selection, float]:
    """Run a recipe over the pool: its arm's name, the selection that it ends with (or that is called like it), and seconds.

    That selection is stored under the arm's name, so that several recipes may call theirs alike. What is stored already from
    the same operations is not made again.
    """
    made = pool.provenance(embedding) if embedding in pool.schema.names else {}
    encoder = made["parameters"]["encoder"] if made.get("operation") == "embed" else "offline"
    recipe = Recipe.load(name, {"encoder": encoder, "classes": []})
    arm = re.sub(r"\W", "_", recipe.name)
    stored = arm if arm.isidentifier() else f"arm_{arm}"
    places = [i for i, step in enumerate(recipe.steps) if isinstance(step.operation, Selector)]
    if not places:
        raise BadInput(f"the recipe {name} selects nothing, so it is no way of curating; end it with a selector")
    named = [i for i in places if recipe.steps[i].name in (recipe.name, stored)]
    place = (named or places)[-1]
    steps = list(recipe.steps)
    steps[place] = replace(steps[place], name=stored)
    run = run_recipe(pool, Recipe(recipe.name, tuple(steps)), on=on)
    if stored not in run.selections:
        why = "; ".join(f"{step}: {reason}" for step, reason in run.skipped)
        raise BadInput(f"the recipe {name} made no selection here, because its step was skipped ({why})")
    trained = sum(float(made.about["training"]["seconds"]) for made in run.runs.values())
    return recipe.name, run.selections[stored], trained + seconds_of(pool, _made_by(steps, stored))


def _made_by(steps: Sequence[Step], stored: str) -> list[str]:
    """The columns that stand for what a recipe did. Its selection alone might not read all of them."""
    found = list(column_names(stored))
    for step in steps:
        adds = getattr(step.operation, "adds", None)
        found += list(adds().names) if adds else []
    return found


def from_selection(pool: Pool, name: str) -> tuple[Selection, float]:
    """A stored selection, and the seconds that its making took."""
    return pool.selection(name), seconds_of(pool, list(column_names(name)))


def trimmed(
    arm: Arm,
    exam: Exam,
    labels: Sequence[str | None],
    leaked: Mapping[str, NDArray[np.bool_]],
    *,
    has: NDArray[np.bool_],
) -> Arm:
    """The arm with the rows that can be trained on, and why the others cannot. has: (N,) bool, rows with what the task reads."""
    rows, left = arm.draws[0], {}
    known = set(exam.names)

    def without(gone: NDArray[np.bool_], why: str) -> None:
        nonlocal rows
        if gone.any():
            left[why] = left.get(why, 0) + int(gone.sum())
            rows = rows[~gone]

    tested = np.isin(rows, exam.rows)
    without(tested, "test rows")
    without(~exam.eligible[rows], "rows of other splits or undecodable")
    for why, flags in leaked.items():
        without(flags[rows], why)
    without(np.array([labels[row] is None for row in rows], bool), f"rows without a value in '{arm.column}'")
    without(~has[rows], "rows without what the task reads")
    if known:
        without(np.array([labels[row] not in known for row in rows], bool), "labels outside the reference's classes")
    return replace(arm, draws=(rows,), left=left)


def with_random(arms: Sequence[Arm], everything: Arm, column: str, seeds: int, seed: int) -> list[Arm]:
    """The arms, each naming its rival, and before them the random arms: one for all whose sizes are within 10 %.

    A random arm is drawn anew for each seed, from all rows that may be trained on, and has the reference labels.
    """
    pool, found, named = everything.draws[0], [], []
    sizes = sorted({len(arm) for arm in arms if len(arm)})
    groups: list[list[int]] = []
    for size in sizes:
        if groups and size <= ALIKE * groups[-1][0]:
            groups[-1].append(size)
        else:
            groups.append([size])
    for group in groups:
        own = [len(arm) for arm in arms if len(arm) in group]
        count = min(len(pool), round(sum(own) / len(own)))
        name = RANDOM if len(groups) == 1 else f"{RANDOM} {count:,}"
        draws = tuple(
            np.sort(np.random.default_rng([seed, each, count]).choice(pool, count, replace=False))
            for each in range(seeds)
        )
        found.append(Arm(name, RANDOM, draws, column))
        named += [replace(arm, rival=name) for arm in arms if len(arm) in group]
    order = {arm.name: i for i, arm in enumerate(arms)}
    named += [arm for arm in arms if not len(arm)]
    return [*found, *sorted(named, key=lambda arm: order[arm.name])]


def equalised(arms: Sequence[Arm], how: str, seed: int) -> list[Arm]:
    """Arms of one size (`smallest`), BadInput where sizes differ by more than 10 % (`refuse`), or as they are (`own`)."""
    sizes = {arm.name: len(arm) for arm in arms if len(arm) > 1}
    if not sizes or how == "own" or max(sizes.values()) <= ALIKE * min(sizes.values()):
        return list(arms)
    least = min(sizes, key=lambda name: sizes[name])
    if how == "refuse":
        most = max(sizes, key=lambda name: sizes[name])
        raise BadInput(
            f"the arms must be of one size, within 10 %, but '{least}' has {sizes[least]:,} rows and '{most}' {sizes[most]:,}; "
            "say --sizes smallest to draw as many from each, or --sizes own to give each a random arm of its size"
        )
    cut = []
    for arm in arms:
        rng = np.random.default_rng([seed, 0xC07, len(arm)])
        extra = len(arm) - sizes[least]
        if extra > 0:
            rows = np.sort(rng.choice(arm.draws[0], sizes[least], replace=False))
            arm = replace(arm, draws=(rows,), left={**arm.left, "drawn away, to the size of the smallest arm": extra})
        cut.append(arm)
    return cut


def reasons(arm: Arm, exam: Exam) -> dict[str, int]:
    """Why rows that may be trained on were left out, the commonest first; numbers and names in a reason count as one."""
    if arm.chosen is None:
        return {}
    out = np.flatnonzero(~arm.chosen.keep & exam.eligible)
    words = arm.chosen.reasons.take(pa.array(out)).to_pylist()
    counts: dict[str, int] = {}
    for word in words:
        kind = re.sub(r"'[^']*'|\"[^\"]*\"|-?\d[\d.,]*(e-?\d+)?", "…", word or "")
        counts[kind] = counts.get(kind, 0) + 1
    return dict(sorted(counts.items(), key=lambda item: -item[1]))
