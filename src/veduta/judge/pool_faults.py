"""The report's chapter on what is wrong with a pool: each kind counted and shown with examples."""

from __future__ import annotations

import numpy as np

from veduta.judge import words
from veduta.judge.pool_scan import Scan
from veduta.judge.report import Group, Picture, Report, Section
from veduta.pool import Pool

EXAMPLES = 8
GROUPS = 12
MEMBERS = 4
WORDS = {
    "dark": "Too dark",
    "bright": "Too bright",
    "low_contrast": "Low contrast",
    "blurry": "Blurry",
    "low_information": "Hardly any content",
    "odd_aspect": "Odd shape",
    "odd_size": "Odd size",
    "grayscale": "No colour",
}


def faults(report: Report, pool: Pool, scan: Scan) -> dict[str, int]:
    """Add the chapter "What is wrong"; returns kind -> number of images (groups under "groups")."""
    section = report.section("What is wrong")
    place = len(section.items)
    found: dict[str, int] = {}
    _undecodable(section, pool, scan, found)
    _duplicates(section, pool, scan, found)
    _labels(section, pool, scan, found)
    _outliers(section, scan, found)
    _quality(section, scan, found)
    kinds = {TITLES.get(kind) or WORDS.get(kind, kind): n for kind, n in found.items() if n and kind != "groups"}
    if kinds:
        section.bars("Found", sorted(kinds.items(), key=lambda pair: -pair[1]), total=scan.rows, tone="warn")
        section.items.insert(place, section.items.pop())
    else:
        section.note("Nothing was found by the checks that were run.", "good")
    return found


TITLES = {
    "undecodable": "Cannot be decoded",
    "exact": "Exact duplicates",
    "near": "Near-duplicates",
    "labels": "Doubtful labels",
    "chance": "Labels near chance",
    "outliers": "Outliers",
}


def _undecodable(section: Section, pool: Pool, scan: Scan, found: dict[str, int]) -> None:
    rows = np.flatnonzero(scan.failed())
    found["undecodable"] = len(rows)
    if not len(rows):
        return
    section.heading(TITLES["undecodable"], f"{words.count(len(rows), 'file')}; their rows stay, with the reason")
    table = pool.take(rows[:50], ["key", "error", "bytes"])
    listed = [
        {"file": key, "why": error, "size": size}
        for key, error, size in zip(*(column.to_pylist() for column in table.columns), strict=True)
    ]
    note = "" if len(rows) <= 50 else f"{len(rows) - 50:,} more; see: veduta show POOL --where 'error is not null'"
    section.table(listed, columns={"file": "code", "size": "bytes"}, note=note)


def _duplicates(section: Section, pool: Pool, scan: Scan, found: dict[str, int]) -> None:
    same = _exact(pool, scan)
    if same is not None:
        stands, extra = same
        found["exact"] = len(extra)
        heads, sizes = np.unique(stands[extra], return_counts=True)
        order = np.lexsort((heads, -sizes))[:GROUPS]
        if len(heads):
            section.heading(
                f"{TITLES['exact']} ({len(extra):,} in {words.count(len(heads), 'group')})",
                "the same bytes again; the framed file stands for its group",
            )
            groups = [_group(int(heads[i]), extra[stands[extra] == heads[i]], [], "") for i in order]
            section.groups(groups, fit="contain", narrow=True)
            _unseen(section, len(heads) - len(order), "`exact_group` numbers every group")
    if "duplicate_of" not in scan.words:
        return
    codes, names = scan.words["duplicate_of"]
    member = codes >= 0
    if same is not None:
        member[same[1]] = False
    alike = scan.numbers.get("duplicate_similarity", np.full(scan.rows, np.nan, np.float32)).astype(np.float64)
    # Where only hashes were compared the number counts bits that differ: fewer is more alike.
    parameters = pool.provenance("duplicate_of").get("parameters", {})
    bits = parameters.get("by") == "hash"
    alike = -alike if bits else alike
    groups, sizes = np.unique(codes[member], return_counts=True)
    found["near"], found["groups"] = int(member.sum()), len(groups)
    if not len(groups):
        return
    lowest = np.full(len(names), np.inf)
    np.fmin.at(lowest, codes[member], alike[member])
    # The largest groups and the least similar pairs are the ones worth a look: they show whether the threshold fits.
    large = groups[np.lexsort((groups, -sizes))][: GROUPS // 2]
    doubtful = groups[np.lexsort((groups, lowest[groups]))]
    chosen = list(dict.fromkeys([*large.tolist(), *doubtful.tolist()]))[:GROUPS]
    section.heading(
        f"{TITLES['near']} ({found['near']:,} in {words.count(len(groups), 'group')})",
        "the framed one stands for its group; the numbers say how alike the others are to it"
        + (" (bits that differ)" if bits else ""),
    )
    heads = _positions(pool, [names[code] for code in chosen])
    drawn = []
    for code in chosen:
        rows = np.flatnonzero(member & (codes == code))
        rows = rows[np.argsort(np.nan_to_num(alike[rows], nan=2), kind="stable")]
        shown = [
            words.count(round(-a), "bit") if bits else f"{a:.3f}" if np.isfinite(a) else ""
            for a in alike[rows[:MEMBERS]]
        ]
        head = heads.get(names[code], -1)
        low = None if bits or head < 0 else _lowest_pair(pool, parameters.get("embedding", "embedding"), [head, *rows])
        low = low if low is not None else alike[rows[0]]
        note = f"lowest pair {-low:.0f} bits apart" if bits else f"lowest pair {low:.3f}" if np.isfinite(low) else ""
        drawn.append(_group(head, rows, shown, note))
    section.groups(drawn, fit="contain", narrow=True)
    _unseen(section, len(groups) - len(chosen), "`duplicate_of` names the representative of every row")


def _unseen(section: Section, groups: int, where: str) -> None:
    if groups:
        section.text(f"{words.count(groups, 'more group')} not shown here; {where}.")


def _exact(pool: Pool, scan: Scan) -> tuple[np.ndarray, np.ndarray] | None:
    """(row that stands for each row's group, rows that repeat another); None where exact duplicates were not sought."""
    name = next((n for n in pool.selections() if _made_by(pool, n) == "exact-duplicates"), None)
    if "exact_group" not in scan.numbers:
        return (np.arange(scan.rows), np.empty(0, np.int64)) if name else None
    group = np.nan_to_num(scan.numbers["exact_group"], nan=-1).astype(np.int64)
    inside = np.flatnonzero(group >= 0)
    keep = scan.flags[f"select_{name}"] if name else np.zeros(scan.rows, bool)
    first = inside[np.lexsort((inside, ~keep[inside], group[inside]))]
    _, at, back = np.unique(group[first], return_index=True, return_inverse=True)
    stands = np.arange(scan.rows)
    stands[first] = first[at][back]
    return stands, np.flatnonzero(stands != np.arange(scan.rows))


def _made_by(pool: Pool, selection: str) -> str:
    return pool.provenance(f"select_{selection}").get("operation", "")


def _positions(pool: Pool, keys: list[str]) -> dict[str, int]:
    quoted = ", ".join("'" + key.replace("'", "''") + "'" for key in keys)
    rows = pool.rows(f"key in ({quoted})")
    return dict(zip(pool.take(rows, ["key"]).column(0).to_pylist(), rows.tolist(), strict=True))


def _lowest_pair(pool: Pool, column: str, rows: list[int]) -> float | None:
    """The lowest cosine of any two of the rows (the least similar 64 of a large group)."""
    if column not in pool.schema.names:
        return None
    values = pool.take(rows[:64], [column]).column(0).combine_chunks().drop_null()
    if len(values) < 2:
        return None
    vectors = values.flatten().to_numpy(zero_copy_only=False).reshape(len(values), -1).astype(np.float64)
    vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    return float((vectors @ vectors.T).min())


def _group(head: int, rows: np.ndarray, badges: list[str], note: str) -> Group:
    pictures = [Picture(row=head, badge="stays", tone="good")] if head >= 0 else []
    for row, badge in zip(rows[: MEMBERS - 1].tolist(), badges or [""] * MEMBERS):
        pictures.append(Picture(row=row, badge=badge))
    size = len(rows) + len(pictures[:1] if head >= 0 else [])
    note = "; ".join(part for part in (f"{len(pictures)} shown" if size > len(pictures) else "", note) if part)
    return Group(words.count(size, "image"), pictures, note)


def _labels(section: Section, pool: Pool, scan: Scan, found: dict[str, int]) -> None:
    if "label_issue" not in scan.flags:
        return
    rows = np.flatnonzero(scan.flags["label_issue"])
    found["labels"] = len(rows)
    _unchecked(section, pool, scan, found)
    if not len(rows):
        return
    labelled = int((scan.words["label"][0] >= 0).sum()) if "label" in scan.words else scan.rows
    quality = scan.numbers.get("label_quality", np.zeros(scan.rows))
    rows = rows[np.argsort(np.nan_to_num(quality[rows]), kind="stable")]
    section.heading(
        f"{TITLES['labels']} ({len(rows):,})", "the pictures say something else than their label; surest first"
    )
    if len(rows) > labelled / 3:
        section.note(
            "More than a third of the labels are in doubt. That says less about single labels than about the match of labels "
            "and pictures: perhaps the labels do not name what is seen, or this encoder cannot see it.",
            "warn",
        )
    pictures = []
    for row in rows[: 2 * EXAMPLES].tolist():
        given, better = _word(scan, "label", row), _word(scan, "label_suggested", row)
        lines = [(f"given: {given}", "bad"), (f"suggested: {better}", "good")]
        badge = f"{quality[row]:.2f}" if "label_quality" in scan.numbers else ""
        pictures.append(Picture(row=row, lines=lines, badge=badge))
    section.images(pictures)
    pairs: dict[tuple[str, str], int] = {}
    for row in rows[:100_000].tolist():
        pair = (_word(scan, "label", row), _word(scan, "label_suggested", row))
        pairs[pair] = pairs.get(pair, 0) + 1
    common = sorted(pairs.items(), key=lambda item: (-item[1], item[0]))[:10]
    if common and common[0][1] > 1:
        section.table([{"given": g, "suggested": s, "images": n} for (g, s), n in common], title="Most confused")


def _unchecked(section: Section, pool: Pool, scan: Scan, found: dict[str, int]) -> None:
    """Labels about which nothing can be said: near chance, or of classes with few images."""
    states = dict(scan.counts("label_check")) if "label_check" in scan.words else {}
    found["chance"] = states.get("near chance", 0) + states.get("hardly learned", 0)
    if not found["chance"] and not states.get("few images"):
        return
    runs = [record for record in pool.lineage() if record.operation == "label-issues"]
    section.heading("Labels that were not judged")
    for sentence in runs[-1].details.get("told", []) if runs else []:
        section.note(sentence[:1].upper() + sentence[1:], "warn" if found["chance"] else "info")


def _word(scan: Scan, column: str, row: int) -> str:
    if column not in scan.words:
        return "–"
    codes, names = scan.words[column]
    return names[codes[row]] if codes[row] >= 0 else "–"


def _outliers(section: Section, scan: Scan, found: dict[str, int]) -> None:
    if "outlier" not in scan.numbers:
        return
    score = np.nan_to_num(scan.numbers["outlier"], nan=-1)
    flagged = scan.flags.get("is_outlier")
    found["outliers"] = int(flagged.sum()) if flagged is not None else 0
    rows = np.argsort(-score, kind="stable")[:EXAMPLES]
    if found["outliers"]:
        section.heading(
            f"{TITLES['outliers']} ({found['outliers']:,})", "unlike anything else in the pool: junk, or the gems"
        )
    else:
        section.heading("The most unusual", "none is far enough from the rest to count as an outlier")
    section.images(
        [
            Picture(
                row=int(row), badge=f"{score[row]:.2f}", tone="warn" if flagged is not None and flagged[row] else ""
            )
            for row in rows
            if score[row] >= 0
        ]
    )


def _quality(section: Section, scan: Scan, found: dict[str, int]) -> None:
    """Each kind with its worst examples; a kind counts where `quality_issues`, a flag or a reason names it."""
    shown = []
    for kind in dict.fromkeys([*WORDS, *scan.quality()]):
        flag = scan.flags.get(f"quality_{kind}")
        rows = scan.having("quality_issues", kind) if "quality_issues" in scan.lists else np.empty(0, np.int64)
        rows = np.union1d(rows, np.flatnonzero(flag)) if flag is not None else rows
        if f"{kind}_reason" in scan.words:
            rows = np.union1d(rows, np.flatnonzero(scan.words[f"{kind}_reason"][0] >= 0))
        score = scan.numbers.get(f"quality_{kind}")
        found[kind] = len(rows)
        if not len(rows):
            continue
        if score is not None:
            rows = rows[np.argsort(-np.nan_to_num(score[rows]), kind="stable")]
        pictures = []
        for row in rows[:EXAMPLES].tolist():
            size = ""
            if kind in ("odd_size", "odd_aspect") and "width" in scan.numbers:
                size = f"{scan.numbers['width'][row]:.0f} × {scan.numbers['height'][row]:.0f} px"
            badge = f"{score[row]:.2f}" if score is not None else ""
            pictures.append(Picture(row=row, badge=badge, lines=[size] if size else []))
        title = WORDS.get(kind, kind.replace("_", " ").capitalize())
        note = words.count(len(rows), "image") + (", the surest first" if len(rows) > len(pictures) else "")
        shown.append(Group(title, pictures, note))
    if shown:
        section.heading("Quality", "scores from 0, without fault, to 1, certainly faulty")
        few = sorted(len(group.pictures) for group in shown)[len(shown) // 2] <= EXAMPLES // 2
        for group in shown if few else ():
            del group.pictures[MEMBERS:]
        section.groups(shown, fit="contain", narrow=few)
