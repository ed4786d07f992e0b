"""The small columns of a pool in memory, in one pass: what a report counts and from what it picks its examples."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.types as types

from veduta.pool import View

# Text that differs from row to row is counted by its kind.
_BY_KIND = ("error", "reason_", "odd_size_reason")
_WORDS = (
    "format",
    "split",
    "label",
    "tag",
    "cluster_name",
    "duplicate_of",
    "duplicate_labels",
    "duplicate_splits",
    "label_suggested",
    "label_check",
    "error",
    "odd_size_reason",
)
_NUMBERS = (
    "width", "height", "bytes", "cluster", "cluster_distance", "x", "y", "outlier", "label_quality", "duplicate_similarity",
    "exact_group", "tag_score",
)  # fmt: skip
_FLAGS = ("is_outlier", "label_issue", "duplicate", "exact_duplicate")
_LISTS = ("quality_issues", "tags")
_CUT = re.compile(r"\s*[(:;\"'=<>].*|\s(?:of|as)\s(?!\d+ (?:rows|images)\b).*", re.DOTALL)
_NUMBER = re.compile(r"\d[\d.,]*")


@dataclass(slots=True)
class Scan:
    """Columns by row position. About 8 bytes a row and column, plus the distinct words.

    numbers: (n,) float32, float64 for `bytes`, NaN where null. flags: (n,) bool, null is False.
    words: (codes (n,) int32, -1 where null; names). lists: (rows, codes, names), one entry a list element.
    """

    rows: int
    numbers: dict[str, np.ndarray] = field(default_factory=dict)
    flags: dict[str, np.ndarray] = field(default_factory=dict)
    words: dict[str, tuple[np.ndarray, list[str]]] = field(default_factory=dict)
    lists: dict[str, tuple[np.ndarray, np.ndarray, list[str]]] = field(default_factory=dict)

    def counts(self, column: str) -> list[tuple[str, int]]:
        """Distinct words (or list elements) with their counts, the most frequent first, ties by name."""
        codes, names = self.words[column] if column in self.words else self.lists[column][1:]
        counts = np.bincount(codes[codes >= 0], minlength=len(names)).tolist()
        pairs = [(name, number) for name, number in zip(names, counts) if number]
        return sorted(pairs, key=lambda pair: (-pair[1], pair[0]))

    def having(self, column: str, word: str) -> np.ndarray:
        """Rows whose `column` is (or, for lists, contains) `word`, ascending."""
        if column in self.words:
            codes, names = self.words[column]
            return np.flatnonzero(codes == names.index(word)) if word in names else np.empty(0, np.int64)
        rows, codes, names = self.lists[column]
        return np.unique(rows[codes == names.index(word)]) if word in names else np.empty(0, np.int64)

    def failed(self) -> np.ndarray:
        """(n,) bool: the rows that cannot be decoded."""
        return self.words["error"][0] >= 0 if "error" in self.words else np.zeros(self.rows, bool)

    def quality(self) -> list[str]:
        """The quality kinds that were scored, without their prefix."""
        return [name[8:] for name in self.numbers if name.startswith("quality_")]


def reason_kind(text: str) -> str:
    """What a reason is about, without its particulars: "near-duplicate of a.jpg (0.98)" -> "near-duplicate"."""
    return _NUMBER.sub("…", _CUT.sub("", text)).strip(" ,.-\n")[:80] or "no reason given"


def scan(pool: View, selections: Iterable[str] = ()) -> Scan:
    """Read every small column that a report can use; images, vectors and keys are never touched."""
    wanted = [f for f in pool.schema if _kind(f, selections)]
    pieces: dict[str, list[np.ndarray]] = {f.name: [] for f in wanted}
    parents: dict[str, list[np.ndarray]] = {f.name: [] for f in wanted}
    known: dict[str, dict[str, int]] = {f.name: {} for f in wanted}
    at = 0
    for batch in pool.batches([f.name for f in wanted], batch_size=65536) if wanted else ():
        for column in wanted:
            values, name = batch.column(column.name), column.name
            match _kind(column, selections):
                case "number":
                    target = pa.float64() if name == "bytes" else pa.float32()
                    pieces[name].append(values.cast(target, safe=False).to_numpy(zero_copy_only=False))
                case "flag":
                    pieces[name].append(np.asarray(values.fill_null(False), dtype=bool))
                case "word":
                    pieces[name].append(_codes(values, known[name], name.startswith(_BY_KIND)))
                case _:
                    parents[name].append(values.value_parent_indices().to_numpy() + at)
                    pieces[name].append(_codes(values.flatten(), known[name], False))
        at += batch.num_rows
    found = Scan(len(pool))
    for column in wanted:
        name, kind = column.name, _kind(column, selections)
        joined = (
            np.concatenate(pieces[name]) if pieces[name] else np.empty(0, np.float32 if kind == "number" else np.int32)
        )
        if kind == "number" and np.isfinite(joined).any():
            found.numbers[name] = joined
        elif kind == "flag":
            found.flags[name] = joined.astype(bool)
        elif kind == "word" and known[name]:
            found.words[name] = (joined, list(known[name]))
        elif kind == "list" and known[name]:
            found.lists[name] = (np.concatenate(parents[name]), joined, list(known[name]))
    return found


def _kind(column: pa.Field, selections: Iterable[str]) -> str:
    name, kind = column.name, column.type
    if name.startswith(("select_", "reason_")) and name[7:] not in selections:
        return ""
    numeric = types.is_floating(kind) or types.is_integer(kind)
    if numeric and (name in _NUMBERS or name.startswith("quality_")):
        return "number"
    if types.is_boolean(kind) and (name in _FLAGS or name.startswith(("quality_", "select_"))):
        return "flag"
    if types.is_string(kind) and (name in _WORDS or name.startswith("reason_")):
        return "word"
    return "list" if types.is_list(kind) and types.is_string(kind.value_type) and name in _LISTS else ""


def _codes(values: pa.Array, known: dict[str, int], by_kind: bool) -> np.ndarray:
    coded = values.dictionary_encode()
    names: Sequence[str | None] = coded.dictionary.to_pylist()
    table = np.array(
        [known.setdefault(reason_kind(n) if by_kind else n, len(known)) for n in names] + [-1], dtype=np.int32
    )
    return table[coded.indices.fill_null(len(names)).to_numpy(zero_copy_only=False).astype(np.int64)]
