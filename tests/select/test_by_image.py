from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

import veduta
from items import Given
from pictures import encoded, picture
from veduta.annotate.embed import Embed
from veduta.errors import BadInput, NothingToDo
from veduta.search.by_text import ByText
from veduta.select.by_image import ByImage
from veduta.select.nearest import taken


def unit(n: int, d: int, seed: int) -> np.ndarray:
    x = np.random.default_rng(seed).normal(size=(n, d))
    return (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32)


@pytest.mark.parametrize(("q", "n", "k"), [(5, 60, 3), (7, 20, 4), (1, 9, 2), (30, 400, 5), (3, 4, 9)])
def test_taken_is_greedy_over_all_pairs(q: int, n: int, k: int):
    queries, vectors = unit(q, 3, q), unit(n, 3, n)
    queries[: q // 2] = queries[0]  # many that want the same rows
    owner, room = [-1] * n, [k] * q
    cosines = queries @ vectors.T
    for query, row in sorted(((i, j) for i in range(q) for j in range(n)), key=lambda p: (-cosines[p], *p)):
        if owner[row] < 0 and room[query]:
            owner[row] = query
            room[query] -= 1
    found, score = taken(queries, vectors, k)
    assert found.tolist() == owner
    for row, query in enumerate(owner):
        assert np.isnan(score[row]) if query < 0 else score[row] == pytest.approx(cosines[query, row], abs=1e-6)


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("near") / "p.vd"
    content = {f"k{i:02d}": encoded(picture(i % 9, (64, 48)), "JPEG", quality=60 + i) for i in range(30)}
    fields = {
        key: {"label": f"scene {i % 9}" if i < 9 else None, "split": "test" if i >= 27 else "train"}
        for i, key in enumerate(content)
    }
    made = veduta.create(path)
    made.ingest(Given({**content, "zz": b"broken"}, fields), annotators=[Embed()])
    return path


def test_neighbours_inherit_the_label_of_their_seed(pool: Path):
    opened = veduta.open(pool)
    found = opened.select(ByImage(seeds="label is not null", k=2), name="near")
    rows = opened.table(["key", "inherited", "inherited_seed", "inherited_cosine", "split"]).to_pylist()
    kept = [rows[i] for i in found.rows()]
    assert len(kept) == 18
    for row in kept:
        number = int(row["key"][1:]) % 9
        assert (row["inherited"], row["inherited_seed"]) == (f"scene {number}", f"k0{number}")
        assert row["inherited_cosine"] > 0.8
        assert row["split"] == "train"
    reasons = dict(zip([row["key"] for row in rows], found.reasons.to_pylist(), strict=True))
    assert reasons["k00"] == "a seed"
    assert reasons["k29"] == "does not satisfy split is null or split = 'train'"
    assert reasons["zz"] == "no vector in embedding"
    assert opened.table(["inherited"]).column(0).null_count == 31 - 18


def test_classes_take_what_their_names_find(pool: Path):
    opened = veduta.open(pool)
    found = opened.select(ByText(classes=("a dog", "a piece of cloth"), k=4, where="split = 'train'"), name="said")
    names = opened.table(["by_text"]).column(0).to_pylist()
    assert sorted(names[i] for i in found.rows()) == ["a dog"] * 4 + ["a piece of cloth"] * 4
    assert found.columns["by_text_cosine"].type == pa.float32()


def test_nothing_to_start_from(pool: Path):
    opened = veduta.open(pool)
    with pytest.raises(NothingToDo, match="name other seeds"):
        opened.select(ByImage(seeds="key = 'none'"))
    with pytest.raises(BadInput, match="no row with a vector satisfies"):
        opened.select(ByText(classes=("dog",), where="key = 'none'"))
    with pytest.raises(BadInput, match="classes"):
        ByText(classes=("dog", "dog"))
    with pytest.raises(BadInput, match="templates"):
        ByText(classes=("dog",), templates=("a photo",))
