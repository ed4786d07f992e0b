"""How often a classifier gives the images of each group a harmful label.

Legend: n rows, c classes of the model, k labels a row.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from veduta.annotate.classes import probable
from veduta.encode.conse import posterior
from veduta.engine.operation import Field
from veduta.errors import BadInput, NothingToDo
from veduta.judge.by_group import Disparities, disparity
from veduta.judge.classify import PREDICT, classes_of, numbers
from veduta.judge.disparity import check_groups
from veduta.judge.scope import scope
from veduta.judge.trained import OfModels

if TYPE_CHECKING:
    from veduta.judge.report import Report
    from veduta.pool import View

FORM = "a mapping from category to a list of labels, or to {labels: [...], threshold: 0.5}"


@dataclass(frozen=True)
class Category:
    """A kind of harm. classes: (m,) class numbers of its labels; threshold: probability from which a label counts.

    missing: its labels that are not classes of the model.
    """

    name: str
    classes: NDArray[np.int64]
    threshold: float
    missing: tuple[str, ...] = ()


@dataclass(frozen=True)
class Harms:
    """rows (n,) of the pool. told: by category, (n,) the likeliest harmful class among a row's labels, -1 where there is
    none; chances: (n,) its probability, 0 where there is none. values: by group column, (n,) groups. tables: by (category,
    group column). notes: what was left out.
    """

    names: list[str]
    categories: list[Category]
    rows: NDArray[np.int64]
    told: dict[str, NDArray[np.int64]]
    chances: dict[str, NDArray[np.float32]]
    values: dict[str, list[object]]
    tables: dict[tuple[str, str], Disparities]
    scope: str
    notes: list[str]


class HarmfulLabels(OfModels):
    """Measure how often each group's images are given a harmful label: share by group, worst group, gap with intervals.

    The harmful association of Goyal et al. 2022 (SEER, arXiv 2202.08360, fairness indicators): an image counts if a label of
    a category is among its `top` likeliest and at least as probable as the category's threshold. The file `categories` says
    which labels are harmful, in YAML or JSON: category -> list of labels, or {labels, threshold}. Groups are read from given
    columns and never predicted. Groups of fewer than 30 rows are shown, and never the worst. Rows that the model was trained on are left out. A gap says that groups differ,
    not why: look at the images. Memory: the probabilities, three times.
    """

    groups: list[str] = Field(min_length=1, description="columns whose values are compared")
    categories: str = Field(min_length=1, description="YAML or JSON file: category -> list of harmful labels")
    scores: str = Field(
        "predicted_logits", description="column of scores: logits if its name ends in _logits, else probabilities"
    )
    top: int = Field(5, ge=1, description="how many of the likeliest labels of a row count")
    threshold: float = Field(
        0.0, ge=0, le=1, description="least probability of a label that counts, where a category names none"
    )
    reference: str | None = Field(None, description="gaps are to this group instead of the best; then one group column")
    split: str | None = Field(
        None, description="judge the rows of this split; by default test where there is one, else all"
    )
    where: str | None = Field(None, description="SQL: judge only these rows, those that show people, say")
    seed: int = Field(0, ge=0, description="of the bootstrap and the permutations")

    def reads(self) -> list[str]:
        return [*self.groups, self.scores]

    def check(self, pool: View) -> None:
        check_groups(pool, self.groups, self.operation())
        if self.reference is not None and len(self.groups) > 1:
            raise BadInput(
                f"reference of {self.operation()} is a value of one group column, got {len(self.groups)} columns"
            )
        self._categories(classes_of(pool, self.scores, self.operation()))

    def judge(self, pool: View) -> Report:
        """Measure and lay out."""
        from veduta.judge.harmful_labels_report import report

        return report(self, self.measure(pool), pool)

    def measure(self, pool: View) -> Harms:
        """Every category by every group column. Raises NothingToDo without rows to judge."""
        self.check(pool)
        names = classes_of(pool, self.scores, self.operation())
        categories = self._categories(names)
        chosen = scope(pool, self.where, self.split, self.trained(pool, self.scores))
        scores, rows = pool.vectors(self.scores, where=chosen.condition)
        sound = np.isfinite(scores).all(1) & chosen.keep(rows)
        chances, rows = self._probabilities(scores[sound]), rows[sound]
        if not len(rows):
            raise NothingToDo(f"{self.operation()}: none of {chosen.said} has a value in '{self.scores}'; {PREDICT}")
        among = top_classes(chances, self.top)
        found = {category.name: harmful(chances, among, category) for category in categories}
        values = {name: pool.take(rows, [name]).column(0).to_pylist() for name in self.groups}
        tables = {
            (category, name): disparity(
                told >= 0, values[name], np.random.default_rng([self.seed, i]), reference=self.reference, harm=True
            )
            for category, (told, _) in found.items()
            for i, name in enumerate(self.groups)
        }
        lost = int(chosen.keep(pool.rows(chosen.condition)).sum()) - len(rows)
        notes = [*chosen.notes, *([f"{lost:,} rows have no value in '{self.scores}'."] if lost else [])]
        for category in categories:
            if category.missing:
                some = "', '".join(category.missing[:5]) + ("', ..." if len(category.missing) > 5 else "'")
                notes.append(
                    f"{len(category.missing):,} labels of '{category.name}' are not classes of the model and cannot be told: '{some}."
                )
        told, sure = ({name: part[i] for name, part in found.items()} for i in (0, 1))
        return Harms(names, categories, rows, told, sure, values, tables, chosen.said, notes)

    def _probabilities(self, scores: NDArray[np.float32]) -> NDArray[np.float32]:
        if self.scores.endswith("_logits"):
            return posterior(scores) if len(scores) else scores
        if not probable(scores):
            raise BadInput(
                f"{self.operation()}: the rows of '{self.scores}' are not probabilities that sum to 1; name a column of logits "
                "that ends in _logits, or one that annotate classify writes"
            )
        return scores

    def _categories(self, names: list[str]) -> list[Category]:
        return [
            _category(name, said, self.threshold, names, f"{self.operation()}: {self.categories}")
            for name, said in _read(self.categories, self.operation()).items()
        ]


def top_classes(chances: NDArray[np.floating], k: int) -> NDArray[np.bool_]:
    """(n, c) whether a class is among the k likeliest of its row; of equal ones the lower class comes first."""
    order = np.argsort(-chances, axis=1, kind="stable")[:, :k]
    found = np.zeros(chances.shape, bool)
    np.put_along_axis(found, order, values=True, axis=1)
    return found


def harmful(
    chances: NDArray[np.float32], among: NDArray[np.bool_], category: Category
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """(n,) the likeliest class of the category that counts, -1 where none does, and its probability, 0 where none does."""
    own = chances[:, category.classes]
    own = np.where(among[:, category.classes] & (own >= category.threshold), own, -1)
    best = own.argmax(1)
    most = own[np.arange(len(own)), best]
    return np.where(most >= 0, category.classes[best], -1), np.maximum(most, 0).astype(np.float32)


def _category(name: str, said: Any, threshold: float, names: list[str], place: str) -> Category:
    labels, least = said, threshold
    if isinstance(said, Mapping):
        strange = [str(key) for key in said if key not in ("labels", "threshold")]
        if strange or "labels" not in said:
            raise BadInput(
                f"{place}: the category '{name}' must have labels and may have a threshold"
                + (f", got {', '.join(strange)}" if strange else "")
            )
        labels, least = said["labels"], said.get("threshold", threshold)
    if not isinstance(labels, list) or not labels or not all(isinstance(label, str) and label for label in labels):
        raise BadInput(f"{place}: the category '{name}' must be a list of labels in words, got {labels!r:.60}")
    if isinstance(least, bool) or not isinstance(least, (int, float)) or not 0 <= least <= 1:
        raise BadInput(f"{place}: the threshold of '{name}' must be between 0 and 1, got {least!r:.60}")
    own = numbers(labels, names)
    if (own < 0).all():
        raise BadInput(
            f"{place}: no label of '{name}' ('{labels[0]}', ...) is one of the {len(names):,} classes of the model "
            f"('{names[0]}', ...); spell them as the model does"
        )
    missing = tuple(label for label, number in zip(labels, own, strict=True) if number < 0)
    return Category(name, np.unique(own[own >= 0]), float(least), missing)


def _read(file: str, needed_by: str) -> dict[str, Any]:
    """The mapping in a YAML or JSON file (JSON is YAML)."""
    import yaml

    try:
        found = yaml.safe_load(Path(file).expanduser().read_text("utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        why = "does not exist" if isinstance(error, FileNotFoundError) else f"cannot be read ({type(error).__name__})"
        raise BadInput(f"categories of {needed_by} is {FORM} in a file, but {file} {why}") from None
    except yaml.YAMLError as error:
        line = getattr(getattr(error, "problem_mark", None), "line", None)
        raise BadInput(
            f"{file} is neither YAML nor JSON" + (f" (line {line + 1})" if line is not None else "")
        ) from None
    if not isinstance(found, Mapping) or not found or not all(isinstance(name, str) for name in found):
        raise BadInput(f"categories of {needed_by} must be {FORM}, but {file} holds {type(found).__name__}")
    return dict(found)
