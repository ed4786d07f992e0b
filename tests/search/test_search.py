import numpy as np
import pytest
from PIL import Image

import veduta
from veduta.encode import load
from veduta.errors import BadInput, EncoderError, MissingColumn, SpaceMismatch
from veduta.pool.schema import FINGERPRINT
from veduta.search import space
from veduta.search.query import pixels

from .conftest import Drawings, drawing, encoded, unit_vectors


def ranked(vectors, query, allowed=None, without=None):
    """Row positions by falling cosine, by the definition."""
    order = sorted((-float(v @ query), i) for i, v in enumerate(vectors) if v is not None)
    return [i for _, i in order if (allowed is None or i in allowed) and i != without]


def test_vector_and_row(vector_pool):
    vectors = unit_vectors(200, 16)
    vectors[7] = vectors[3]  # a twin must be found although its score equals the row's own
    pool = vector_pool(vectors)
    hits = veduta.search(pool, vector=vectors[3] * 5, k=10, embedding="emb")
    assert hits.rows.tolist() == ranked(vectors, vectors[3])[:10]
    assert hits.keys == [f"k{i}" for i in hits.rows]
    for row in (3, "k3", np.int64(3)):
        hits = veduta.search(pool, row=row, k=10, embedding="emb")
        assert hits.rows.tolist() == ranked(vectors, vectors[3], without=3)[:10]
        assert hits.rows[0] == 7
    twin = veduta.search(pool, row=7, k=3, embedding="emb")
    assert twin.rows[0] == 3
    assert 7 not in twin.rows


@pytest.mark.parametrize("few", [0, 4096])
def test_filter_is_applied_before_the_ranking(vector_pool, monkeypatch, few):
    monkeypatch.setattr("veduta.search.lens.FEW", few)
    vectors = unit_vectors(300, 8)
    labels = ["rare" if i % 50 == 0 else "common" for i in range(300)]
    pool = vector_pool(vectors, label=labels)
    hits = veduta.search(pool, vector=vectors[9], k=5, where="label = 'rare'", embedding="emb")
    assert hits.rows.tolist() == ranked(vectors, vectors[9], allowed=range(0, 300, 50))[:5]
    assert len(veduta.search(pool, vector=vectors[9], k=50, where="label = 'rare'", embedding="emb")) == 6
    assert len(veduta.search(pool, vector=vectors[9], where="label = 'none'", embedding="emb")) == 0
    view = veduta.search(pool.where("label = 'rare'"), vector=vectors[9], k=5, embedding="emb")
    assert view.rows.tolist() == hits.rows.tolist()


def test_rows_without_a_direction_are_not_found(vector_pool):
    vectors = [*unit_vectors(5, 4), None, np.zeros(4), np.full(4, np.nan)]
    hits = veduta.search(vector_pool(vectors), vector=[1, 0, 0, 0], k=99, embedding="emb")
    assert sorted(hits.rows) == [0, 1, 2, 3, 4]
    assert "2 rows have a vector of no direction" in hits.notes[0]


def test_larger_than_memory_is_streamed(vector_pool, monkeypatch):
    vectors = unit_vectors(300, 8)
    pool = vector_pool(vectors)
    monkeypatch.setattr("veduta.search.blocks.CACHE_BYTES", 1000)
    assert veduta.search(pool, row=5, k=9, embedding="emb").rows.tolist() == ranked(vectors, vectors[5], without=5)[:9]


def test_weights_and_toward(vector_pool):
    vectors = unit_vectors(100, 8)
    pool = vector_pool(vectors)
    a, b = vectors[1], vectors[2]
    hits = veduta.search(pool, row=1, vector=b, weights={"vector": 0.3}, k=5, embedding="emb")
    assert hits.rows.tolist() == ranked(vectors, a + 0.3 * b, without=1)[:5]
    hits = veduta.search(pool, vector=a, toward=(b, -0.5), k=5, embedding="emb")
    assert hits.rows.tolist() == ranked(vectors, a - 0.5 * b)[:5]


def test_dedup_refills(vector_pool):
    rng = np.random.default_rng(0)
    centres = unit_vectors(40, 16)
    copies = np.repeat(centres, 25, axis=0) + 0.001 * rng.normal(size=(1000, 16))
    vectors = (copies / np.linalg.norm(copies, axis=1, keepdims=True)).astype(np.float32)
    pool = vector_pool(vectors)
    hits = veduta.search(pool, vector=centres[0], k=30, dedup=0.99, embedding="emb")
    kept = []
    for i in ranked(vectors, centres[0]):
        if all(vectors[i] @ vectors[j] <= 0.99 for j in kept):
            kept.append(i)
    assert hits.rows.tolist() == kept[:30]
    assert len(veduta.search(pool, vector=centres[0], k=99, dedup=0.99, embedding="emb")) == 40


def test_text_meets_images_in_the_joint_space(drawings):
    model = load("offline")
    stored, rows = drawings.vectors("embedding_text")
    scores = stored @ model.text(["a red ball"])[0]
    hits = veduta.search(drawings, text="a red ball", k=5)
    assert hits.rows.tolist() == rows[np.argsort(-scores, kind="stable")[:5]].tolist()
    np.testing.assert_allclose(hits.scores, np.sort(scores)[::-1][:5], atol=1e-5)
    both = veduta.search(drawings, text="a red ball", image=drawing(4), weights={"text": 0.5}, k=5)
    mixed = stored @ (0.5 * model.text(["a red ball"])[0] + stored[4])
    assert both.rows.tolist() == rows[np.argsort(-mixed, kind="stable")[:5]].tolist()
    assert (
        veduta.search(drawings, text="a red ball", embedding="embedding_text", k=5).rows.tolist() == hits.rows.tolist()
    )


@pytest.mark.parametrize("form", ["path", "bytes", "pil", "array", "rgba", "str"])
def test_an_image_of_any_form_finds_itself(drawings, tmp_path, form):
    picture = drawing(8)
    (tmp_path / "q.png").write_bytes(encoded(picture))
    given = {
        "path": tmp_path / "q.png", "str": str(tmp_path / "q.png"), "bytes": encoded(picture), "pil": picture,
        "array": np.asarray(picture), "rgba": np.asarray(picture.convert("RGBA")),
    }[form]  # fmt: skip
    hits = veduta.search(drawings, image=given, k=2)
    assert hits.rows[0] == 8
    assert hits.scores[0] > 0.9999


def test_pixels_follow_the_rules_of_ingest():
    grey = np.arange(12, dtype=np.uint8).reshape(3, 4)
    assert pixels(grey).shape == (3, 4, 3)
    turned = encoded(Image.fromarray(np.zeros((4, 8, 3), np.uint8)), "JPEG", exif=_orientation(6))
    assert pixels(turned).shape == (8, 4, 3)
    import io

    assert pixels(Image.open(io.BytesIO(turned))).shape == (8, 4, 3)


def _orientation(value):
    exif = Image.Exif()
    exif[0x0112] = value
    return exif.tobytes()


def test_hits_read_like_a_table(drawings):
    hits = veduta.search(drawings, row="04.png", k=3, columns=["split", "label", "width"])
    assert hits.table.column_names == ["_row", "score", "key", "split", "label", "width"]
    assert [hit.key for hit in hits] == hits.keys
    assert hits[0].fields["width"] == 160
    text = repr(hits)
    assert hits.keys[2] in text
    assert "split" not in text  # a column of nulls says nothing
    from rich.console import Console

    console = Console(width=100, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    console.print(hits.rich())
    assert hits.keys[2] in console.export_text()
    assert len(veduta.search(drawings, text="ball", k=100)) == 12


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ({}, "one or more of text, image, row, vector"),
        ({"text": "  "}, "text must be"),
        ({"text": "x", "k": 0}, "k must be"),
        ({"row": "absent.png"}, "not a key"),
        ({"row": 13}, "from 0 to 12"),
        ({"row": -1}, "from 0 to 12"),
        ({"row": True}, "key or a position"),
        ({"row": "broken.png"}, "has no vector"),
        ({"vector": [1.0, 2.0]}, "1280 values"),
        ({"vector": np.zeros(1280)}, "no direction"),
        ({"vector": np.full(1280, np.nan)}, "finite"),
        ({"image": "absent.png"}, "cannot be read"),
        ({"image": b"no image"}, "cannot be decoded"),
        ({"image": np.zeros((2, 2), float)}, "uint8"),
        ({"image": 5}, "int"),
        ({"text": "x", "where": "nonsense ="}, "not valid SQL"),
        ({"text": "x", "dedup": 2}, "dedup must be"),
        ({"text": "x", "weights": {"image": 1}}, "not part of this query"),
        ({"text": "x", "toward": "y"}, "toward must be"),
        ({"text": "x", "weights": {"text": 0}}, "cancels out"),
        ({"row": 0, "embedding": "label"}, "not vectors"),
        ({"row": 0, "embedding": "embedding_patches"}, "patches=LEVELS"),
        ({"row": 0, "exact": False}, "needs no vector index"),
    ],
)
def test_wrong_use_is_one_sentence(drawings, query, words):
    with pytest.raises(BadInput, match=words) as caught:
        veduta.search(drawings, **query)
    assert "\n" not in str(caught.value)


def test_missing_columns_name_the_mend(drawings, vector_pool):
    with pytest.raises(MissingColumn, match="veduta annotate embed"):
        veduta.search(drawings, text="x", embedding="absent")
    plain = vector_pool(unit_vectors(5, 4))
    for part in ({"text": "x"}, {"image": drawing(0)}):
        with pytest.raises(BadInput, match="was not made by an encoder"):
            veduta.search(plain, embedding="emb", **part)


def test_another_encoder_is_refused(tmp_path, drawings, monkeypatch):
    real = load("offline")

    class Other:
        def __getattr__(self, name):
            return "0" * 64 if name.endswith("fingerprint") else getattr(real, name)

    monkeypatch.setattr(space, "shared", lambda uri: Other())
    with pytest.raises(SpaceMismatch, match="another space"):
        veduta.search(drawings, text="x")


def test_an_encoder_without_text(drawings, monkeypatch):
    real = load("offline")
    stored = drawings.schema.field("embedding").metadata[FINGERPRINT].decode()

    class Mute:
        text_dim, uri, fingerprint, shared, text_fingerprint = None, "timm:mute", stored, False, None

        def __getattr__(self, name):
            return getattr(real, name)

    monkeypatch.setattr(space, "shared", lambda uri: Mute())
    with pytest.raises(EncoderError, match="'timm:mute' of the column 'embedding' has no text side"):
        veduta.search(drawings, text="x")


def test_a_shared_encoder_searches_one_column(drawings, monkeypatch):
    real = load("offline")
    stored = drawings.schema.field("embedding").metadata[FINGERPRINT].decode()
    word = unit_vectors(1, 1280)

    class Shared:
        text_dim, uri, fingerprint, shared, text_fingerprint = 1280, "open_clip:x", stored, True, stored

        def text(self, texts):
            return np.repeat(word, len(texts), 0)

        def __getattr__(self, name):
            return getattr(real, name)

    monkeypatch.setattr(space, "shared", lambda uri: Shared())
    vectors, rows = drawings.vectors("embedding")
    hits = veduta.search(drawings, text="x", image=drawing(3), k=4)
    assert hits.rows.tolist() == rows[np.argsort(-(vectors @ (word[0] + vectors[3])), kind="stable")[:4]].tolist()


def test_the_module_is_the_function():
    from veduta.search import search

    assert callable(veduta.search)
    assert search is veduta.search
    assert {"index", "subset", "Query"} <= set(dir(veduta.search))
    with pytest.raises(AttributeError):
        _ = veduta.search.absent


def test_subset_is_a_selection_with_reasons(tmp_path):
    from veduta.annotate.embed import Embed

    pool = veduta.create(tmp_path / "s.vd")
    pool.ingest(Drawings())
    pool.annotate(Embed())
    texts = ["a red ball", "a blue box"]
    vectors, rows = pool.vectors("embedding_text")
    scores = vectors @ load("offline").text(texts).T
    wanted = {int(rows[i]) for q in range(2) for i in np.argsort(-scores[:, q], kind="stable")[:3]}
    chosen = veduta.search.subset(pool, texts, k=3, name="shapes")
    assert set(chosen.rows().tolist()) == wanted
    stored = pool.selection("shapes")
    reasons = stored.reasons.to_pylist()
    assert reasons[12] == "has no vector to compare with the texts"
    assert all(("not among the best 3" in (reasons[i] or "")) != (i in wanted) for i in range(12))
    nearest = pool.table(["shapes_text", "shapes_text_score"])
    assert nearest.column(0).to_pylist()[:12] == [texts[i] for i in scores.argmax(1)]
    np.testing.assert_allclose(nearest.column(1).to_pylist()[:12], scores.max(1), atol=1e-5)
    bar = float(np.sort(scores.max(1))[-4]) - 1e-6
    some = veduta.search.subset(pool, texts, k=None, min_score=bar, name="bar", where="label = 'even'")
    assert set(some.rows()) == {i for i in range(0, 12, 2) if scores[i].max() >= bar}
    assert "does not satisfy label = 'even'" in some.reasons.to_pylist()[1]


@pytest.mark.parametrize(
    "bad", [{"text": []}, {"text": ["  "]}, {"text": ["x"], "k": None}, {"text": ["x"], "min_score": 3}]
)
def test_query_refuses_what_cannot_be_meant(drawings, bad):
    with pytest.raises(BadInput):
        veduta.search.Query(**bad).check(drawings)
