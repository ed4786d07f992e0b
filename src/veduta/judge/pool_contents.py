"""The report's chapter on what a pool holds: formats, sizes, classes, a contact sheet per cluster, a map."""

from __future__ import annotations

import numpy as np

from veduta.judge import words
from veduta.judge.pool_scan import Scan
from veduta.judge.report import Group, Histogram, Picture, Report, Scatter, Section

MAP_POINTS = 12_000
CLASSES = 15
FEW = 5


def contents(report: Report, scan: Scan, *, max_clusters: int, per_group: int) -> None:
    """Add the chapters "What is in it" and, where there are coordinates, "The map"."""
    section = report.section("What is in it")
    _classes(section, scan)
    _files(section, scan)
    picked = _clusters(section, scan, max_clusters, per_group)
    if "x" in scan.numbers and "y" in scan.numbers:
        _map(report.section("The map"), scan, picked)


def _classes(section: Section, scan: Scan) -> None:
    for column, title in (("label", "Classes"), ("split", "Splits"), ("tag", "Tags"), ("tags", "Tags")):
        if column not in scan.words and column not in scan.lists:
            continue
        counts = scan.counts(column)
        note, most = "", CLASSES if counts[0][1] > 3 else FEW
        if len(counts) > most:
            rest = sum(number for _, number in counts[most:])
            least = counts[-1][1]
            note = f"and {len(counts) - most:,} more with {words.count(rest, 'image')}; the smallest has {least:,}"
        elif len(counts) > 1 and column == "label":
            note = f"largest to smallest: {words.number(counts[0][1] / counts[-1][1])} to 1"
        section.bars(f"{title} ({len(counts):,})", counts[:most], note=note, total=scan.rows)


def _files(section: Section, scan: Scan) -> None:
    if "format" in scan.words:
        section.bars("Formats", scan.counts("format"), total=scan.rows)
    if "width" in scan.numbers and "height" in scan.numbers:
        width, height = scan.numbers["width"], scan.numbers["height"]
        good = np.isfinite(width) & np.isfinite(height)
        common = _sizes(width[good], height[good])
        if good.any():
            short = np.minimum(width, height)[good]
            middle = f"half of the images have at least {np.median(short):,.0f} pixels"
            spread = short.min() != short.max()
            if spread:
                section.add(
                    Histogram.of(short, title="Short side", unit="px", log=short.max() > 8 * short.min(), note=middle)
                )
            section.bars(f"Sizes ({len(common):,})", common[:8], total=scan.rows, note="" if spread else middle)
    if "bytes" in scan.numbers:
        kilo = scan.numbers["bytes"] / 1000
        kilo = kilo[np.isfinite(kilo) & (kilo > 0)]
        if len(kilo):
            note = f"{words.size(kilo.sum() * 1000)} in all, {words.size(np.median(kilo) * 1000)} each in the middle"
            section.add(Histogram.of(kilo, title="File size", unit="kB", log=True, note=note))


def _sizes(width: np.ndarray, height: np.ndarray) -> list[tuple[str, int]]:
    joint, counts = np.unique(width.astype(np.int64) << 32 | height.astype(np.int64), return_counts=True)
    order = np.argsort(-counts, kind="stable")
    return [(f"{joint[i] >> 32} × {joint[i] & 0xFFFFFFFF}", int(counts[i])) for i in order]


def _clusters(section: Section, scan: Scan, most: int, per_group: int) -> list[tuple[int, str, Picture]]:
    """Contact sheets; returns (cluster, name, picture of its centre) of every cluster shown."""
    good = ~scan.failed()
    # One picture of every duplicate group is enough to look at.
    fresh = scan.words["duplicate_of"][0] < 0 if "duplicate_of" in scan.words else np.ones(scan.rows, bool)
    if "cluster" in scan.numbers:
        cluster = np.nan_to_num(scan.numbers["cluster"], nan=-1).astype(np.int64)
        codes, names = scan.words.get("cluster_name", (np.full(scan.rows, -1), []))
        title, what = "Clusters", "pictures that look alike, the most typical first"
    elif "label" in scan.words:
        codes, names = scan.words["label"]
        cluster = codes.astype(np.int64)
        title, what = "Classes", "a few of each"
    else:
        section.heading("A look inside", "evenly spaced over the pool")
        rows = np.flatnonzero(good & fresh)
        section.images([Picture(row=int(row)) for row in _spread(rows, 32)], fit="cover")
        return []
    ids, counts = np.unique(cluster[good & (cluster >= 0)], return_counts=True)
    order = np.argsort(-counts, kind="stable")
    section.heading(f"{title} ({len(ids):,})", what)
    groups, picked = [], []
    for group in ids[order][:most].tolist():
        inside = good & (cluster == group)
        rows = np.flatnonzero(inside & fresh) if (inside & fresh).any() else np.flatnonzero(inside)
        rows = _typical(rows, scan.numbers.get("cluster_distance"), per_group)
        first = int(codes[rows[0]])
        name = names[first] if first >= 0 else f"cluster {group}"
        number = int(counts[ids == group][0])
        pictures = [Picture(row=int(row)) for row in rows]
        groups.append(
            Group(name, pictures, f"{words.count(number, 'image')} · {words.share(number, scan.rows)}", group)
        )
        picked.append((group, name, Picture(row=int(rows[0]))))
    section.groups(groups, fit="cover")
    if len(ids) > most:
        rest = int(np.sort(counts)[: len(ids) - most].sum())
        section.note(f"{len(ids) - most:,} smaller groups with {words.count(rest, 'image')} are not shown.")
    return picked


def _typical(rows: np.ndarray, distance: np.ndarray | None, most: int) -> np.ndarray:
    """Half from the middle of a cluster, half spread towards its edge, so that both its idea and its extent show."""
    if distance is None or len(rows) <= most:
        order = rows if distance is None else rows[np.argsort(np.nan_to_num(distance[rows], nan=np.inf), kind="stable")]
        return _spread(order, most)
    order = rows[np.argsort(np.nan_to_num(distance[rows], nan=np.inf), kind="stable")]
    near = most - most // 2
    return np.concatenate([order[:near], _spread(order[near:], most - near)])


def _spread(rows: np.ndarray, most: int) -> np.ndarray:
    if len(rows) <= most:
        return rows
    return rows[np.linspace(0, len(rows) - 1, most).round().astype(int)]


def _map(section: Section, scan: Scan, picked: list[tuple[int, str, Picture]]) -> None:
    x, y = scan.numbers["x"], scan.numbers["y"]
    rows = np.flatnonzero(np.isfinite(x) & np.isfinite(y))
    rows = _spread(rows, MAP_POINTS)
    if "cluster" in scan.numbers:
        cluster = np.nan_to_num(scan.numbers["cluster"], nan=-1).astype(np.int64)
    else:
        cluster = scan.words["label"][0].astype(np.int64) if "label" in scan.words else np.full(scan.rows, -1)
    shown = {group: name for group, name, _ in picked}
    groups = np.where(np.isin(cluster[rows], list(shown)), cluster[rows], -1)
    pins = []
    for group, _, picture in picked:
        inside = rows[groups == group]
        if len(inside) and picture.row is not None:
            at = picture.row if np.isfinite(x[picture.row]) else int(inside[0])
            pins.append((group, float(x[at]), float(y[at]), Picture(row=picture.row)))
    note = f"{len(rows):,} of {scan.rows:,} images; near on the map means alike to the encoder"
    section.add(Scatter("Every image is a dot, every cluster a colour", x[rows], y[rows], groups, shown, pins, note))
