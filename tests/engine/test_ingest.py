from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

import veduta
from items import Doubled, Given, Mean
from pictures import encoded, picture
from veduta.engine.ingest import ingest
from veduta.errors import SourceError


def files(count: int, start: int = 0) -> dict[str, bytes]:
    return {f"p{i:03d}": encoded(picture(i, (40, 30)), "PNG") for i in range(start, start + count)}


def test_one_pass_equals_two(tmp_path):
    one, two = veduta.create(tmp_path / "one.vd"), veduta.create(tmp_path / "two.vd")
    ingest(one, Given(files(20)), annotators=[Mean(), Doubled()])
    ingest(two, Given(files(20)))
    two.annotate([Mean(), Doubled()])
    assert one.digest() == two.digest()
    assert one.table(["mean"])["mean"].null_count == 0


def test_a_grown_source_does_only_the_new_work_and_ends_the_same(tmp_path):
    grown, whole = veduta.create(tmp_path / "grown.vd"), veduta.create(tmp_path / "whole.vd")
    ingest(grown, Given(files(8, 4)), annotators=[Mean()])
    report = ingest(grown, Given(files(20)), annotators=[Mean()])
    assert report.outcomes == {"unchanged": 8, "ingested": 12}
    version = grown.version
    assert ingest(grown, Given(files(20)), annotators=[Mean()]).outcomes == {"unchanged": 20}
    assert grown.version == version
    ingest(whole, Given(files(20)), annotators=[Mean()])
    assert grown.digest() == whole.digest()


def test_every_item_has_one_outcome(tmp_path):
    pool = veduta.create(tmp_path / "p.vd")
    content = files(3) | {
        "gone": FileNotFoundError(2, "No such file"),
        "locked": PermissionError(13, "Permission denied"),
    }
    content |= {"empty": b"", "text": b"hello"}
    report = ingest(pool, Given(content), annotators=[Mean()])
    assert report.outcomes == {"ingested": 3, "unreadable": 2, "undecodable": 2}
    assert report.offered == len(content) == len(pool)
    errors = dict(zip(*pool.where("error is not null").table(["key", "error"]).to_pydict().values(), strict=True))
    assert errors["gone"] == "unreadable: No such file"
    assert errors["locked"] == "unreadable: Permission denied"
    assert errors["empty"] == "the file is empty"
    assert {key for key, _, _ in report.problems} == {"gone", "locked", "empty", "text"}


def test_a_mended_file_is_tried_again_and_replaces_its_row(tmp_path):
    pool = veduta.create(tmp_path / "p.vd")
    good = files(4)
    ingest(pool, Given(good | {"p001": b"broken", "p002": OSError(5, "I/O error")}), annotators=[Mean()])
    assert pool.table(["mean"])["mean"].null_count == 2
    report = ingest(pool, Given(good), annotators=[Mean()])
    assert report.outcomes == {"unchanged": 2, "updated": 2}
    whole = veduta.create(tmp_path / "q.vd")
    ingest(whole, Given(good), annotators=[Mean()])
    assert pool.digest() == whole.digest()


def test_changed_bytes_replace_the_row_in_one_version(tmp_path):
    pool = veduta.create(tmp_path / "p.vd")
    ingest(pool, Given(files(5)))
    pool.annotate(Mean())
    before = pool.version
    changed = files(5) | {"p003": encoded(picture(99, (40, 30)), "PNG")}
    assert ingest(pool, Given(changed)).outcomes == {"unchanged": 4, "updated": 1}
    assert pool.version == before + 1
    assert pool.table(["mean"])["mean"].null_count == 1
    pool.annotate(Mean())
    assert pool.table(["mean"])["mean"].null_count == 0
    assert pool.at(before).digest() != pool.digest()


def test_two_sources_with_one_key(tmp_path):
    class Elsewhere(Given):
        def items(self):
            for item in super().items():
                item.uri = f"elsewhere/{item.key}"
                yield item

    pool = veduta.create(tmp_path / "p.vd")
    ingest(pool, Given(files(2)))
    report = ingest(pool, Elsewhere({"p001": encoded(picture(50), "PNG")}))
    assert report.outcomes == {"ingested": 1}
    assert pool.table(["key"])["key"].to_pylist() == ["p000", "p001", "given~2/p001"]
    assert "p001" in report.remarks[0]
    version = pool.version
    again = ingest(pool, Elsewhere({"p001": encoded(picture(50), "PNG")}))
    assert (again.outcomes, pool.version) == ({"unchanged": 1}, version)


def test_a_source_without_one_good_image_fails_in_words(tmp_path):
    pool = veduta.create(tmp_path / "p.vd")
    with pytest.raises(SourceError, match="none of the 2 items of given is a readable image; the first: a: "):
        ingest(pool, Given({"a": b"x", "b": b"y"}))
    assert len(pool) == 2


def test_fields_of_the_source(tmp_path):
    pool = veduta.create(tmp_path / "p.vd")
    fields = {"p000": {"label": 7, "captions": ["a", "b"], "width": 3, "extra": 1.5}}
    ingest(pool, Given(files(2), fields, extra=pa.float64(), width=pa.int64()))
    row = pool.table(["label", "captions", "width", "source_width", "extra"]).to_pylist()
    assert row[0] == {"label": "7", "captions": ["a", "b"], "width": 40, "source_width": 3, "extra": 1.5}
    assert row[1]["extra"] is None
    with pytest.raises(SourceError, match="the column 'extra' of p005 must be double, got 'many'"):
        ingest(pool, Given(files(1, 5), {"p005": {"extra": "many"}}, extra=pa.float64()))
    pool.annotate(Mean(column="made"))
    report = ingest(pool, Given(files(1, 6), {"p006": {"made": 2.0}}, made=pa.float32()))
    assert report.remarks == ["columns of the source renamed, since mean writes their names: 'made' is 'source_made'"]
    assert pool.table(["source_made"], where="key = 'p006'").to_pylist() == [{"source_made": 2.0}]


def test_many_small_commits_make_the_same_table(tmp_path, monkeypatch):
    whole, pieces = veduta.create(tmp_path / "whole.vd"), veduta.create(tmp_path / "pieces.vd")
    ingest(whole, Given(files(70)), annotators=[Mean()])
    monkeypatch.setattr("veduta.engine.ingest.COMMIT_ROWS", 16)
    ingest(pieces, Given(files(70)), annotators=[Mean()])
    assert pieces.version > whole.version
    assert whole.digest() == pieces.digest()


def test_workers_do_not_change_the_result(tmp_path, monkeypatch):
    digests = []
    for count in ("1", "3"):
        monkeypatch.setenv("VEDUTA_WORKERS", count)
        pool = veduta.create(tmp_path / f"{count}.vd")
        ingest(pool, Given(files(40)), annotators=[Mean()])
        digests.append(pool.digest())
        assert pool.table(["key"])["key"].to_pylist() == sorted(files(40))
    assert digests[0] == digests[1]
    assert np.unique(digests).size == 1


def test_a_corrected_label_arrives_although_the_bytes_are_the_same(tmp_path):
    class Stamped(Given):
        def items(self):
            for item in super().items():
                item.stamp += str(self.fields.get(item.key))
                yield item

    pool = veduta.create(tmp_path / "p.vd")
    ingest(pool, Stamped(files(3), {"p001": {"label": "cta"}}), annotators=[Mean()])
    report = ingest(pool, Stamped(files(3), {"p001": {"label": "cat"}}), annotators=[Mean()])
    assert report.outcomes == {"unchanged": 2, "changed facts": 1}
    assert report.changed == {"label": 1}
    assert pool.table(["label", "mean"], where="key = 'p001'").to_pylist()[0]["label"] == "cat"
    assert pool.table(["mean"])["mean"].null_count == 0


def test_a_touched_file_is_read_but_not_replaced(tmp_path):
    class Touched(Given):
        def items(self):
            for item in super().items():
                item.stamp += "later"
                yield item

    pool = veduta.create(tmp_path / "p.vd")
    ingest(pool, Given(files(3), {"p001": {"label": 7}}), annotators=[Mean()])
    digests = pool.table(["digest", "mean"])
    assert ingest(pool, Touched(files(3), {"p001": {"label": 7}})).outcomes == {"unchanged": 3}
    assert pool.table(["digest", "mean"]) == digests
    version = pool.version

    class Closed(Touched):
        def items(self):
            for item in super().items():
                item.read = lambda: pytest.fail("an unchanged item was read")
                yield item

    assert ingest(pool, Closed(files(3), {"p001": {"label": 7}})).outcomes == {"unchanged": 3}
    assert pool.version == version
