"""Tags and image-text scores against their formulas, with the offline encoder's texts."""

import numpy as np
import pyarrow as pa
import pytest
from tests.annotate.pools import made_by_embed, pool_of, unit, vectors_of

from veduta.annotate.align import Align
from veduta.annotate.text_space import class_vectors
from veduta.annotate.zero_shot import ZeroShot, best_names
from veduta.encode import shared
from veduta.errors import BadInput, EncoderError, MissingColumn, SpaceMismatch

NAMES = ("dog", "airplane", "pizza")


@pytest.fixture(scope="module")
def offline():
    return shared("offline")


def text_pool(path, offline, values, **columns):
    metadata = {"embedding_text": made_by_embed(offline.text_fingerprint)}
    return pool_of(path, {"embedding_text": values, **columns}, metadata)


def test_best_names_is_the_softmax_of_cosines():
    rng = np.random.default_rng(0)
    vectors, classes = unit(rng.standard_normal((6, 4))), unit(rng.standard_normal((5, 4)))
    order, score = best_names(vectors, classes, 0.07, 2)
    for i in range(6):
        logits = [float(vectors[i] @ c) / 0.07 for c in classes]
        chances = np.exp(logits) / np.sum(np.exp(logits))
        assert order[i].tolist() == sorted(range(5), key=lambda c: -chances[c])[:2]
        assert score[i] == pytest.approx(chances.max(), rel=1e-4)
    assert best_names(vectors[:0], classes, 1, 9)[0].shape == (0, 5)


def test_tags_follow_the_texts(tmp_path, offline):
    texts = offline.text(["a puppy playing", "a jet in the sky", "pizza with cheese", "x"])
    pool = text_pool(tmp_path / "p.vd", offline, vectors_of(texts, missing=(3,)))
    pool.annotate(ZeroShot(classes=NAMES, top=2))
    table = pool.table(["tag", "tag_score", "tags"]).to_pydict()
    assert table["tag"] == [*NAMES, None]
    assert table["tags"][3] is None
    assert all(len(tags) == 2 and tags[0] == tag for tags, tag in zip(table["tags"][:3], table["tag"], strict=False))
    assert all(1 / 3 < score < 1 for score in table["tag_score"][:3])
    two = class_vectors("offline", NAMES, ("{}", "a photo of a {}"))
    mean = offline.text(["dog", "a photo of a dog"]).mean(0)
    assert two[0] == pytest.approx(mean / np.linalg.norm(mean), abs=1e-6)


def test_alignment_is_the_cosine_over_the_captions(tmp_path, offline):
    captions = [["a dog", "a red car"], ["a plane"], [], None, ["", "  "]]
    images = offline.text(["a dog", "a dog", "a dog", "a dog", "a dog"])
    pool = text_pool(tmp_path / "p.vd", offline, vectors_of(images), captions=pa.array(captions, pa.list_(pa.string())))
    pool.annotate([Align(), Align(over="mean", column="mean_alignment")])
    table = pool.table(["alignment", "mean_alignment"]).to_pydict()
    own = offline.text(["a dog", "a red car", "a plane"]) @ images[0]
    assert table["alignment"][0] == pytest.approx(1, abs=1e-4)
    assert table["alignment"][1] == pytest.approx(float(own[2]), abs=1e-4)
    assert table["mean_alignment"][0] == pytest.approx(float(own[:2].mean()), abs=1e-4)
    assert table["alignment"][2:] == [None] * 3


def test_a_string_column_serves_as_text(tmp_path, offline):
    images = offline.text(["a dog", "a dog"])
    pool = text_pool(tmp_path / "p.vd", offline, vectors_of(images), title=["a dog", None], size=[1, 2])
    pool.annotate(Align(text="title"))
    assert pool.table(["alignment"]).column(0).to_pylist() == [pytest.approx(1, abs=1e-4), None]
    with pytest.raises(BadInput, match="'size' holds int64"):
        pool.annotate(Align(text="size"))


def test_wrong_spaces_and_parameters_are_refused(tmp_path, offline):
    images = offline.text(["a dog"])
    pool = pool_of(
        tmp_path / "p.vd", {"embedding_text": vectors_of(images)}, {"embedding_text": made_by_embed("other")}
    )
    for operation in (ZeroShot(classes=NAMES), Align()):
        with pytest.raises(SpaceMismatch, match="text space of the encoder 'offline'"):
            pool.annotate(operation)
    with pytest.raises(MissingColumn, match="veduta annotate embed"):
        pool_of(tmp_path / "q.vd", {"width": [1]}).annotate(Align())
    with pytest.raises(BadInput, match="different, non-empty"):
        pool.annotate(ZeroShot(classes=("a", "a")))
    with pytest.raises(BadInput, match="must each contain"):
        pool.annotate(ZeroShot(classes=("a", "b"), templates=("photo",)))
    with pytest.raises(BadInput, match="classes of zero-shot"):
        ZeroShot(classes=())


def test_an_encoder_without_texts_is_refused(tmp_path, offline, monkeypatch):
    class Mute:
        text_dim, shared, fingerprint, text_fingerprint, uri = None, False, "f", None, "mute"

    monkeypatch.setattr("veduta.annotate.text_space.shared", lambda uri: Mute())
    pool = pool_of(tmp_path / "p.vd", {"embedding": vectors_of(np.ones((1, 3)))})
    with pytest.raises(EncoderError, match="has no text side"):
        pool.annotate(ZeroShot(classes=NAMES, encoder="mute"))
