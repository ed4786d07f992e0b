"""What a person decided about images, as columns."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import pyarrow as pa

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
        keys = whole.table(["key"]).column(0).to_pylist()
        place = {key: row for row, key in enumerate(keys) if key in self.decisions}
        unknown = [key for key in self.decisions if key not in place]
        if unknown:
            raise BadInput(f"the pool has no image '{unknown[0]}', so that nothing can be decided about it")
        decided = _column(whole, column_of(self.kind), len(keys))
        values: dict[str, Any] = {column_of(self.kind): decided}
        if self.kind == "label-issues":
            labels, before = _column(whole, "label", len(keys)), _column(whole, "label_before_review", len(keys))
            suggested = _column(whole, "label_suggested", len(keys))
            values |= {"label_before_review": before, "label": labels}
            for key, row in place.items():
                changed = decided[row] in ("accepted", "relabelled")
                original = before[row] if changed else labels[row]
                labels[row] = self._label(key, original, suggested[row])
                writes = self.decisions[key] == "accept" or self.decisions[key].startswith(RELABEL)
                before[row] = original if writes else None
        for key, row in place.items():
            decision = self.decisions[key]
            decided[row] = "relabelled" if decision.startswith(RELABEL) else WORDS[decision]
        arrays = {name: pa.array(list(column), pa.string()) for name, column in values.items()}
        return pa.table({"_row": pa.array(np.arange(len(keys))), **arrays})

    def _label(self, key: str, original: str | None, suggested: str | None) -> str | None:
        """The label of an image by the decision on it. original: what it was before any review."""
        decision = self.decisions[key]
        if decision == "accept" and suggested is None:
            raise BadInput(f"no label is suggested for '{key}'; decide relabel:NAME instead")
        if decision.startswith(RELABEL):
            return decision.removeprefix(RELABEL).strip()
        return suggested if decision == "accept" else original


def _column(pool: View, name: str, rows: int) -> np.ndarray:
    """A text column as objects, None throughout where the pool has none."""
    if name not in pool.schema.names:
        return np.full(rows, None, dtype=object)
    return np.array([*pool.table([name]).column(0).to_pylist(), None], dtype=object)[:-1]
