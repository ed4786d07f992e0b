"""The report's chapter on copies that contradict themselves: other labels, or both sides of a split."""

from __future__ import annotations

import numpy as np

from veduta.judge import words
from veduta.judge.pool_scan import Scan
from veduta.judge.report import Group, Picture, Report
from veduta.pool import Pool

GROUPS = 12
MEMBERS = 4


def contradictions(report: Report, pool: Pool, scan: Scan) -> dict[str, int]:
    """Add the chapter where there is something to say; kind ("conflicts", "leaks") -> number of images."""
    found = {}
    for kind, column in (("conflicts", "duplicate_labels"), ("leaks", "duplicate_splits")):
        found[kind] = int((scan.words[column][0] >= 0).sum()) if column in scan.words else 0
    if not any(found.values()):
        return {}
    section = report.section("Copies that contradict themselves")
    section.text(
        "Copies of one image should say the same. The framed one stays; its copies are left out, so that whatever only they "
        "say is lost: decide which label is right before you train."
    )
    if found["conflicts"]:
        groups, drawn = _groups(pool, scan, "duplicate_labels", "label")
        section.heading(
            f"Contradicting labels ({words.count(groups, 'group')}, {words.count(found['conflicts'], 'image')})",
            "the same picture under two labels; at least one of them is wrong, or the picture has several",
        )
        section.groups(drawn, fit="contain", narrow=True)
    if found["leaks"]:
        groups, drawn = _groups(pool, scan, "duplicate_splits", "split")
        section.heading(
            f"Across splits ({words.count(groups, 'group')}, {words.count(found['leaks'], 'image')})",
            "the same picture in training and evaluation; the evaluation's stays and its copies are left out",
        )
        section.groups(drawn, fit="contain", narrow=True)
        section.text("How much the evaluation is worth with them: `veduta judge leaks POOL`.")
    return found


def _groups(pool: Pool, scan: Scan, column: str, told: str) -> tuple[int, list[Group]]:
    """How many groups there are, and the largest drawn, each picture with what it says."""
    codes, names = scan.words["duplicate_of"]
    member = (scan.words[column][0] >= 0) & (codes >= 0)
    heads, sizes = np.unique(codes[member], return_counts=True)
    chosen = heads[np.lexsort((heads, -sizes))][:GROUPS]
    keys = ", ".join("'" + names[code].replace("'", "''") + "'" for code in chosen)
    rows = pool.rows(f"key in ({keys})")
    place = dict(zip(pool.take(rows, ["key"]).column(0).to_pylist(), rows.tolist(), strict=True))
    values, said = scan.words[told]
    drawn = []
    for code in chosen.tolist():
        head = place.get(names[code], -1)
        others = np.flatnonzero(member & (codes == code))
        # Those that say something else than the one that stays come first.
        others = others[np.argsort(values[others] == (values[head] if head >= 0 else -1), kind="stable")]
        pictures = [_picture(head, values, said, "stays")] if head >= 0 else []
        pictures += [_picture(int(row), values, said, "") for row in others[: MEMBERS - 1]]
        size = len(others) + (head >= 0)
        note = f"{len(pictures)} shown" if size > len(pictures) else ""
        drawn.append(Group(words.count(int(size), "image"), pictures, note))
    return len(heads), drawn


def _picture(row: int, values: np.ndarray, said: list[str], badge: str) -> Picture:
    text = said[values[row]] if values[row] >= 0 else "–"
    return Picture(row=row, badge=badge, tone="good" if badge else "", lines=[(text, "good" if badge else "bad")])
