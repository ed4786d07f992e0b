"""A source that is away: rows wait, nothing counts as done that is not, and the same command completes them."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import veduta
from pictures import encoded, picture
from veduta.engine.operation import Annotator
from veduta.engine.registry import find, of_verb
from veduta.errors import SourceAway, VedutaError
from veduta.pool import Pool, unread

# Parameters that others need, or that keep them short.
GIVEN: dict[str, dict[str, Any]] = {
    "reinforce": {"target": None, "samples": 2},
}


def decoders() -> list[str]:
    """All annotators of the registry that look at pixels and can be made without anything from outside."""
    found = []
    for name in of_verb("annotate"):
        kind = find(f"annotate.{name}")
        if not issubclass(kind, Annotator):
            continue
        try:
            if kind(**GIVEN.get(name, {})).side:
                found.append(name)
        except (VedutaError, OSError):
            continue
    return found


def same(one: Pool, other: Pool) -> None:
    """Both hold the same columns and values; vectors within what the size of a batch changes."""
    assert one.schema.names == other.schema.names
    for name in one.schema.names:
        if name in ("image", "uri", "stamp", "origin"):
            continue
        a, b = one.table([name])[name].to_pylist(), other.table([name])[name].to_pylist()
        if a and isinstance(next((v for v in a if v is not None), None), (float, list)) and _numbers(a):
            assert [v is None for v in a] == [v is None for v in b], name
            for x, y in zip(a, b, strict=True):
                if x is not None:
                    np.testing.assert_allclose(x, y, rtol=1e-3, atol=1e-4, err_msg=name)
        else:
            assert a == b, name


def _numbers(values: list[Any]) -> bool:
    flat = next((v for v in values if v is not None), None)
    return isinstance(flat, float) or (isinstance(flat, list) and bool(flat) and isinstance(flat[0], (int, float)))


@pytest.mark.parametrize("name", decoders())
def test_every_annotator_waits_for_a_folder_that_is_away(name: str, make_folder, tmp_path: Path) -> None:
    folder = make_folder(8)
    operation: Any = find(f"annotate.{name}")(**GIVEN.get(name, {}))
    pool, calm = veduta.create(tmp_path / "p.vd"), veduta.create(tmp_path / "calm.vd")
    for each in (pool, calm):
        each.ingest(folder, store="reference")
    try:
        operation.check(pool)
    except VedutaError as error:
        pytest.skip(str(error))
    calm.annotate(operation)
    shutil.move(folder / "class_1", tmp_path / "away")
    pool.annotate(operation)
    first = operation.adds().names[0]
    assert len(unread.rows(pool, [first])) == 4
    assert len(unread.told(pool, operation.adds().names)) == 1
    assert "4 rows wait" in unread.told(pool)[0]
    version = pool.version
    pool.annotate(operation)  # nothing has come back
    assert pool.version == version
    assert len(unread.rows(pool, [first])) == 4
    shutil.move(tmp_path / "away", folder / "class_1")
    pool.annotate(operation)
    assert not unread.told(pool)
    same(pool, calm)
    version = pool.version
    pool.annotate(operation)
    assert pool.version == version


def test_what_reads_a_column_that_waits_waits_too_and_is_made_anew(make_folder, tmp_path: Path) -> None:
    folder = make_folder(8)
    pool, calm = veduta.create(tmp_path / "p.vd"), veduta.create(tmp_path / "calm.vd")
    steps = [find("annotate.quality")(), find("annotate.perceptual-hash")(), find("annotate.embed")()]
    cluster: Any = find("annotate.cluster")(count=2)
    for each in (pool, calm):
        each.ingest(folder, store="reference")
    calm.annotate(steps)
    shutil.move(folder, tmp_path / "away")
    pool.annotate(steps)
    assert len(unread.told(pool)) == 3
    with pytest.raises(SourceAway, match="8 rows wait"):
        pool.select(find("select.deduplicate")())
    pool.annotate(cluster)  # of nothing; made anew when the vectors are there
    shutil.move(tmp_path / "away", folder)
    pool.annotate([*steps, cluster])
    calm.annotate(cluster)
    same(pool, calm)


def test_another_picture_under_the_name_and_a_corrupt_one(make_folder, tmp_path: Path) -> None:
    folder = make_folder(6)
    (folder / "class_0" / "bad.jpg").write_bytes(b"\xff\xd8\xff" + b"0" * 200)
    pool = veduta.create(tmp_path / "p.vd")
    pool.ingest(folder, store="reference")
    target = folder / "class_0" / "picture_000.jpg"
    old = target.read_bytes()
    target.write_bytes(encoded(picture(99), quality=90))
    quality: Any = find("annotate.quality")()
    pool.annotate(quality)
    (sentence,) = unread.told(pool)
    assert "1 row waits" in sentence
    assert unread.MOVED in sentence
    target.write_bytes(old)
    pool.annotate(quality)
    assert not unread.told(pool)
    assert pool.table(["quality_blurry"], where="error is null").column(0).null_count == 0


def test_undo_takes_the_marks_along(make_folder, tmp_path: Path) -> None:
    folder = make_folder(4)
    pool = veduta.create(tmp_path / "p.vd")
    pool.ingest(folder, store="reference")
    before = pool.schema.names
    os.rename(folder, tmp_path / "away")
    pool.annotate(find("annotate.quality")())  # pyright: ignore[reportArgumentType]
    assert unread.told(pool)
    pool.undo()
    assert pool.schema.names == before
    assert not unread.told(pool)
