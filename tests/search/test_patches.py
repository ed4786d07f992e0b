import numpy as np
import pytest

import veduta
from veduta.encode import load
from veduta.encode.base import resized
from veduta.errors import BadInput, MissingColumn
from veduta.search import patches
from veduta.search.exact import unit
from veduta.search.patches import count, distances, grid

from .conftest import drawing, unit_vectors


def slow_distance(query, reference):
    """Mean over the query's patches of the least L2 distance to a patch of the reference, by loops."""
    total = 0.0
    for q in query:
        total += min(float(np.sqrt(sum((a - b) ** 2 for a, b in zip(q, r, strict=True)))) for r in reference)
    return total / len(query)


def test_distance_is_the_mean_of_minima():
    query, references = unit_vectors(5, 7, seed=1), unit_vectors(6 * 14, 7, seed=2).reshape(6, 14, 7)
    expected = [slow_distance(query, reference) for reference in references]
    np.testing.assert_allclose(distances(query, references), expected, atol=1e-5)


def test_distance_is_not_symmetric():
    part, whole = np.eye(3, dtype=np.float32)[:1], np.eye(3, dtype=np.float32)
    assert distances(part, whole[None])[0] == 0
    assert distances(whole, part[None])[0] == pytest.approx(2 / 3 * np.sqrt(2))


@pytest.mark.parametrize("levels", [1, 2, 3, 4, 8])
@pytest.mark.parametrize(("h", "w"), [(224, 224), (120, 161), (3, 500), (1, 1), (7, 2)])
def test_patches_of_a_level_have_one_size_and_cover_the_image(h, w, levels):
    boxes = grid(h, w, levels)
    assert len(boxes) == count(levels) == sum(i * i for i in range(1, levels + 1))
    assert boxes[0].tolist() == [0, 0, h, w]
    at = 0
    for level in range(1, levels + 1):
        own = boxes[at : at + level * level]
        at += level * level
        assert len({(bh, bw) for _, _, bh, bw in own.tolist()}) == 1
        seen = np.zeros((h, w), bool)
        for top, left, bh, bw in own:
            assert top >= 0
            assert left >= 0
            assert top + bh <= h
            assert left + bw <= w
            seen[top : top + bh, left : left + bw] = True
        assert seen.all()


def test_stored_patches_are_those_of_the_crops(drawings):
    model = load("offline")
    image = np.asarray(drawing(3))
    crops = [image[t : t + h, x : x + w] for t, x, h, w in grid(120, 160, 2)]
    expected = model.image(np.stack([resized(crop, 224, "bilinear") for crop in crops]))
    stored, rows = drawings.vectors("embedding_patches")
    assert stored.shape == (12, 5 * 1280)
    np.testing.assert_allclose(stored[rows.tolist().index(3)].reshape(5, 1280), expected, atol=1e-3)


@pytest.mark.parametrize("levels", [1, 2, 3])
def test_search_by_image_and_row(drawings, levels):
    model = load("offline")
    stored, rows = drawings.vectors("embedding_patches")
    own = patches.embed(np.asarray(drawing(6)), levels, model)
    slow = np.array([slow_distance(own, unit(v.reshape(5, 1280))) for v in stored])
    hits = veduta.search(drawings, image=drawing(6), patches=levels, k=4)
    assert hits.rows.tolist() == rows[np.argsort(slow, kind="stable")[:4]].tolist()
    np.testing.assert_allclose(hits.scores, 1 - np.sort(slow)[:4] / 2, atol=1e-3)
    assert hits.rows[0] == 6
    if levels <= 2:
        by_row = veduta.search(drawings, row="06.png", patches=levels, k=3, where="label = 'even'")
        assert 6 not in by_row.rows
        assert by_row.rows.tolist() == [r for r in rows[np.argsort(slow, kind="stable")] if r != 6 and r % 2 == 0][:3]


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ({"text": "x"}, "one image or one row"),
        ({"row": 1, "image": drawing(0)}, "one image or one row"),
        ({"row": 1, "dedup": 0.9}, "leave out"),
        ({"row": 1, "patches": 3}, "levels stored"),
        ({"row": 1, "patches": 9}, "1 to 8"),
        ({"row": 12}, "no patches"),
        ({"row": 1, "where": "nonsense ="}, "not valid SQL"),
    ],
)
def test_wrong_use(drawings, query, words):
    with pytest.raises(BadInput, match=words):
        veduta.search(drawings, **{"patches": 2, **query})


def test_without_patches(vector_pool):
    pool = vector_pool(unit_vectors(5, 4))
    with pytest.raises(MissingColumn, match="embed-patches"):
        veduta.search(pool, row=1, patches=2)
    with pytest.raises(BadInput, match="holds no patches"):
        patches.stored(pool, "emb")
