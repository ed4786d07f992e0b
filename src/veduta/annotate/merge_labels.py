"""Labels of one meaning under several names, made one."""

from __future__ import annotations

from typing import Literal

import pyarrow as pa

from veduta.annotate.label_texts import Reviewing, check_texts, embedder, labels_of, noted, number, placed
from veduta.annotate.text_space import with_text
from veduta.engine.operation import Field, TableAnnotator
from veduta.pool import View
from veduta.pool.label_review import carried
from veduta.pool.label_similar import counted, merged, similar_labels


class MergeLabels(TableAnnotator):
    """Merge labels that mean the same, by the similarity of their nouns, with a table of all merges to review.

    Bai et al. 2024 ("Let's Go Shopping", arXiv 2401.04575), section 3.3: fillers ("other") dropped, labels split at commas and
    "and", every noun embedded; the similarity of two labels is the highest cosine of their nouns; labels above the threshold
    are one (union-find), called by the commonest. Different from the paper: plurals become singular first, and labels that a
    person split, or that stand in `deny`, are never one group, whatever third label is like both.
    Adds `column`: string. Labels are strings; of lists the last counts. Rows without a label get null.

    Review: --table merges.csv writes every pair down to 0.1 below the threshold, most similar first; write accept or split
    into its column `decision`, and give it back as --review merges.csv. Marked `ambiguous` are merges that only a part of a
    label speaks for ("Rings" and "Rings and key rings"). The paper's 0.92 belongs to its own encoder: threshold "review"
    takes the lowest that has `precision` on the decided pairs. The one used is kept in the column's metadata
    (`veduta:threshold`). Cost: an embedding of every distinct noun, and all their pairs.
    """

    target: str = Field("leaf", description="column of labels")
    encoder: str = Field("offline", description="encoder whose texts are compared")
    threshold: float | Literal["review"] = Field(0.92, description="cosine from which two labels are one, or review")
    precision: float = Field(0.95, gt=0, le=1, description="what a threshold from the review must reach on it")
    deny: list[str] = Field([], description="labels that are merged with nothing, or pairs 'A = B' that never are one")
    column: str = Field("merged_label", pattern=r"^[A-Za-z_]\w*$", description="name of the new column")
    table: str | None = Field(None, description="CSV file to write the proposals to")
    review: str | None = Field(None, description="CSV file with decisions, which hold")

    def reads(self) -> list[str]:
        return [self.target]

    @property
    def _files(self) -> Reviewing:
        return Reviewing(self.operation(), self.table, self.review)

    def fingerprint(self) -> str:
        return self._files.fingerprint()

    def check(self, pool: View) -> None:
        check_texts(pool, self.target, self.operation(), "make it with: veduta annotate taxonomy POOL")
        with_text(self.encoder, self.operation())
        self._files.check()
        self._files.threshold(self.threshold, self.precision)

    def adds(self) -> pa.Schema:
        return noted(
            pa.schema([pa.field(self.column, pa.string())]), self._files.threshold(self.threshold, self.precision)
        )

    def compute(self, pool: View) -> pa.Table:
        self.check(pool)
        threshold = number(self._files.threshold(self.threshold, self.precision))
        labels = labels_of(pool, self.target)
        counts = counted(labels)
        pairs = carried(
            similar_labels(counts, embedder(self.encoder, self.operation()), threshold), self._files.given()
        )
        self._files.write(pairs)
        denied = [tuple(part.strip() for part in entry.split(" = ", 1)) for entry in self.deny]
        names = merged(
            counts, pairs, threshold,
            deny=[(pair[0], pair[1]) for pair in denied if len(pair) == 2], alone={pair[0] for pair in denied if len(pair) == 1},
        )  # fmt: skip
        return placed(pool, {self.column: [names.get(label) if label else None for label in labels]}, self.adds())
