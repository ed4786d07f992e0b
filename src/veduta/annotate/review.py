"""What a person decided about images, as columns."""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from veduta.engine.operation import Field, TableAnnotator
from veduta.errors import BadInput
from veduta.pool import View

Kind = Literal["label-issues", "duplicates", "outliers", "people", "generated"]
WORDS = {"accept": "accepted", "dismiss": "dismissed", "keep": "kept", "leave-out": "left out", "open": None}
RELABEL = "relabel:"


def column_of(kind: str) -> str:
    """The column in which the decisions on a kind are kept."""
    return f"review_{kind.replace('-', '_')}"


class Review(TableAnnotator):
    """Write down what a person decided about images: labels put right, duplicates kept, flags dismissed.

    Adds `review_<kind>`: string, `accepted`, `relabelled`, `dismissed`, `kept` or `left out`, null where nothing is decided.
    On label issues `accept` writes the suggested label into `label` and `relabel:NAME` writes NAME; `label_before_review`:
    string, what stood there before, null where no review wrote a label. Earlier decisions stay unless they are decided again; `open`
    takes one back, the label with it. `select reviewed` applies the others.
    """

    given: ClassVar[bool] = True
    kind: Kind = Field(description="what is decided about")
    decisions: dict[str, str] = Field(
        min_length=1, description="key to decision: accept, dismiss, keep, leave-out, open or relabel:NAME"
    )

    def adds(self) -> pa.Schema:
        own = [pa.field(column_of(self.kind), pa.string())]
        if self.kind == "label-issues":
            own += [pa.field("label_before_review", pa.string()), pa.field("label", pa.string())]
        return pa.schema(own)

    def amends(self) -> list[str]:
        return self.adds().names

    def reads(self) -> list[str]:
        return ["label_suggested"] if "accept" in self.decisions.values() and self.kind == "label-issues" else []

    def check(self, pool: View) -> None:
        for key, decision in self.decisions.items():
            name = decision.removeprefix(RELABEL).strip() if decision.startswith(RELABEL) else ""
            relabel = bool(name) and self.kind == "label-issues"
            if decision not in WORDS and not relabel:
                raise BadInput(
                    f"the decision on '{key}' must be one of {', '.join(WORDS)}"
                    + (", relabel:NAME" if self.kind == "label-issues" else "")
                    + f", got '{decision}'"
                )
        if self.kind == "label-issues" and "accept" in self.decisions.values():
            pool.require(
                "label_suggested", needed_by="accepting a suggestion", mend="make it: veduta annotate label-issues"
            )

    def compute(self, pool: View) -> pa.Table:
        self.check(pool)
        whole = View(pool.dataset)
        keys, found = list(self.decisions), whole.table(["key"]).column(0).combine_chunks()
        asked = np.asarray(pc.index_in(found, value_set=pa.array(keys, found.type)).fill_null(-1))
        rows = np.flatnonzero(asked >= 0)
        order = asked[rows]
        if len(rows) < len(keys):
            unknown = keys[min(set(range(len(keys))) - set(order.tolist()))]
            raise BadInput(f"the pool has no image '{unknown}', so that nothing can be decided about it")
        columns = {name: _column(whole, name, len(found)) for name in self.adds().names}
        decided = [self.decisions[keys[i]] for i in order]
        words = ["relabelled" if decision.startswith(RELABEL) else WORDS[decision] for decision in decided]
        values: dict[str, list[str | None]] = {column_of(self.kind): words}
        if self.kind == "label-issues":
            suggested = _column(whole, "label_suggested", len(found)).take(rows).to_pylist()
            earlier, label, before = (
                column.take(rows).to_pylist()
                for column in map(columns.get, (column_of(self.kind), "label", "label_before_review"))
            )
            original = [b if e in ("accepted", "relabelled") else now for e, now, b in zip(earlier, label, before)]
            values["label"] = [self._label(keys[i], o, s) for i, o, s in zip(order, original, suggested)]
            values["label_before_review"] = [
                o if decision == "accept" or decision.startswith(RELABEL) else None
                for o, decision in zip(original, decided)
            ]
        arrays = {name: _amended(column, rows, values[name]) for name, column in columns.items()}
        return pa.table({"_row": pa.array(np.arange(len(found))), **arrays})

    def _label(self, key: str, original: str | None, suggested: str | None) -> str | None:
        """The label of an image by the decision on it. original: what it was before any review."""
        decision = self.decisions[key]
        if decision == "accept" and suggested is None:
            raise BadInput(f"no label is suggested for '{key}'; decide relabel:NAME instead")
        if decision.startswith(RELABEL):
            return decision.removeprefix(RELABEL).strip()
        return suggested if decision == "accept" else original


def _column(pool: View, name: str, rows: int) -> pa.Array:
    """A text column, null throughout where the pool has none."""
    if name not in pool.schema.names:
        return pa.nulls(rows, pa.string())
    column = pool.table([name]).column(0).combine_chunks()
    return column.cast(pa.string())


def _amended(column: pa.Array, rows: np.ndarray, values: list[str | None]) -> pa.Array:
    """The column with other values in some rows: of a million, none becomes a Python object for a few decisions."""
    index = np.arange(len(column))
    index[rows] = len(column) + np.arange(len(rows))
    return pa.concat_arrays([column, pa.array(values, pa.string())]).take(pa.array(index))
