"""What was read as what: one set of facts, and the same words for the command line, `--json`, the report and the app."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from veduta.pool.readers.notes import Notes

# Different values that are counted one by one; more are data, not names.
MOST_VALUES = 10_000
SHOWN = 8
_TITLES = ("layout_title", "layout_name")
_PLAIN = ("skipped", "problems", "warnings")


class Tally:
    """Counts what items bring along. Memory: one entry for every different label, class and split."""

    def __init__(self) -> None:
        self.rows = self.labelled = self.boxed = self.boxes = self.masks = self.keypoints = 0
        self.captioned = self.captions = self.multi = 0
        self.labels: Counter[str] = Counter()
        self.classes: Counter[str] = Counter()
        self.splits: Counter[str] = Counter()

    def add(self, fields: Mapping[str, Any]) -> None:
        """Count the fields of one item."""
        self.rows += 1
        label, split = fields.get("label"), fields.get("split")
        if label is not None:
            self.labelled += 1
            _bounded(self.labels, str(label))
        if fields.get("labels"):
            self.multi += 1
        if split is not None:
            _bounded(self.splits, str(split))
        captions = fields.get("captions")
        if captions:
            self.captioned += 1
            self.captions += len(captions)
        objects = fields.get("objects")
        if objects:
            self.boxed += 1
            self.boxes += len(objects)
            for thing in objects:
                _bounded(self.classes, str(thing.get("class")))
                self.masks += thing.get("mask") is not None
                self.keypoints += bool(thing.get("keypoints"))

    def facts(self) -> dict[str, Any]:
        """The counts as JSON holds them."""
        return {
            "rows": self.rows,
            "labels": {"rows": self.labelled, "classes": len(self.labels), "counts": _top(self.labels)},
            "objects": {
                "rows": self.boxed,
                "objects": self.boxes,
                "masks": self.masks,
                "keypoints": self.keypoints,
                "classes": len(self.classes),
                "counts": _top(self.classes),
            },
            "label_lists": self.multi,
            "captions": {"rows": self.captioned, "captions": self.captions},
            "splits": dict(sorted(self.splits.items())),
        }


def facts(reader: Any, tally: Tally, decoded: Mapping[str, int] | None = None) -> dict[str, Any]:
    """Everything to tell of a source after its items have passed: what it was read as, counts, guesses, what was left.

    decoded: what was converted, moved or dropped as the pictures were decoded, counted in words.
    """
    notes: Notes = getattr(reader, "notes", None) or Notes()
    return {
        "source": str(getattr(reader, "name", "")),
        "read_as": next(filter(None, (getattr(reader, n, "") for n in _TITLES)), type(reader).__name__.lower()),
        "because": str(getattr(reader, "layout_why", "")),
        **tally.facts(),
        "columns": list(reader.columns()),
        "guesses": [{"what": g.what, "how": g.how, "option": g.option} for g in notes.guesses],
        "left_aside": [{"kind": k, "count": n, "examples": names} for k, (n, names) in notes.aside.items()],
        "converted": {what: n for what, n in (notes.counts + Counter(decoded)).items() if what not in _PLAIN},
        "doubts": [f"{name}: {reason}" for name, reason in [*notes.problems, *notes.warnings][:100]],
        "doubts_count": notes.counts["problems"] + notes.counts["warnings"],
    }


def lines(told: Mapping[str, Any]) -> list[str]:
    """The facts as lines for a person; those that say nothing are left out."""
    because = f" ({told['because']})" if told.get("because") else ""
    out = [f"read as: {told['read_as']}{because}", f"found: {_found(told)}"]
    columns = told.get("columns", [])
    if columns:
        more = f", and {len(columns) - SHOWN:,} more" if len(columns) > SHOWN else ""
        out.append(f"columns: {', '.join(columns[:SHOWN])}{more}")
    for guess in told["guesses"]:
        otherwise = f" (otherwise: {guess['option']})" if guess["option"] else ""
        out.append(f"guessed: {guess['what']}: {guess['how']}{otherwise}")
    aside = sorted(told["left_aside"], key=lambda each: -each["count"])
    for each in aside[:SHOWN]:
        more = ", ..." if each["count"] > len(each["examples"]) else ""
        out.append(f"left aside: {each['count']:,} x {each['kind']} ({', '.join(each['examples'])}{more})")
    if len(aside) > SHOWN:
        rest = sum(each["count"] for each in aside[SHOWN:])
        out.append(f"left aside: {rest:,} files or fields of {len(aside) - SHOWN} further kinds")
    for what, number in told["converted"].items():
        out.append(f"note: {number:,} x {what}")
    untold = told.get("untold")
    if untold:
        keep = "keeps" if untold["rows"] == 1 else "keep"
        out.append(
            f"note: {_count(untold['rows'], 'image')} {keep} {', '.join(untold['columns'])}, which the source no longer tells"
        )
    for doubt in told["doubts"][:SHOWN]:
        out.append(f"doubt: {doubt}")
    if told["doubts_count"] > SHOWN:
        out.append(f"doubt: {told['doubts_count'] - min(SHOWN, len(told['doubts'])):,} more like these")
    return out


def _found(told: Mapping[str, Any]) -> str:
    labels, objects, captions = told["labels"], told["objects"], told["captions"]
    rows = told["rows"]

    def on(number: int) -> str:
        return "" if number == rows else f" on {_count(number, 'image')}"

    parts = [_count(rows, "image")]
    if labels["rows"]:
        names = ", ".join(f"{name} {n:,}" for name, n in list(labels["counts"].items())[:5])
        more = ", ..." if labels["classes"] > 5 else ""
        parts.append(f"{_count(labels['classes'], 'label')}{on(labels['rows'])} ({names}{more})")
    else:
        parts.append("no labels")
    if told["label_lists"]:
        parts.append(f"lists of labels{on(told['label_lists'])}")
    if objects["rows"]:
        kinds = [f"{objects[k]:,} with {k}" for k in ("masks", "keypoints") if objects[k]]
        extra = f" ({', '.join(kinds)})" if kinds else ""
        classes = _count(objects["classes"], "class", "classes")
        parts.append(f"{_count(objects['objects'], 'object')} of {classes}{on(objects['rows'])}{extra}")
    if captions["rows"]:
        parts.append(f"{_count(captions['captions'], 'caption')}{on(captions['rows'])}")
    if told["splits"]:
        parts.append("splits: " + ", ".join(f"{name} {n:,}" for name, n in told["splits"].items()))
    return "; ".join(parts)


def _count(number: int, one: str, many: str = "") -> str:
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def _bounded(counts: Counter[str], name: str) -> None:
    if name in counts or len(counts) < MOST_VALUES:
        counts[name] += 1


def _top(counts: Counter[str]) -> dict[str, int]:
    return dict(sorted(counts.items(), key=lambda each: (-each[1], each[0]))[:50])
