"""A classification set: classes that are large enough, and equally many rows of each."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from veduta.engine.operation import Field, Selector
from veduta.errors import BadInput
from veduta.pool import Pool, Selection
from veduta.select.columns import keys
from veduta.select.sample import draw


class ClassSet(Selector):
    """Make a classification set: leave out small classes, and take equally many rows of each of the others.

    As LGS-117 (10,000 rows of every class that has them) and LGS-710 (all rows) were made (Bai et al. 2024, arXiv 2401.04575,
    section 4.2). Classes with fewer than `min_per_class` readable rows are left out; of the others at most `per_class` rows
    are drawn, or with `balanced` as many as the smallest of them has. A row's lot is a hash of seed and key, as in `sample`.
    Fewer than two classes make no classification set. Cost: a hash for each row.
    """

    by: str = Field("label", description="column of classes")
    min_per_class: int = Field(20, ge=1, description="rows that a class must have")
    per_class: int | None = Field(None, ge=1, description="rows to take of each class at most; by default all")
    balanced: bool = Field(True, description="equally many rows of each class")
    seed: int = Field(0, ge=0, description="another seed, another draw")

    def reads(self) -> list[str]:
        return [self.by]

    def check(self, pool: Pool) -> None:
        kind = pool.require(self.by, needed_by=self.operation()).type
        if pa.types.is_nested(kind) or pa.types.is_floating(kind) or pa.types.is_binary(kind):
            raise BadInput(
                f"by of {self.operation()} must be a column of one class a row, and '{self.by}' holds {kind}"
            )

    def select(self, pool: Pool) -> Selection:
        table = pool.table([self.by, "error"])
        classes = [
            None if error else value for value, error in zip(*(c.to_pylist() for c in table.columns), strict=True)
        ]
        sound = np.array([error is None for error in table["error"].to_pylist()], bool)
        lots = draw(keys(pool).to_pylist(), self.seed)
        rows: dict[object, list[int]] = {}
        for row in np.argsort(lots, kind="stable").tolist():
            if classes[row] is not None:
                rows.setdefault(classes[row], []).append(row)
        large = {name: found for name, found in rows.items() if len(found) >= self.min_per_class}
        if len(large) < 2:
            sizes = ", ".join(
                f"{name!r} ({len(found):,})" for name, found in sorted(rows.items(), key=lambda i: -len(i[1]))[:3]
            )
            raise BadInput(
                f"{self.operation()} needs two classes or more in '{self.by}' with at least {self.min_per_class} rows, got "
                f"{len(large)} of {len(rows)} (the largest: {sizes or 'none'}); lower min_per_class or name another column"
            )
        smallest = min(map(len, large.values()))
        most = min(self.per_class or len(pool), smallest) if self.balanced else self.per_class or len(pool)
        keep = np.zeros(len(pool), bool)
        reasons: list[str | None] = ["no class" if ok else "cannot be decoded" for ok in sound]
        for name, found in rows.items():
            taken = found[:most] if name in large else []
            keep[taken] = True
            why = f"not drawn ({len(taken):,} of {len(found):,} drawn from {self.by} {name!r})" if taken else (
                f"{self.by} {name!r} has {len(found):,} rows, fewer than {self.min_per_class}")  # fmt: skip
            for row in found:
                reasons[row] = None if keep[row] else why
        summary = {
            "classes": len(large),
            "left_out": len(rows) - len(large),
            "per_class": most if self.balanced else None,
        }
        return Selection.of(self.operation(), keep, reasons, summary=summary)
