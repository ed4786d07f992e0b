"""The best rows by a number."""

from __future__ import annotations

from typing import Self

import numpy as np
import pyarrow as pa
from pydantic import model_validator

from veduta.engine.operation import Field, Selector
from veduta.errors import BadInput, NothingToDo
from veduta.pool import Pool, Selection
from veduta.select.amount import rows_to_keep
from veduta.select.columns import numbers, place, preferred, sentence, written


class Top(Selector):
    """Keep the rows that are highest (or lowest) in a numeric column, a fraction or a count of them.

    The fraction is of the rows that have a value. Ties are broken by key; rows without a value (null or NaN) are left
    out. Cost: one sort.
    """

    column: str = Field(description="numeric column to rank by", min_length=1)
    keep: float | None = Field(None, gt=0, le=1, description="fraction of the rows with a value to keep")
    count: int | None = Field(None, ge=1, description="number of rows to keep")
    lowest: bool = Field(False, description="keep the lowest values instead of the highest")

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.keep is None) == (self.count is None):
            raise ValueError("give either keep (a fraction) or count (a number of rows)")
        return self

    def reads(self) -> list[str]:
        return [self.column]

    def check(self, pool: Pool) -> None:
        kind = pool.require(self.column, needed_by=self.operation()).type
        if not (pa.types.is_integer(kind) or pa.types.is_floating(kind)):
            raise BadInput(f"top needs a numeric column, and '{self.column}' holds {kind}; name a column of numbers")

    def select(self, pool: Pool) -> Selection:
        values = numbers(pool, self.column)
        has = ~np.isnan(values)
        if not has.any():
            raise NothingToDo(f"top: no row has a value in '{self.column}'")
        by_key = preferred(pool)
        by_key = by_key[has[by_key]]
        sign = 1 if self.lowest else -1
        order = by_key[np.argsort(sign * values[by_key], kind="stable")]
        total = rows_to_keep(self.operation(), len(order), self.keep, self.count)
        keep = np.zeros(len(pool), dtype=bool)
        keep[order[:total]] = True

        cut = float(values[order[total - 1]])
        out = order[total:]
        share = f"{self.keep * 100:g} %" if self.keep is not None else f"{total}"
        end = "bottom" if self.lowest else "top"
        sign_word = ">" if self.lowest else "<"
        words = sentence(
            f"outside the {end} {share} by {self.column} (", written(values[out], "%.4g"), f" {sign_word} {cut:.4g})"
        )
        ties = values[out] == cut
        tied = sentence(f"outside the {end} {share} by {self.column} (", written(values[out], "%.4g"), ", a tie)")
        words = pa.array(np.where(ties, tied, words), pa.string()) if ties.any() else words
        none = np.flatnonzero(~has)
        reasons = place(
            len(pool),
            np.concatenate([out, none]),
            pa.concat_arrays([words, pa.array([f"no value in {self.column}"] * len(none), pa.string())]),
        )
        return Selection.of(
            self.operation(), keep, reasons, summary={"kept": total, "cut": cut, "without_value": len(none)}
        )
