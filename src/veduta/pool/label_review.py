"""The review table of merged or mapped labels: a CSV file that a person edits and that is read again."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from veduta.errors import BadInput, SourceError
from veduta.pool.class_tree import REVIEW
from veduta.pool.csv_cells import quoted, unquoted
from veduta.pool.durable import write_atomically

REVIEWED = pa.schema(
    [
        *REVIEW,
        pa.field("score", pa.float32()),  # the cosine that speaks for it
        pa.field("gloss", pa.string()),  # what the target means
        pa.field("decision", pa.string()),  # null: not decided
    ]
)
"""One row a proposal: `given` becomes `mapped`. `ambiguous` ones need a decision. See `decide` for what a decision may say."""

ACCEPT, SPLIT = "accept", "split"
_SAME = {"yes": ACCEPT, "merge": ACCEPT, "ok": ACCEPT, "no": SPLIT, "reject": SPLIT, "none": SPLIT}
_COLUMNS = ("decision", "score", "given", "mapped", "gloss", "how", "ambiguous", "count", "candidates")


def write_review(table: pa.Table, path: str | Path) -> None:
    """Write the proposals as CSV, those to be looked at first at the top: by falling score.

    A cell that a spreadsheet would take for a formula gets a quote in front, which `read_review` removes.
    """
    rows = sorted(table.to_pylist(), key=lambda r: (-(r["score"] or 0.0), r["given"], r["mapped"] or ""))
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow(_COLUMNS)
    for row in rows:
        cells = [row[name] for name in _COLUMNS]
        cells[1] = "" if row["score"] is None else f"{row['score']:.4f}"
        cells[6] = "yes" if row["ambiguous"] else ""
        cells[8] = " | ".join(row["candidates"] or [])
        writer.writerow([quoted("" if cell is None else str(cell)) for cell in cells])
    write_atomically(Path(path), out.getvalue())


def read_review(path: str | Path) -> pa.Table:
    """The table of an edited CSV. Only `given`, `mapped` and `decision` must be there.

    Raises SourceError for a file that cannot be read, BadInput for a decision that is none.
    """
    try:
        with Path(path).open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.DictReader(stream)
            have = [name.strip() for name in reader.fieldnames or ()]
            reader.fieldnames = have
            rows = list(reader)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise SourceError(f"the review {path} cannot be read: {error}; save it as CSV in UTF-8") from None
    missing = {"given", "mapped", "decision"} - set(have)
    if missing:
        raise SourceError(
            f"the review {path} lacks the columns {', '.join(sorted(missing))}; it has: {', '.join(have)}"
        )
    made = [_row(row, number, str(path)) for number, row in enumerate(rows, 2)]
    return pa.Table.from_pylist([row for row in made if row is not None], schema=REVIEWED)


def decisions(table: pa.Table) -> dict[tuple[str, str | None], str]:
    """(given, mapped) -> decision of the decided rows."""
    return {(row["given"], row["mapped"]): row["decision"] for row in table.to_pylist() if row["decision"]}


def decide(table: pa.Table, threshold: float) -> pa.Table:
    """The map as it stands: `mapped` is what is to be used, null for no target; ready for `class_tree.apply`.

    A decision holds: "accept" takes `mapped`, "split" takes none, anything else is the target to take. Where nothing is
    decided, a proposal that is not ambiguous and has at least the threshold is taken.
    """
    rows = table.to_pylist()
    for row in rows:
        said = row["decision"]
        if said and said not in (ACCEPT, SPLIT):
            row["mapped"] = said
        elif said == SPLIT or (not said and (row["ambiguous"] or row["score"] is None or row["score"] < threshold)):
            row["mapped"] = None
    return pa.Table.from_pylist(rows, schema=table.schema)


@dataclass(frozen=True, slots=True)
class Calibrated:
    """threshold: the lowest with at least the wanted precision on the reviewed proposals; rows: how many of them it takes."""

    threshold: float
    precision: float
    rows: int
    reviewed: int


def calibrate(table: pa.Table, precision: float, least: int = 10) -> Calibrated:
    """The threshold for this encoder and these labels, from what a person decided.

    The paper's thresholds belong to its own encoder. Right is an accepted proposal, wrong one that was split or sent
    elsewhere. Raises BadInput with fewer than `least` decided proposals, or if no threshold is precise enough.
    """
    judged = [
        (row["score"], row["decision"] == ACCEPT)
        for row in table.to_pylist()
        if row["decision"] and row["score"] is not None
    ]
    if len(judged) < least:
        raise BadInput(
            f"a threshold from the review needs at least {least} decided proposals, got {len(judged)}; decide more, or give a number"
        )
    judged.sort(key=lambda pair: -pair[0])
    best: Calibrated | None = None
    hits = 0
    for taken, (score, right) in enumerate(judged, 1):
        hits += right
        last = taken == len(judged) or judged[taken][0] < score  # equal scores stand or fall together
        if last and hits / taken >= precision:
            best = Calibrated(float(score), hits / taken, taken, len(judged))
    if best is None:
        raise BadInput(
            f"no threshold reaches the precision {precision:g} on the {len(judged)} decided proposals; ask for less, or decide all by hand"
        )
    return best


def carried(table: pa.Table, review: pa.Table | None) -> pa.Table:
    """Fresh proposals with the decisions of an earlier review; decided proposals that are no longer made are kept."""
    if review is None:
        return table
    said = decisions(review)
    rows = table.to_pylist()
    for row in rows:
        row["decision"] = said.pop((row["given"], row["mapped"]), None)
    kept = [row for row in review.to_pylist() if (row["given"], row["mapped"]) in said]
    return pa.Table.from_pylist([*rows, *kept], schema=REVIEWED)


def proposals(rows: Sequence[dict[str, Any]]) -> pa.Table:
    """Rows as a review table; what a row does not say is null, false or empty."""
    blank = {"ambiguous": False, "candidates": [], "count": 0, "how": ""}
    return pa.Table.from_pylist([{**blank, **row} for row in rows], schema=REVIEWED)


def _row(row: dict[str, Any], number: int, path: str) -> dict[str, Any] | None:
    cells = {
        name: unquoted((value or "").strip())
        for name, value in row.items()
        if isinstance(name, str) and not isinstance(value, list)
    }
    if not cells.get("given"):
        return None
    said = cells["decision"].casefold()
    decision = _SAME.get(said, said if said in (ACCEPT, SPLIT) else cells["decision"])
    if decision == ACCEPT and not cells["mapped"]:
        raise BadInput(
            f"line {number} of {path} accepts '{cells['given']}', but names no target; write the target into decision"
        )
    try:
        score = float(cells["score"]) if cells.get("score") else None
        count = int(float(cells["count"])) if cells.get("count") else 0
    except ValueError:
        raise BadInput(
            f"line {number} of {path} has a score or count that is not a number; leave these columns as they were"
        ) from None
    return {
        "given": cells["given"], "mapped": cells["mapped"] or None, "how": cells.get("how", ""), "count": count,
        "ambiguous": cells.get("ambiguous", "").casefold() in ("yes", "true", "1"),
        "candidates": [each for each in cells.get("candidates", "").split(" | ") if each],
        "score": score, "gloss": cells.get("gloss") or None, "decision": decision or None,
    }  # fmt: skip
