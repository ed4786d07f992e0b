"""What can be said of an arm without training anything.

Legend: m rows of an arm, c reference classes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from veduta.judge.cmmd import cmmd
from veduta.judge.curation.arms import Arm
from veduta.judge.curation.battery import stored
from veduta.judge.curation.bench import Bench
from veduta.judge.curation.exam import Exam, values

if TYPE_CHECKING:
    from veduta.judge.curation.operation import Curation

COMPARED = 2_000
TOP = 0.05


def statistics(asked: Curation, bench: Bench, tested: Exam, arm: Arm) -> dict[str, Any]:
    """The figures of SELECT's data-only part (Feuer et al. 2024, section 4) that need no further network.

    classes_covered, missing (names), few (LT@n: classes with fewer than n rows), top_share (LS@5pct: share of the rows that
    are in the largest 5 % of the classes, at least one), counts (class -> rows), label_noise (share of rows whose label
    is not that of the trusted target, which must be known; None for arms that have the target itself), cmmd (to the test rows).
    """
    rows = arm.draws[0]
    found: dict[str, Any] = {"rows": len(rows)}
    if tested.names:
        own = values(bench, arm.column)
        labels = [own[row] for row in rows]
        counts = dict.fromkeys(tested.names, 0)
        for label in labels:
            counts[str(label)] += 1
        found |= balance(np.array(list(counts.values())), asked.few)
        found |= {"missing": [name for name, count in counts.items() if not count], "counts": counts}
        if arm.column != asked.target:
            trusted = values(bench, asked.target)
            pairs = [(label, trusted[row]) for label, row in zip(labels, rows, strict=True) if trusted[row] is not None]
            found["label_noise"] = float(np.mean([a != b for a, b in pairs])) if pairs else None
    if asked.embedding in bench.schema.names:
        rng = np.random.default_rng([asked.seed, 9])
        sets = [stored(bench, asked.embedding, _some(side, rng))[1] for side in (rows, tested.rows)]
        sets = [side[(side != 0).any(1)] for side in sets]
        if all(len(side) for side in sets):
            found["cmmd"] = cmmd(*sets)
    return found


def balance(counts: NDArray[np.int64], few: int) -> dict[str, Any]:
    """How evenly rows are spread over classes, from their counts (c,)."""
    total, largest = int(counts.sum()), max(1, round(TOP * len(counts)))
    return {
        "classes_covered": int((counts > 0).sum()),
        "few": int((counts < few).sum()),
        "top_share": float(np.sort(counts)[::-1][:largest].sum() / total) if total else float("nan"),
    }


def _some(rows: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.int64]:
    return rows if len(rows) <= COMPARED else np.sort(rng.choice(rows, COMPARED, replace=False))
