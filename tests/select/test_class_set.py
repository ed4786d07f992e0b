"""class-set: sizes, balance, reasons."""

from __future__ import annotations

from collections import Counter

import pytest

import veduta
from items import Given
from pictures import encoded, picture
from veduta.errors import BadInput
from veduta.select.class_set import ClassSet

SIZES = {"mug": 7, "sofa": 5, "lamp": 4, "rare": 1}


@pytest.fixture
def pool(tmp_path):
    labels = [name for name, size in SIZES.items() for _ in range(size)] + [None]
    pool = veduta.create(tmp_path / "p.vd")
    content = {f"k{i:02d}": encoded(picture(i, (40, 40)), "PNG") for i in range(len(labels))} | {
        "z": b"\xff\xd8\xffbroken"
    }
    pool.ingest(
        Given(content, {f"k{i:02d}": {"label": name} for i, name in enumerate(labels)} | {"z": {"label": "mug"}})
    )
    return pool


def sizes(pool, chosen):
    return Counter(pool.take(chosen.rows(), ["label"])["label"].to_pylist())


def test_sizes(pool):
    assert sizes(pool, pool.select(ClassSet(min_per_class=4))) == {"mug": 4, "sofa": 4, "lamp": 4}
    assert sizes(pool, pool.select(ClassSet(min_per_class=5))) == {"mug": 5, "sofa": 5}
    assert sizes(pool, pool.select(ClassSet(min_per_class=4, balanced=False))) == {"mug": 7, "sofa": 5, "lamp": 4}
    assert sizes(pool, pool.select(ClassSet(min_per_class=1, per_class=2, balanced=False))) == {
        "mug": 2,
        "sofa": 2,
        "lamp": 2,
        "rare": 1,
    }
    assert sizes(pool, pool.select(ClassSet(min_per_class=1, per_class=2))) == {
        "mug": 1,
        "sofa": 1,
        "lamp": 1,
        "rare": 1,
    }


def test_reasons_and_seeds(pool):
    chosen = pool.select(ClassSet(min_per_class=4))
    reasons = Counter(chosen.reasons.to_pylist())
    assert reasons["no class"] == 1
    assert reasons["cannot be decoded"] == 1
    assert reasons["label 'rare' has 1 rows, fewer than 4"] == 1
    assert reasons["not drawn (4 of 7 drawn from label 'mug')"] == 3
    other = pool.select(ClassSet(min_per_class=4, seed=1), name="other")
    assert (chosen.keep != other.keep).any()


def test_fewer_than_two_classes(pool):
    with pytest.raises(BadInput, match=r"at least 6 rows, got 1 of 4 \(the largest: 'mug' \(7\)"):
        pool.select(ClassSet(min_per_class=6))
    with pytest.raises(BadInput, match="one class a row"):
        pool.select(ClassSet(by="captions"))
