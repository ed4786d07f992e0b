"""The report of a pool: every chapter where its columns are, right counts, and hostile names as text."""

from __future__ import annotations

import json
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from pictures import encoded, picture
from veduta.judge.pictures import Groups, Pictures
from veduta.judge.pool_report import pool_report, verdict
from veduta.judge.pool_scan import reason_kind, scan
from veduta.judge.report import Report
from veduta.judge.thumbnails import fill, mosaic, side_for, thumbnail
from veduta.pool import Pool
from veduta.pool.lineage import Record
from veduta.pool.schema import CORE, FINGERPRINT, OPERATION, PARAMETERS

N = 60
NASTY = "<script>alert(1)</script>'\".jpg"


def made_by(operation: str, parameters: dict | None = None, mark: str = "") -> dict[bytes, bytes]:
    metadata = {OPERATION: operation.encode(), PARAMETERS: json.dumps(parameters or {}).encode()}
    return {**metadata, FINGERPRINT: mark.encode()} if mark else metadata


def add(pool: Pool, columns: dict[str, pa.Array], metadata: dict[str, dict[bytes, bytes]] | None = None) -> None:
    table = pa.table(columns)
    fields = [pa.field(f.name, f.type, metadata=(metadata or {}).get(f.name)) for f in table.schema]
    with pool.writing():
        pool.define(pa.schema(fields))
        pool.fill(table, pool.pending(table.column_names))


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Pool:
    """60 rows, two of them broken, one with a hostile name; core columns only."""
    pool = Pool.create(tmp_path_factory.mktemp("pools") / "it's.vd")
    rows = []
    for i in range(N):
        broken = i in (10, 20)
        data = encoded(picture(i), quality=85)[: 300 if broken else None]
        name = NASTY if i == 9 else f"folder/picture {i:02d}.jpg"
        error = "truncated JPEG: the file ends before the image does" if broken else None
        size = (None, None, None) if broken else (160, 120, "JPEG")
        row = {"key": name, "image": data, "bytes": len(data), "error": error, "label": f"class <{i % 3}>", "uri": ""}
        rows.append({**row, **dict(zip(("width", "height", "format"), size, strict=True))})
    with pool.writing():
        pool.append(pa.Table.from_pylist(rows, schema=pa.schema([CORE.field(name) for name in rows[0]])))
        pool.record(Record("ingest", {"source": "photos"}, 1, pool.version, rows=N, seconds=0.5))
    return pool


@pytest.fixture(scope="module")
def rich(plain: Pool, tmp_path_factory: pytest.TempPathFactory) -> Pool:
    """The same pool with every column that a report knows."""
    import shutil

    path = tmp_path_factory.mktemp("rich") / "rich.vd"
    shutil.copytree(plain.path, path)
    pool = Pool.open(path)
    rng = np.random.default_rng(0)
    good = np.ones(N, bool)
    good[[10, 20]] = False
    keys = pool.table(["key"])["key"].to_pylist()

    def column(values: list | np.ndarray, kind: pa.DataType) -> pa.Array:
        return pa.array([v if ok else None for v, ok in zip(np.asarray(values).tolist(), good)], kind)

    blurry = np.where(np.arange(N) < 5, 0.9, 0.1)
    same, near = {1: 0}, {31: 30, 32: 30, 41: 40, 1: 0}
    vectors = rng.normal(size=(N, 8))
    vectors[[31, 32, 41, 1]] = vectors[[30, 30, 40, 0]]
    vectors[32] += 0.1
    unit = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    alike = {row: float(unit[row] @ unit[head]) for row, head in near.items()}
    reason: list[str | None] = [None] * N
    for row in near:
        reason[row] = f"near-duplicate of {keys[near[row]]} (cosine {alike[row]:.3f})"
    reason[1] = f"same bytes as {keys[0]}"
    for row in (10, 20):
        reason[row] = "cannot be decoded: truncated JPEG: the file ends before the image does"
    cluster = np.arange(N) % 6
    add(
        pool,
        {
            "quality_blurry": column(blurry, pa.float32()),
            "quality_dark": column(np.zeros(N), pa.float32()),
            "quality_issues": pa.array(
                [["blurry"] if i < 5 else [] if good[i] else None for i in range(N)], pa.list_(pa.string())
            ),
            "quality_odd_size": column(np.arange(N) / N, pa.float32()),
            "odd_size_reason": pa.array([None] * (N - 1) + ["160 x 120 pixels is 9.9 times larger than typical"]),
            "embedding": pa.FixedSizeListArray.from_arrays(pa.array(unit.ravel()), 8),
            "exact_group": pa.array([0 if i < 2 else None for i in range(N)], pa.int64()),
            "duplicate_of": pa.array([keys[near[i]] if i in near else None for i in range(N)]),
            "duplicate_similarity": pa.array([alike.get(i) for i in range(N)], pa.float32()),
            "outlier": column(np.linspace(0, 1, N), pa.float32()),
            "is_outlier": column(np.linspace(0, 1, N) > 0.96, pa.bool_()),
            "label_issue": column(np.isin(np.arange(N), [3, 4, 5]), pa.bool_()),
            "label_quality": column(np.linspace(0, 1, N), pa.float32()),
            "label_suggested": column(["class <9>"] * N, pa.string()),
            "tags": pa.array([["sea", "sky"] if i % 2 else None for i in range(N)], pa.list_(pa.string())),
            "cluster": column(cluster, pa.int32()),
            "cluster_name": column([f"<i>group {c}</i>" for c in cluster], pa.string()),
            "cluster_distance": column(rng.random(N), pa.float32()),
            "x": column(rng.normal(size=N), pa.float32()),
            "y": column(rng.normal(size=N), pa.float32()),
            "select_exact": pa.array([i not in same for i in range(N)]),
            "reason_exact": pa.array([f"same bytes as {keys[0]}" if i in same else None for i in range(N)]),
            "select_proposed": pa.array([r is None for r in reason]),
            "reason_proposed": pa.array(reason, pa.string()),
        },
        {
            "embedding": made_by("embed", {"encoder": "offline"}, "f00d" * 16),
            "duplicate_of": made_by("deduplicate", {"by": "auto", "embedding": "embedding"}),
            "select_exact": made_by("exact-duplicates"),
        },
    )
    pool.record(Record("embed", {"encoder": "offline"}, 2, pool.version, rows=N, seconds=1.5))
    return pool


def headings(report: Report) -> list[str]:
    return [item.text for section in report.sections for item in section.items if item.kind == "heading"]


def grids(report: Report, title: str) -> list[Groups | Pictures]:
    section = next(s for s in report.sections if s.title == title)
    return [item for item in section.items if isinstance(item, (Groups, Pictures))]


def test_a_bare_pool_has_a_report(plain: Pool, tmp_path: Path) -> None:
    report = pool_report(plain)
    assert [s.title for s in report.sections] == [
        "What is in it", "What is wrong", "What it cost", "How it was made", "What to do next",
    ]  # fmt: skip
    assert report.verdict == "**60 images**; 2 cannot be decoded."
    html = report.save(tmp_path, "report").read_text()
    assert "<script>alert" not in html
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html
    command = next(item for item in report.sections[-1].items if item.kind == "commands").facts()["commands"][0][
        "command"
    ]
    assert """'"'"'""" in command


def test_every_chapter_appears_with_its_columns(rich: Pool) -> None:
    report = pool_report(rich, source="~/photos", timings=[{"stage": "ingest", "rows": N, "seconds": 2.0}])
    assert [s.title for s in report.sections] == [
        "What is in it", "The map", "What is wrong", "What was left out, and why", "What it cost", "How it was made",
        "What to do next",
    ]  # fmt: skip
    assert headings(report) == [
        "Clusters (6)", "Cannot be decoded", "Exact duplicates (1 in 1 group)", "Near-duplicates (3 in 2 groups)",
        "Doubtful labels (3)", "Outliers (3)", "Quality", "Examples",
    ]  # fmt: skip
    assert report.verdict == (
        "**60 images**; 2 cannot be decoded, 1 exact duplicate, 3 near-duplicates in 2 groups, 3 doubtful labels, 5 blurry, "
        "1 of odd size, 3 outliers; the selection proposed keeps **54**."
    )
    assert report.facts["counts"]["kept"] == 54
    facts = json.loads(report.to_json())
    assert facts["facts"]["timings"] == [{"stage": "ingest", "rows": N, "seconds": 2.0}]
    assert [step["operation"] for step in facts["facts"]["lineage"]] == ["ingest", "embed"]
    text = report.to_html()
    assert "open_clip" in text
    assert "f00df00df00d" in text
    assert "<i>group" not in text


def test_groups_show_their_representative_and_lowest_pair(rich: Pool) -> None:
    same, near = grids(pool_report(rich), "What is wrong")[:2]
    assert [[p.row for p in g.pictures] for g in same.groups] == [[0, 1]]
    assert [[p.row for p in g.pictures] for g in near.groups] == [[30, 32, 31], [40, 41]]
    assert [p.badge for p in near.groups[0].pictures] == ["stays", f"{_cosine(rich, 30, 32):.3f}", "1.000"]
    lowest = min(_cosine(rich, 30, 32), _cosine(rich, 31, 32), _cosine(rich, 30, 31))
    assert near.groups[0].note == f"lowest pair {lowest:.3f}"


def _cosine(pool: Pool, a: int, b: int) -> float:
    one, two = (np.array(v) for v in pool.take([a, b], ["embedding"])["embedding"].to_pylist())
    return float(one @ two)


def test_examples_are_the_worst_first_with_their_reasons(rich: Pool) -> None:
    report = pool_report(rich)
    labels = next(g for g in grids(report, "What is wrong") if isinstance(g, Pictures))
    assert [p.row for p in labels.pictures] == [3, 4, 5]
    assert [text for text, _ in labels.pictures[0].toned] == ["given: class <0>", "suggested: class <9>"]
    left = grids(report, "What was left out, and why")[0]
    assert [(g.title, len(g.pictures)) for g in left.groups] == [("Near-duplicate", 3), ("Same bytes", 1)]
    assert left.groups[1].pictures[0].lines == ["same bytes as folder/picture 00.jpg"]
    assert left.groups[1].pictures[0].facts["left out"] == "same bytes as folder/picture 00.jpg"
    quality = grids(report, "What is wrong")[-1]
    assert [(g.title, [p.row for p in g.pictures]) for g in quality.groups] == [
        ("Blurry", [0, 1, 2, 3, 4]),
        ("Odd size", [59]),
    ]


def test_clusters_are_shown_from_the_middle_outwards_without_broken_files_and_copies(rich: Pool) -> None:
    report = pool_report(rich, max_clusters=4, per_group=4)
    groups = grids(report, "What is in it")[0].groups
    assert len(groups) == 4
    distance = rich.table(["cluster_distance"])["cluster_distance"].to_pylist()
    for group in groups:
        rows = [p.row for p in group.pictures]
        inside = [i for i in range(N) if i % 6 == group.colour and i not in (10, 20, 1, 31, 32, 41)]
        assert rows[:2] == sorted(inside, key=distance.__getitem__)[:2]
        assert rows[-1] == max(inside, key=distance.__getitem__)
    assert any(item.kind == "note" for item in report.sections[0].items)


def test_an_empty_pool_has_a_report(tmp_path: Path) -> None:
    report = pool_report(Pool.create(tmp_path / "empty.vd"))
    assert report.verdict == "**0 images**; nothing wrong was found."
    assert report.save(tmp_path / "out").exists()


def test_a_pool_of_broken_files_has_a_report(tmp_path: Path) -> None:
    pool = Pool.create(tmp_path / "broken.vd")
    with pool.writing():
        pool.append(pa.table({"key": ["a"], "error": ["the file is empty"], "bytes": pa.array([0], pa.int64())}))
    report = pool_report(pool)
    assert report.banner is None
    assert "the file is empty" in report.to_html()


def test_pictures_are_small_and_the_page_is_bounded(rich: Pool, tmp_path: Path) -> None:
    start = time.perf_counter()
    page = pool_report(rich).save(tmp_path)
    assert time.perf_counter() - start < 20
    assert page.stat().st_size < 3_000_000
    for pictures in (1, 50, 400, 4000):
        assert 112 <= side_for(pictures) <= 320
    assert side_for(400) ** 2 * 400 * 0.2 * 4 / 3 < 3_000_000


def test_thumbnails_never_fail() -> None:
    assert thumbnail(None, 100) is None
    assert thumbnail(b"", 100) is None
    assert thumbnail(b"\xff\xd8\xff junk", 100) is None
    wide = thumbnail(encoded(picture(1, (600, 30)), "PNG"), 100)
    assert wide is not None
    assert wide.size == (100, 5)
    small = thumbnail(encoded(picture(1, (40, 30)), "PNG"), 100)
    assert small is not None
    assert small.size == (40, 30)
    assert mosaic([]) is None
    banner = mosaic([wide, small])
    assert banner is not None
    assert banner.size == (1600, 150)


def test_fill_reads_each_row_once(rich: Pool) -> None:
    from veduta.judge.report import Picture

    pictures = [Picture(row=0), Picture(row=0), Picture(row=10), Picture()]
    assert sorted(fill(rich, pictures, 64)) == [0]
    assert pictures[0].src == pictures[1].src != ""
    assert [p.src for p in pictures[2:]] == ["", ""]
    assert (pictures[0].width, pictures[0].height) == (64, 48)


@pytest.mark.parametrize(
    ("reason", "kind"),
    [
        ("near-duplicate of a (1).jpg (cosine 0.98)", "near-duplicate"),
        ("same bytes as 0042.jpg", "same bytes"),
        ("cannot be decoded: truncated JPEG: x", "cannot be decoded"),
        (
            "concept 3 keeps 2 of 10 rows, this one is not drawn (distance 0.2)",
            "concept … keeps … of … rows, this one is not drawn",
        ),
        ("outside the top 25 % by score (0.1 < 0.2)", "outside the top … % by score"),
        ("not an image in a known format (starts with 00)", "not an image in a known format"),
        ("", "no reason given"),
        ("(only this)", "no reason given"),
    ],
)
def test_reasons_are_counted_by_kind(reason: str, kind: str) -> None:
    assert reason_kind(reason) == kind


def test_scan_reads_small_columns_only(rich: Pool) -> None:
    found = scan(rich, rich.selections())
    assert found.rows == N
    assert found.counts("label") == [("class <0>", 20), ("class <1>", 20), ("class <2>", 20)]
    assert found.counts("tags") == [("sea", 30), ("sky", 30)]
    assert found.having("quality_issues", "blurry").tolist() == [0, 1, 2, 3, 4]
    assert found.having("label", "nothing").tolist() == []
    assert np.flatnonzero(found.failed()).tolist() == [10, 20]
    assert np.isnan(found.numbers["width"][10])
    assert not {"embedding", "key", "image", "digest"} & {*found.numbers, *found.words, *found.lists, *found.flags}


def test_verdict_in_words() -> None:
    assert verdict(1, {}, None, 0) == "**1 image**; nothing wrong was found."
    assert verdict(1000, {"near": 1, "groups": 1, "dark": 1200}, "a", 5) == (
        "**1,000 images**; 1 near-duplicate in 1 group, 1,200 too dark; the selection a keeps **5**."
    )


def test_hash_distances_are_told_in_bits(plain: Pool, tmp_path: Path) -> None:
    import shutil

    shutil.copytree(plain.path, tmp_path / "bits.vd")
    pool = Pool.open(tmp_path / "bits.vd")
    keys = pool.table(["key"])["key"].to_pylist()
    bits = {2: 1.0, 3: 5.0}
    add(
        pool,
        {
            "duplicate_of": pa.array([keys[1] if i in bits else None for i in range(N)]),
            "duplicate_similarity": pa.array([bits.get(i) for i in range(N)], pa.float32()),
        },
        {"duplicate_of": made_by("deduplicate", {"by": "hash"})},
    )
    (near,) = grids(pool_report(pool), "What is wrong")
    assert [(p.row, p.badge) for p in near.groups[0].pictures] == [(1, "stays"), (3, "5 bits"), (2, "1 bit")]
    assert near.groups[0].note == "lowest pair 5 bits apart"


def test_a_pool_whose_labels_do_not_fit_says_so(plain: Pool, tmp_path: Path) -> None:
    import shutil

    shutil.copytree(plain.path, tmp_path / "labels.vd")
    pool = Pool.open(tmp_path / "labels.vd")
    add(pool, {"label_issue": pa.array([i % 2 == 0 for i in range(N)]), "label_suggested": pa.array(["class <9>"] * N)})
    report = pool_report(pool)
    assert "More than a third of the labels are in doubt" in report.to_html()
    table = next(item for s in report.sections for item in s.items if getattr(item, "title", "") == "Most confused")
    assert table.facts()["rows"][0] == {"given": "class <0>", "suggested": "class <9>", "images": 10}
