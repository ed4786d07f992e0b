"""Packing maps into a column and reading them back."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from veduta.errors import BadInput
from veduta.pool.label_map import LARGEST, LabelMap, label_map


def shaped(kept: int = 3, count: int = 7) -> LabelMap:
    return LabelMap(4, 5, kept, tuple(f"c{i}" for i in range(count)), "offline", 320)


@pytest.mark.parametrize("kept", [1, 3, 7])
def test_the_strongest_classes_of_each_place_come_back(kept: int) -> None:
    logits = np.random.default_rng(0).standard_normal((6, 7, 4, 5)).astype(np.float32)
    shape = shaped(kept)
    column = shape.pack(logits)
    assert column.type == shape.type == shape.field("x").type
    values, ids, known = shape.unpack(column)
    assert known.all()
    for n in range(6):
        for y in range(4):
            for x in range(5):
                order = np.argsort(-logits[n, :, y, x])[:kept]
                assert ids[n, :, y, x].tolist() == order.tolist()
                assert values[n, :, y, x].tolist() == logits[n, order, y, x].astype(np.float16).tolist()


def test_equal_logits_are_kept_in_the_order_of_the_classes() -> None:
    _, ids, _ = shaped().unpack(shaped().pack(np.zeros((1, 7, 4, 5), np.float32)))
    assert (np.sort(ids, axis=1) == ids).all()


def test_logits_beyond_float16_are_cut() -> None:
    logits = np.zeros((1, 7, 4, 5), np.float32)
    logits[:, 2] = 1e6
    values, ids, _ = shaped().unpack(shaped().pack(logits))
    assert (values[:, 0] == np.float16(LARGEST)).all()
    assert (ids[:, 0] == 2).all()


@pytest.mark.parametrize("pieces", [False, True])
def test_rows_without_a_map(pieces: bool) -> None:
    logits = np.random.default_rng(1).standard_normal((4, 7, 4, 5)).astype(np.float32)
    column = shaped().pack(logits).take(pa.array([2, None, 0, None, 3]))
    if pieces:
        column = pa.chunked_array([column.slice(0, 2), column.slice(2)])
    values, ids, known = shaped().unpack(column)
    assert known.tolist() == [True, False, True, False, True]
    whole = shaped().unpack(shaped().pack(logits))
    assert (values[known] == whole[0][[2, 0, 3]]).all()
    assert (ids[known] == whole[1][[2, 0, 3]]).all()
    assert not values[~known].any()
    assert len(shaped().unpack(column.slice(0, 0))[2]) == 0


def test_the_field_says_how_it_is_made_up() -> None:
    shape = shaped()
    assert label_map(shape.field("relabel"), "a test") == shape
    with pytest.raises(
        BadInput, match="a test: the column 'label' holds string, not label maps; make them with: veduta annotate"
    ):
        label_map(pa.field("label", pa.string()), "a test")
