"""A sample of images for a person to look at, spread over how sure the detectors were."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from veduta.engine.operation import Field, Selector
from veduta.errors import BadInput, NothingToDo
from veduta.pool import Pool, Selection, View, withdrawn
from veduta.select.columns import keys, numbers
from veduta.select.sample import balanced, draw

KEPT, FLAGGED = "nobody found", "found"
CUTS = {KEPT: (0.5, 0.75, 0.9, 0.97), FLAGGED: (0.25, 0.6)}
"""Where each side is cut into strata, in shares of its rows from the lowest score to the highest."""


class PeopleSample(Selector):
    """Draw images to check for people by eye: of those with nobody found and of those flagged, at every height of the score.

    Rows without a flag and flagged rows are cut by `person_score` into five and three strata, finer where the detectors were
    least sure, and equally many are drawn from each; so missed people, who are rare, are looked for where they are likely.
    The draw is by a hash of seed and key: the same rows give the same sample. Adds, beside the selection, `people_stratum`:
    string, the stratum of every row that could have been drawn. The verdicts go into the review of people (`veduta view`, or
    `annotate review`) or into the sheet of `judge people-audit`, which weighs each by its stratum. Undecodable and withdrawn
    rows, and those without a verdict of the detectors, are not drawn. Cost: one sort.
    """

    count: int = Field(500, ge=2, description="images to draw")
    where: str | None = Field(None, description="SQL: draw from these rows only, a selection's say: select_human_free")
    seed: int = Field(0, ge=0, description="another seed, another draw")

    def reads(self) -> list[str]:
        return ["has_person", "person_score"]

    def check(self, pool: View) -> None:
        for column, good in (("has_person", pa.types.is_boolean), ("person_score", pa.types.is_floating)):
            kind = pool.require(column, needed_by=self.operation(), mend="make it: veduta annotate people POOL").type
            if not good(kind):
                raise BadInput(
                    f"people-sample needs the column '{column}' of annotate people, and this one holds {kind}"
                )
        if self.where:
            pool.where(self.where)

    def select(self, pool: Pool) -> Selection:
        self.check(pool)
        able = f"{withdrawn.sound(pool)} and has_person is not null and person_score is not null"
        rows = pool.rows(f"({able}) and ({self.where})" if self.where else able)
        if not len(rows):
            raise NothingToDo(
                f"people-sample: no row of {pool.path} could be drawn; run annotate people first, or widen where"
            )
        found = np.array(pool.take(rows, ["has_person"]).column(0).to_pylist(), bool)
        scores, lots = numbers(pool, "person_score")[rows], draw(keys(pool).take(pa.array(rows)).to_pylist(), self.seed)
        names, strata = stratified(found, scores, lots)
        sizes = np.bincount(strata, minlength=len(names))
        share = balanced(sizes, min(self.count, len(rows)))
        order = np.lexsort((lots, strata))
        place = np.empty(len(rows), np.int64)
        place[order] = np.arange(len(rows)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        keep = np.zeros(len(pool), bool)
        keep[rows] = place < share[strata]
        stratum: list[str | None] = [None] * len(pool)
        reasons: list[str | None] = ["could not be drawn"] * len(pool)
        for row, code in zip(rows.tolist(), strata.tolist(), strict=True):
            stratum[row], reasons[row] = names[code], None if keep[row] else "not drawn"
        summary = {
            "strata": [
                {"stratum": name, "rows": int(size), "drawn": int(drawn)}
                for name, size, drawn in zip(names, sizes, share, strict=True)
            ]
        }
        columns = {"people_stratum": pa.array(stratum, pa.string())}
        return Selection.of(self.operation(), keep, reasons, columns=columns, summary=summary)


def stratified(
    found: NDArray[np.bool_], scores: NDArray[np.float64], lots: NDArray[np.uint64]
) -> tuple[list[str], NDArray[np.int64]]:
    """Names of the strata and the stratum (n,) of each row; equal scores are told apart by lot.

    Strata that would be empty, where a side has few rows, are left away.
    """
    names: list[str] = []
    strata = np.zeros(len(found), np.int64)
    for side, mask in ((KEPT, ~found), (FLAGGED, found)):
        own = np.flatnonzero(mask)
        own = own[np.lexsort((lots[own], scores[own]))]
        edges = sorted({0, *(round(cut * len(own)) for cut in CUTS[side]), len(own)})
        for number, (start, end) in enumerate(pairwise(edges), 1):
            strata[own[start:end]] = len(names)
            names.append(f"{side}, {number} of {len(edges) - 1}")
    return names, strata
