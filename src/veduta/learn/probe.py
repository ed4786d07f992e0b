"""Train a linear classifier on frozen features."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from veduta.engine import progress
from veduta.engine.operation import Field
from veduta.learn.operation import Learn
from veduta.pool import Pool, View

if TYPE_CHECKING:
    from veduta.learn.folder import RunFolder


class Probe(Learn):
    """Train a linear classifier on what a frozen encoder sees: seconds, and often all that a few labels can carry.

    Reads the column `embedding` where the encoder has filled it, else embeds the rows for this run. The vectors are of unit
    norm; the loss is softmax cross-entropy with an L2 penalty (or the squared hinge, one class against the rest), its
    weight C chosen by cross-validation on the training rows; the accuracy is that on held-out rows, which choose nothing.
    The run is a classifier (`annotate predict`), and an encoder that gives the vectors of its base. Memory: the
    vectors.
    """

    target: str = Field("label", description="column with the class of each row")
    encoder: str | None = Field(
        None, description="encoder by name; by default the one that filled the embedding column, else offline"
    )
    embedding: str = Field("embedding", description="vector column")
    classifier: Literal["logistic", "linear-svm"] = Field("logistic", description="what is fitted")
    C: float | None = Field(None, gt=0, description="weight of the loss; by default chosen on the training rows")
    validation: float = Field(
        0.1, ge=0, lt=1, description="share of rows held out for validation where the column split names none"
    )
    seed: int = Field(0, ge=0, description="of the split and the folds")

    def reads(self) -> list[str]:
        return [self.target, "split", *([] if self.encoder else [self.embedding])]

    def check(self, pool: View) -> None:
        pool.require(self.target, needed_by="learn probe", mend="name the column of labels with --target")
        if self.encoder is None and self.embedding in pool.schema.names:
            from veduta.learn.columns import base_of

            base_of(pool, self.embedding, "learn probe")

    def fill(
        self, folder: RunFolder, pool: Pool, where: str | None, selection: str | None, on: progress.Progress
    ) -> None:
        from veduta.learn.probe_fit import fill

        fill(self, folder, pool, where, selection, on)
