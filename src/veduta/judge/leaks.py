"""How much a test set is worth: its images that lie in the training data too."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from veduta.engine.operation import Field
from veduta.errors import BadInput, NothingToDo
from veduta.judge.leaked import Leaked, Pair
from veduta.judge.operation import Judge
from veduta.pool import Pool, withdrawn
from veduta.select.contradictions import texts, weight
from veduta.select.deduplicate import Deduplicate

if TYPE_CHECKING:
    from veduta.judge.report import Report


class Leaks(Judge):
    """Measure how much of a test set lies in the training data too, as equal files or near copies.

    Copies are found as `deduplicate` finds them: vectors and hashes say which pairs to look at, the pixels decide. Without
    an embedding column only equal files are found, which the report says. The share of each evaluation split that leaks
    is told with its 95 % interval (Wilson 1927), with the pairs pictured, those with contradicting labels first, and with
    commands for a selection without leaks. Withdrawn rows, and those that their source no longer offers, are on neither side.
    Cost: that of `deduplicate`; nothing is written to the pool.
    """

    split: str = Field("split", description="column of splits")
    evaluation: list[str] = Field(
        [],
        description="values of it that are evaluated on; default: all that are called test, val, dev, holdout or alike",
    )
    label: str = Field("label", description="column of labels that copies should agree in")
    embedding: str = Field("embedding", description="column of vectors; equal files are found without")
    threshold: float | None = Field(
        None, gt=0, le=1, description="cosine from which on pairs are looked at; default: fitted"
    )
    transforms: Literal["none", "mirror", "all"] = Field(
        "none", description="copies that were mirrored left to right, or also turned (all), count too"
    )

    def reads(self) -> list[str]:
        return [self.split]

    def judge(self, pool: Pool) -> Report:
        """Measure and lay out."""
        from veduta.judge.leaks_report import report

        found, remarks = self.measure(pool)
        return report(pool, found, remarks, self.parameters())

    def measure(self, pool: Pool) -> tuple[list[Leaked], list[str]]:
        """Each evaluation split, and what the reader must know. NothingToDo where one of the two sides has no rows."""
        self.check(pool)
        splits, labels = texts(pool, self.split), texts(pool, self.label)
        for row in np.concatenate([withdrawn.gone(pool), withdrawn.rows(pool)]).tolist():
            splits[row] = None  # on neither side: nobody trains on it or is judged by it any more
        names = sorted({name for name in splits if name is not None})
        unknown = sorted(set(self.evaluation) - set(names))
        if unknown:
            raise BadInput(f"leaks: no row has {self.split} = '{unknown[0]}'; there are: {', '.join(names) or 'none'}")
        asked = self.evaluation or [name for name in names if weight(name) < 2]
        trained = [name for name in names if name not in asked]
        if not asked or not trained:
            raise NothingToDo(
                f"leaks needs rows to train on and rows to evaluate on; the values of '{self.split}' are: "
                f"{', '.join(names) or 'none'}; name those that are evaluated on with --evaluation"
            )
        group, similarity, remarks = self._groups(pool)
        digests = pool.table(["digest"]).column(0).to_pylist()
        train: dict[int, list[int]] = {}
        for row, split in enumerate(splits):
            if split in trained:
                train.setdefault(int(group[row]), []).append(row)
        out = []
        for name in sorted(asked, key=lambda name: (weight(name), name)):
            rows = [row for row, split in enumerate(splits) if split == name]
            found = Leaked(name, len(rows), inside=len(rows) - len({int(group[row]) for row in rows}))
            for row in rows:
                copies = train.get(int(group[row]))
                if not copies:
                    continue
                same = [copy for copy in copies if digests[row] and digests[copy] == digests[row]]
                other = [copy for copy in copies if labels[copy] and labels[row] and labels[copy] != labels[row]]
                copy = (other or same or copies)[0]
                alike = similarity[copy] if group[copy] == row else np.nan
                found.exact += bool(same)
                found.near += not same
                found.contradicting += bool(other)
                found.pairs.append(Pair(row, copy, copy in same, None if np.isnan(alike) else float(alike)))
            found.pairs.sort(key=lambda pair: (labels[pair.row] == labels[pair.copy], not pair.exact, pair.row))
            out.append(found)
        return out, remarks

    def _groups(self, pool: Pool) -> tuple[NDArray[np.int64], NDArray[np.float64], list[str]]:
        """The group of each row (the row that stands for it), its similarity to that row, and remarks."""
        n = len(pool)
        group, similarity, remarks = np.arange(n), np.full(n, np.nan), []
        if pool.has(self.embedding):
            same = ("embedding", "threshold", "transforms", "split", "label")
            finder = Deduplicate(**{name: getattr(self, name) for name in same})
            finder.check(pool)
            chosen = finder.select(pool)
            keys = pool.table(["key"]).column(0).to_pylist()
            place = {key: row for row, key in enumerate(keys)}
            of = chosen.columns["duplicate_of"].to_pylist()
            group = np.array([row if head is None else place[head] for row, head in enumerate(of)], np.int64)
            similarity = chosen.columns["duplicate_similarity"].cast(pa.float64()).to_numpy(zero_copy_only=False)
            remarks += chosen.summary["remarks"]
            left = chosen.summary["not_compared"] - len(np.union1d(withdrawn.gone(pool), withdrawn.rows(pool)))
            if left > 0:
                remarks.append(f"{left:,} rows have no vector or hash: only equal files were found for them")
        else:
            remarks.append(
                f"the pool has no column '{self.embedding}', so only equal files were found; run: veduta annotate embed POOL"
            )
        digests = pool.table(["digest"]).column(0).to_pylist()
        first: dict[str, int] = {}
        for row, digest in enumerate(digests):
            head = first.setdefault(digest, int(group[row])) if digest else int(group[row])
            if group[row] != head:
                group[group == group[row]] = head
        return group, similarity, remarks
