"""Free labels as classes of a known vocabulary."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import pyarrow as pa

from veduta.annotate.label_texts import (
    Reviewing,
    check_texts,
    contexts_of,
    embedder,
    kept_embedder,
    labels_of,
    noted,
    nouns,
    number,
    placed,
)  # fmt: skip
from veduta.annotate.text_space import with_text
from veduta.encode.vocabulary import imagenet_tree
from veduta.engine.operation import Field, TableAnnotator
from veduta.errors import BadInput, SourceError
from veduta.pool import View
from veduta.pool.class_tree import ClassTree, from_table
from veduta.pool.label_review import carried, decide
from veduta.pool.label_similar import counted, similar_targets


class MapLabels(TableAnnotator):
    """Map free labels onto the classes of a known vocabulary, such as ImageNet's, with a table of the map to review.

    Bai et al. 2024 ("Let's Go Shopping", arXiv 2401.04575), section 4.1: nouns made singular; the class with the highest
    cosine between any noun and any of its names, if at least the threshold; words with several meanings checked by hand.
    Here they are found: where a noun has several meanings (crane, mouse), or one that is not the class's, the row is
    `ambiguous` and maps to nothing until a person has decided. Classes are told by their id (WordNet's for ImageNet), never
    by name: two are called crane. With `context`, the proposal is the meaning whose gloss is nearest to those words.
    Adds `column`: string, the class's id or null; `<column>_name`: string; `<column>_score`: float32, the cosine of the
    nearest class, also where that is too low; `<column>_how`: string, in words.

    Review: --table map.csv writes a row a label; write accept, split (no class) or the id of another class into `decision`
    and give it back as --review map.csv. threshold "review" takes the lowest that has `precision` on the decided rows; the
    one used is kept in the column's metadata (`veduta:threshold`). Cost: an embedding of every distinct noun; the names of
    the vocabulary are embedded once a machine.
    """

    target: str = Field("merged_label", description="column of labels")
    vocabulary: str = Field(
        "imagenet", description="imagenet, or a CSV or JSON file of classes (class, parent and, in CSV, name)"
    )
    encoder: str = Field("offline", description="encoder whose texts are compared")
    threshold: float | Literal["review"] = Field(0.90, description="cosine from which a label is a class, or review")
    precision: float = Field(0.95, gt=0, le=1, description="what a threshold from the review must reach on it")
    context: str | None = Field(None, description="column of words that tell meanings apart, such as category_path")
    wordnet: str | None = Field(
        None,
        description="WordNet's dict folder, for all meanings; by default the picturable ones of ImageNet-21k, which come along",
    )
    column: str = Field("synset", pattern=r"^[A-Za-z_]\w*$", description="name of the new column; others begin with it")
    table: str | None = Field(None, description="CSV file to write the proposals to")
    review: str | None = Field(None, description="CSV file with decisions, which hold")

    def reads(self) -> list[str]:
        return [self.target, *([self.context] if self.context else [])]

    @property
    def _files(self) -> Reviewing:
        return Reviewing(self.operation(), self.table, self.review)

    def fingerprint(self) -> str:
        return self._files.fingerprint()

    def _targets(self) -> ClassTree:
        if self.vocabulary == "imagenet":
            return imagenet_tree()
        if not Path(self.vocabulary).is_file():
            raise SourceError(
                f"vocabulary of {self.operation()} must be imagenet or a file of classes, and {self.vocabulary} is none"
            )
        return from_table(self.vocabulary)

    def check(self, pool: View) -> None:
        for column in self.reads():
            check_texts(pool, column, self.operation(), "make it with: veduta annotate merge-labels POOL")
        with_text(self.encoder, self.operation())
        self._files.check()
        self._files.threshold(self.threshold, self.precision)
        targets, review = self._targets(), self._files.given()
        if review is not None:
            final = {row["given"]: row["mapped"] for row in decide(review, 2.0).to_pylist() if row["mapped"]}
            wrong = next((item for item in final.items() if item[1] not in targets), None)
            if wrong:
                raise BadInput(
                    f"{self.review} sends '{wrong[0]}' to '{wrong[1]}', which is not a class of {self.vocabulary}; "
                    "write accept, split or a class's id into decision"
                )

    def adds(self) -> pa.Schema:
        fields = [
            pa.field(self.column, pa.string()), pa.field(f"{self.column}_name", pa.string()),
            pa.field(f"{self.column}_score", pa.float32()), pa.field(f"{self.column}_how", pa.string()),
        ]  # fmt: skip
        return noted(pa.schema(fields), self._files.threshold(self.threshold, self.precision))

    def compute(self, pool: View) -> pa.Table:
        self.check(pool)
        labels = labels_of(pool, self.target)
        targets, proposals = self._targets(), self.propose(pool, labels)
        self._files.write(proposals)
        threshold = number(self._files.threshold(self.threshold, self.precision))
        final = {row["given"]: row for row in decide(proposals, threshold).to_pylist()}
        rows = [final.get(label) if label else None for label in labels]
        ids = [row["mapped"] if row else None for row in rows]
        columns = {
            self.column: ids, f"{self.column}_name": [targets.name(node) if node else None for node in ids],
            f"{self.column}_score": [row["score"] if row else None for row in rows],
            f"{self.column}_how": [_how(row) if row else None for row in rows],
        }  # fmt: skip
        return placed(pool, columns, self.adds())

    def propose(self, pool: View, labels: list[str | None]) -> pa.Table:
        """The map for review, with the decisions that there are."""
        threshold = number(self._files.threshold(self.threshold, self.precision))
        made = similar_targets(
            counted(labels), self._targets(), embedder(self.encoder, self.operation()), threshold,
            lexicon=nouns(self.wordnet), contexts=contexts_of(pool, labels, self.context) if self.context else None,
            embed_names=kept_embedder(self.encoder, self.operation()),
        )  # fmt: skip
        return carried(made, self._files.given())


def _how(row: dict) -> str:
    if row["decision"]:
        return "reviewed"
    return f"to be reviewed: {row['how']}" if row["ambiguous"] else row["how"]
