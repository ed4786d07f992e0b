"""Which way of curating is worth it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, Self

import pyarrow as pa
from pydantic import model_validator

from veduta.engine import progress
from veduta.engine.operation import Field
from veduta.errors import BadInput
from veduta.judge.trained import OfModels

if TYPE_CHECKING:
    from veduta.judge.curation.measure import Judged
    from veduta.judge.report import Report
    from veduta.pool import View

Axis = Literal["base", "ood", "transfer", "knn", "stats"]
EMBED = "add it with: veduta annotate embed POOL"
SET_HERE = {
    "steps": "--steps", "epochs": "--steps", "budget": "--steps", "seed": "--seeds", "validation": "--test",
    "target": "--target and --labels", "text": "--text and --labels", "image": "--embedding", "embedding": "--embedding",
    "encoder": "--embedding",
}  # fmt: skip


class Curation(OfModels):
    """Compare ways of curating: the same small training and test on what each keeps, with intervals and a verdict.

    Each recipe and each stored selection is an arm; a random selection of the same size, drawn anew for each seed, and
    everything are always among the arms. All are trained with the same learner for the same number of optimiser steps
    and tested on the same rows: `classify` trains a network from scratch, `pairs` two heads on stored vectors (judged by R@k,
    both ways), `probe` fits a linear classifier on stored vectors to its optimum. The score is the mean recall over the
    classes of the test rows; a class that an arm lacks has recall 0, and one without a test row takes no part. Differences have 95 % intervals over test rows and seeds,
    and verdicts are adjusted for the number of arms (Holm 1979).

    Test rows are never trained on, nor rows of other splits than train; rows with the bytes of a test image, or with a
    cosine above 0.98 to one, are counted and left out (`leaks` refuse: an error); so are test rows that the encoder of the
    vectors was trained on. A recipe runs as `veduta curate --recipe`
    would run it: what it adds, its selection among it, is stored in the pool under the recipe's name, and is in the lineage and
    undone like any other. The judging itself changes no row and no column: networks and outputs are in
    `POOL/judgements`, named by what they were made from, so that the same command goes on where it was killed and makes
    nothing twice; remove that folder at any time.

    The idea and the axes are those of SELECT (Feuer et al., NeurIPS 2024, arXiv 2410.05057): `ood` tests under noise, blur,
    low contrast and JPEG (Hendrycks and Dietterich 2019), `transfer` fits a linear classifier on what the trained networks see
    of other pools, `knn` takes the arm as the memory of a nearest-neighbour vote in the stored embedding, `stats` needs
    no training. An arm may have labels of its own (`labels`), of machines or inherited from a neighbour. Differences from the
    paper: equal steps in place of equal epochs, several seeds, classes count alike, transfer by linear probes in place of
    fine-tuning, corruptions alone in place of natural shifts. Cost: (arms + 2) *
    seeds trainings; test rows * training rows * dimensions multiplications for the leaks; memory the vectors.
    """

    recipes: list[str] = Field([], description="ways of curating: YAML files, or recipes of Veduta by name")
    selections: list[str] = Field([], description="stored selections that are compared as well")
    labels: dict[str, str] = Field(
        {}, description='own label (or text) columns of arms as JSON: {"ARM": "COLUMN"}; others have the target'
    )
    task: Literal["classify", "pairs", "probe"] = Field("probe", description="what is trained on each arm")
    target: str = Field("label", description="column of the classes, trusted on the test rows (classify, probe)")
    text: str = Field("captions", description="column of the texts (pairs)")
    embedding: str = Field("embedding", description="column of vectors (probe, pairs, knn, leaks)")
    test: str = Field("split = 'test'", description="SQL: the rows to test on")
    seeds: int = Field(3, ge=1, description="trainings of each arm")
    steps: int = Field(600, ge=1, description="optimiser steps of each training (classify, pairs)")
    training: dict[str, Any] = Field(
        {}, description='further parameters of the learner as JSON, e.g. {"model": "conv_small", "size": 32}'
    )
    k: int = Field(5, ge=1, description="depth of recall (pairs)")
    axes: list[Axis] = Field(["base", "stats"], min_length=1, description="base, ood, transfer, knn, stats")
    transfer: list[str] = Field([], description="other pools for the axis transfer: their splits train and test")
    reference: str | None = Field(None, description="an arm that the others are compared with as well")
    baselines: list[Literal["random", "everything"]] = Field(
        ["random", "everything"], description="arms that nobody made; leave one out only where it costs too much"
    )
    sizes: Literal["own", "smallest", "refuse"] = Field(
        "own", description="arms of other sizes: a random arm for each size, as many rows from each, or an error"
    )
    leaks: Literal["exclude", "refuse"] = Field(
        "exclude", description="rows that show a test image: left out, or an error"
    )
    few: int = Field(20, ge=1, description="classes with fewer rows than this are counted (stats)")
    seed: int = Field(
        0, ge=0, description="of the random arms, the trainings (one after another from here) and the intervals"
    )

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if "transfer" in self.axes and not self.transfer:
            raise BadInput("the axis transfer of curation needs other pools; name them with --transfer")
        for name in self.training:
            if name in SET_HERE:
                raise BadInput(
                    f"training of curation must not hold '{name}', which is one for all arms; give {SET_HERE[name]}"
                )
        return self

    def reads(self) -> list[str]:
        first = self.text if self.task == "pairs" else self.target
        return [first, *([self.embedding] if self.vectors else [])]

    @property
    def vectors(self) -> bool:
        """Whether it cannot do without the embedding column."""
        return self.task != "classify" or "knn" in self.axes

    def check(self, pool: View) -> None:
        if not self.recipes and not self.selections:
            raise BadInput(
                "curation has nothing to compare: give --recipes FILE,FILE or --selections NAME,NAME (see: veduta show POOL)"
            )
        name = self.operation()
        if self.task == "pairs":
            pool.require(self.text, needed_by=name, mend="name the column of the texts with --text")
        else:
            kind = pool.require(self.target, needed_by=name, mend="name the column of the classes with --target").type
            if pa.types.is_nested(kind) or pa.types.is_floating(kind) or pa.types.is_binary(kind):
                raise BadInput(
                    f"target of {name} must be a column of strings or integers, one class a row, but '{self.target}' holds {kind}"
                )
        if not self.recipes:  # which may make what is missing
            self.check_vectors(pool)

    def check_vectors(self, pool: View) -> None:
        """Raise unless the embedding column is there, where it is needed."""
        if not self.vectors:
            return
        kind = pool.require(self.embedding, needed_by=self.operation(), mend=EMBED).type
        if not pa.types.is_fixed_size_list(kind):
            raise BadInput(
                f"embedding of {self.operation()} must be a column of vectors, but '{self.embedding}' holds {kind}"
            )

    def judge(self, pool: View) -> Report:
        """Run the recipes, train, measure and lay out."""
        return self.watched(pool, progress.Silent())

    def watched(self, pool: View, on: progress.Progress) -> Report:
        """As `judge`, telling how far it is."""
        from veduta.judge.curation.report import report

        return self.marked(report(self, self.measure(pool, on), pool))

    def measure(self, pool: View, on: progress.Progress | None = None) -> Judged:
        """Run the recipes, train and measure. Raises NothingToDo without test rows, or where no arm keeps anything."""
        from veduta.judge.curation.measure import measure

        return measure(self, pool, on or progress.Silent())
