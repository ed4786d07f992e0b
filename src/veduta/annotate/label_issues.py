"""Labels that are probably wrong."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from veduta.annotate.classes import CLASSES, class_numbers, probable, said
from veduta.annotate.label_chance import chance
from veduta.annotate.leave_one_out import calibrated, ridge_leave_one_out
from veduta.annotate.vectors import column_vectors, normalised, sound
from veduta.engine.operation import Field, TableAnnotator, with_notes
from veduta.errors import BadInput, MissingPackage, NothingToDo
from veduta.pool import View

EXAMPLES = 5
MOST = 0.5
"""Share of flagged labels above which none is: 15 % of Tiny-ImageNet's are flagged and 47 % with 40 % of them shuffled, but
70 to 82 % where shards or bursts of dates stand for classes, which are told a little by chance of what they show."""


class LabelIssues(TableAnnotator):
    """Find labels that are probably wrong, and suggest the label that fits better.

    Adds `label_quality`: float32 in [0, 1], the probability of the given label, 1 = surely right; `label_issue`: bool,
    among the least probable of as many as confident learning counts (Northcutt et al. 2021, arXiv 1911.00068, by cleanlab);
    `label_suggested`: string, the likeliest other label where `label_issue` is true, else null; `label_check`: string,
    "checked", "near chance", "hardly learned" or "few images", null without a label.

    Labels that the model cannot tell better than by guessing (see `label_chance`) mean nothing to it: dates, shards,
    photographers. None of them is flagged then: `label_check` is "near chance", the other columns null, and the run says so. Where
    more than half of the labels would be flagged the check says more about the match of labels and pictures than about
    single labels: "hardly learned", nothing is flagged, and `label_quality` still orders them.

    The probabilities are out of sample: a linear classifier on the embedding (see `leave_one_out`), or a model's own
    `probabilities`, calibrated by one temperature on the given labels (of rows that this model was not trained on: it
    believes the labels that it has learned); imported ones (`annotate import --scores`) are taken as they are. The latter
    serve where classes are too many or too small to learn from this pool. Rows without a label, of a class with fewer than `minimum` rows ("few images", only without
    `probabilities`) or whose label is not a class of the model get null.
    The issues are a list to look at, best first by `label_quality`, not one to delete: with `offline`, which tells 77 % of
    CIFAR-10 right, 43 % of them are wrong labels when 5 % of all labels are, and 8 % of a clean pool is on it.
    Memory: 8 bytes x rows x classes, and 26 MB for 1,280 dimensions. Three passes over the embedding.
    """

    label: str = Field("label", description="column with the given labels")
    embedding: str = Field("embedding", description="embedding column that the probabilities are learned from")
    probabilities: str | None = Field(
        None,
        description="column of a model's class probabilities or logits to use instead: posterior, predicted_logits",
    )
    minimum: int = Field(5, ge=2, description="rows that a class must have to be learned from")

    def reads(self) -> list[str]:
        return [self.label, self.probabilities or self.embedding]

    def adds(self) -> pa.Schema:
        return pa.schema(
            [
                pa.field("label_issue", pa.bool_()),
                pa.field("label_quality", pa.float32()),
                pa.field("label_suggested", pa.string()),
                pa.field("label_check", pa.string()),
            ]
        )

    def check(self, pool: View) -> None:
        super().check(pool)
        if not pool.has(self.label):
            raise NothingToDo(
                f"no image has a value in the column '{self.label}', so there are no labels to check; "
                "ingest with labels (class folders, metadata.csv) or name another column with --label"
            )

    def compute(self, pool: View) -> pa.Table:
        self.check(pool)
        rows, names, labels, scores = self._given(pool) if self.probabilities else self._learned(pool)
        found = chance(scores, labels)
        others, few = self._unchecked(pool, rows)
        notes = [few] if few else []
        count = len(labels)
        state, issue, suggested = "near chance", pa.nulls(count, pa.bool_()), [None] * count
        quality: pa.Array = pa.nulls(count, pa.float32())
        figures = f"{found.accuracy:.1%} right against {found.guess:.1%} by guessing"
        question = f"are the {len(names):,} values of '{self.label}' really classes of what is seen?"
        if found.by_chance:
            notes.insert(0, f"labels are near chance ({figures}): no label issues flagged; {question}")
        else:
            probabilities = scores.copy() if self._stated(pool) else calibrated(scores, labels)
            given = np.arange(count), labels
            quality = pa.array(probabilities[given], pa.float32())
            flags = confident_learning(labels, probabilities)
            state = "checked"
            if flags.mean() > MOST:
                state = "hardly learned"
                notes.insert(
                    0,
                    f"labels can hardly be told from the images ({figures}; {flags.mean():.1%} would be flagged): no label "
                    f"issues flagged; {question}",
                )
            else:
                probabilities[given] = -1
                best = probabilities.argmax(axis=1)
                suggested = [names[best[i]] if flags[i] else None for i in range(count)]
                issue = pa.array(flags)
                flagged = int(flags.sum())
                notes.insert(
                    0,
                    f"{flagged:,} of {count:,} checked labels {'is' if flagged == 1 else 'are'} probably wrong (label_issue)",
                )
        empty = len(others)
        table = pa.table(
            {
                "_row": pa.array(np.concatenate([rows, others]), pa.int64()),
                "label_issue": pa.concat_arrays([issue, pa.nulls(empty, pa.bool_())]),
                "label_quality": pa.concat_arrays([quality, pa.nulls(empty, pa.float32())]),
                "label_suggested": pa.array([*suggested, *[None] * empty], pa.string()),
                "label_check": pa.array([*[state] * count, *["few images"] * empty], pa.string()),
            }
        )
        return with_notes(table, notes)

    def _unchecked(self, pool: View, checked: NDArray[np.int64]) -> tuple[NDArray[np.int64], str]:
        """Rows whose class has too few images to be learned, and a sentence of the labels that were not checked.

        With `probabilities` nothing is learned, so the list is empty; labels outside the model's classes get null.
        """
        if self.probabilities:
            return np.empty(0, np.int64), self._foreign(pool)
        rows: list[NDArray[np.int64]] = []
        classes: set[str] = set()
        for positions, vectors, labels in self._batches(pool):
            open_ = np.array([label is not None for label in labels], bool) & sound(vectors)
            open_ &= ~np.isin(positions, checked)
            rows.append(positions[open_])
            classes.update(label for label, use in zip(labels, open_, strict=True) if use and label is not None)
        left = np.concatenate(rows) if rows else np.empty(0, np.int64)
        if not len(left):
            return left, ""
        return left, (
            f"labels of {len(left):,} images not checked: their {len(classes):,} classes have fewer than {self.minimum} "
            "images each (--minimum)"
        )

    def _foreign(self, pool: View) -> str:
        """A sentence of the labels that are not classes of the model; "" where all are."""
        names: list[str] = json.loads(pool.schema.field(self.probabilities or "").metadata[CLASSES])
        found: Counter[str] = Counter()
        for _, _, labels in self._batches(pool):
            known = class_numbers(labels, names) >= 0
            found.update(
                label for label, is_class in zip(labels, known, strict=True) if label is not None and not is_class
            )
        if not found:
            return ""
        shown = ", ".join(f"'{label}' ({rows:,})" for label, rows in found.most_common(EXAMPLES))
        more = f" and {len(found) - EXAMPLES:,} others" if len(found) > EXAMPLES else ""
        images = f"{found.total():,} image{'' if found.total() == 1 else 's'}"
        return f"labels of {images} not checked, as '{self.probabilities}' has no such class: {shown}{more}"

    def _learned(self, pool: View) -> tuple[NDArray[np.int64], list[str], NDArray[np.int64], NDArray[np.float32]]:
        """Rows, class names, given class numbers and leave-one-out scores."""
        counts: Counter[str] = Counter()
        for _, vectors, labels in self._batches(pool):
            fine = sound(vectors)
            counts.update(label for label, ok in zip(labels, fine, strict=True) if ok and label is not None)
        names = sorted(label for label, count in counts.items() if count >= self.minimum)
        if len(names) < 2:
            raise NothingToDo(
                f"label-issues needs two classes of at least {self.minimum} images in '{self.label}', got {len(names)} of "
                f"{len(counts)}; lower --minimum, or give a model's class probabilities with --probabilities"
            )
        number: dict[str | None, int] = {name: i for i, name in enumerate(names)}
        rows: list[NDArray[np.int64]] = []
        truth: list[NDArray[np.int64]] = []

        def pieces() -> Iterator[tuple[NDArray[np.float32], NDArray[np.int64]]]:
            rows.clear()
            truth.clear()
            for positions, vectors, labels in self._batches(pool):
                classes = np.array([number.get(label, -1) for label in labels], np.int64)
                use = (classes >= 0) & sound(vectors)
                rows.append(positions[use])
                truth.append(classes[use])
                yield normalised(vectors[use]), classes[use]

        scores = ridge_leave_one_out(pieces, len(names))
        return np.concatenate(rows), names, np.concatenate(truth), scores

    def _given(self, pool: View) -> tuple[NDArray[np.int64], list[str], NDArray[np.int64], NDArray[np.float32]]:
        """The same from the column of probabilities, whose logarithms are the scores, or of logits, which are."""
        field = pool.require(
            self.probabilities or "", needed_by="label-issues", mend="make it with: veduta annotate classify"
        )
        if CLASSES not in (field.metadata or {}):
            raise BadInput(
                f"the column '{field.name}' does not say which classes its probabilities are of; bring your own with: "
                f"veduta annotate import POOL TABLE --scores {field.name} --classes A,B"
            )
        names: list[str] = json.loads(field.metadata[CLASSES])
        rows, scores, truth = [], [], []
        for positions, vectors, labels in self._batches(pool):
            classes = class_numbers(labels, names)
            use = (classes >= 0) & sound(vectors)
            rows.append(positions[use])
            truth.append(classes[use])
            scores.append(vectors[use])
        if not sum(map(len, rows)):
            example = next(
                (label for _, _, labels in self._batches(pool) for label in labels if label is not None), "none"
            )
            raise BadInput(
                f"no label in '{self.label}' is a class of '{field.name}': labels are like '{example}', classes like "
                f"'{names[0]}'; rename the labels or use the embedding instead of probabilities"
            )
        given = np.concatenate(scores)
        if said(field, "label-issues") != "logits" and not self._stated(pool) and probable(given):
            given = np.log(np.maximum(given, 1e-12))
        return np.concatenate(rows), names, np.concatenate(truth), given

    def _stated(self, pool: View) -> bool:
        """Whether the column says that it holds probabilities, which are then taken as they are."""
        return (
            bool(self.probabilities) and said(pool.schema.field(self.probabilities), "label-issues") == "probabilities"
        )

    def _batches(self, pool: View) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float32], list[str | None]]]:
        """Row positions, vectors and labels of the rows that have both, in pieces."""
        column = self.probabilities or self.embedding
        for rows, vectors, (labels,) in column_vectors(pool, column, also=[self.label], needed_by="label-issues"):
            yield rows, vectors, [None if v is None else str(v) for v in labels.to_pylist()]


def confident_learning(labels: NDArray[np.int64], probabilities: NDArray[np.float32]) -> NDArray[np.bool_]:
    """(n,) which of the given class numbers are wrong, from (n, c) out-of-sample probabilities.

    cleanlab's `find_label_issues` by lowest self-confidence: of its rules the most precise at equal recall on CIFAR-10 with
    5 and 20 % planted errors and on ImageNet's real ones. Imported here because the import takes longer than the work.
    """
    try:
        from cleanlab.filter import find_label_issues
    except ImportError:
        raise MissingPackage("cleanlab", needed_by="label-issues") from None
    return np.asarray(find_label_issues(labels, probabilities, filter_by="low_self_confidence", n_jobs=1), bool)
