"""A selection as a person corrected it."""

from __future__ import annotations

import numpy as np

from veduta.engine.operation import Field, Selector
from veduta.errors import NothingToDo
from veduta.pool import Pool, Selection, View
from veduta.pool.selection import column_names

COLUMNS = tuple(f"review_{kind}" for kind in ("duplicates", "outliers", "people", "generated"))


class Reviewed(Selector):
    """Apply what was decided in review: leave out what was left out, keep what was kept, else as another selection says.

    Reads the columns `review_duplicates`, `review_outliers`, `review_people` and `review_generated`, as far as they are
    there. An image that one review left out stays out; what is kept is kept against the other selection's reason.
    """

    base: str = Field("proposed", description="the selection that holds for images nothing was decided about")

    def select(self, pool: Pool) -> Selection:
        present = [name for name in COLUMNS if name in pool.schema.names]
        if not present:
            raise NothingToDo(f"nothing was decided about {pool.path} yet; review it: veduta view {pool.path}")
        base = pool.selection(self.base)
        keep, reasons = base.keep.copy(), np.array([*base.reasons.to_pylist(), None], dtype=object)[:-1]
        usable = np.zeros(len(keep), bool)
        usable[pool.rows("error is null")] = True
        decided = {name: np.array(pool.table([name]).column(0).to_pylist(), dtype=object) for name in present}
        for values in decided.values():
            kept = (values == "kept") & usable
            keep[kept], reasons[kept] = True, None
        for name, values in decided.items():
            out = (values == "left out") | ((values == "accepted") & (name != "review_duplicates"))
            keep[out], reasons[out] = False, f"left out in the review of {name.removeprefix('review_')}"
        return Selection.of("reviewed", keep, list(reasons), summary={"base": self.base})

    def reads(self) -> list[str]:
        return [*column_names(self.base), *COLUMNS]

    def check(self, pool: View) -> None:
        for column in column_names(self.base):  # those of reviews need not be there
            pool.require(column, needed_by=self.operation(), mend="name a selection of this pool with --base")
