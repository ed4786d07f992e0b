"""Clusters, their names, and the map."""

import numpy as np
import pyarrow as pa
import pytest
from tests.annotate.pools import made_by_embed, pool_of, unit, vectors_of

from veduta.annotate.cluster import Cluster, cluster_count, spherical_kmeans
from veduta.annotate.cluster_names import caption_words, label_names, near_words, unique_names
from veduta.annotate.project import Project2D, fitted, principal_components
from veduta.encode import shared
from veduta.errors import BadInput, MissingColumn


def blobs(sizes: list[int], seed: int = 0, d: int = 20) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    truth = np.repeat(np.arange(len(sizes)), sizes)
    centres = np.linalg.qr(rng.standard_normal((d, len(sizes))))[0].T
    return unit(centres[truth] + 0.1 * rng.standard_normal((len(truth), d))), truth


def test_kmeans_finds_the_groups_and_numbers_them_by_size():
    values, truth = blobs([30, 60, 10])
    assigned, centres = spherical_kmeans(values, 3, 0)
    assert [len(set(truth[assigned == i])) for i in range(3)] == [1, 1, 1]
    assert np.bincount(assigned).tolist() == [60, 30, 10]
    for i in range(3):
        mean = values[assigned == i].mean(0)
        assert centres[i] == pytest.approx(mean / np.linalg.norm(mean), abs=1e-4)
    again, _ = spherical_kmeans(values, 3, 0)
    assert np.array_equal(assigned, again)
    assert (assigned == (values @ centres.T).argmax(1)).all()


def test_the_pool_gets_numbers_distances_and_label_names(tmp_path):
    values, truth = blobs([30, 20, 10])
    labels = [["cat", "dog", None][i] for i in truth]
    pool = pool_of(tmp_path / "p.vd", {"embedding": vectors_of(values, missing=(0,)), "label": labels})
    pool.annotate(Cluster(count=3))
    table = pool.table(["cluster", "cluster_distance", "cluster_name"]).to_pydict()
    assert table["cluster"][0] is None
    assert table["cluster_name"][0] is None
    assert set(table["cluster_name"][1:]) == {"cat", "dog", "cluster 2"}
    assert all(
        name == (label or "cluster 2") for name, label in list(zip(table["cluster_name"], labels, strict=True))[1:]
    )
    assert min(table["cluster_distance"][1:]) >= 0
    assert max(table["cluster_distance"][1:]) < 0.5


def test_words_of_the_text_space_name_groups_without_labels(tmp_path):
    model = shared("offline")
    values, truth = blobs([12, 9, 8])
    texts = model.text(["a photo of a dog", "an airplane flying", "a plate of pizza"])[truth]
    pool = pool_of(
        tmp_path / "p.vd",
        {"embedding": vectors_of(values), "embedding_text": vectors_of(texts)},
        {"embedding": made_by_embed("f"), "embedding_text": made_by_embed(model.text_fingerprint)},
    )
    pool.annotate(Cluster(count=3))
    names = pool.table(["cluster_name"]).column(0).to_pylist()
    assert [names[0], names[12], names[21]] == ["dog", "airplane", "pizza"]


def test_captions_name_groups_where_nothing_else_does(tmp_path):
    values, truth = blobs([6, 5])
    captions = [[["A dog runs on the grass", "the dog"], ["A boat at sea"]][i] for i in truth]
    pool = pool_of(
        tmp_path / "p.vd", {"embedding": vectors_of(values), "captions": pa.array(captions, pa.list_(pa.string()))}
    )
    pool.annotate(Cluster(count=2))
    assert set(pool.table(["cluster_name"]).column(0).to_pylist()[:6]) == {"dog"}


def test_names_are_pure_distinct_and_unique():
    assert label_names([["a", "a", "b"], ["a", "b", "c"], [None, None, "a"], []], 0.5) == [["a", "b"], [], [], []]
    assert unique_names([["dog", "grass"], ["Dog", "lead"], ["dog"], ["dog"], [], ["snake"], ["snake", "green snake"]]) == [
        "dog", "Dog, lead", "dog (2)", "dog (3)", "cluster 4", "snake", "green snake",
    ]  # fmt: skip
    assert unique_names([["a very long name of something that goes on, and on"]]) == ["a very long name of"]
    assert caption_words([["two dogs", "dogs run"], ["a boat", "boats sail", "boat"]])[0][0] == "dogs"
    words = np.eye(3, dtype=np.float32)
    centres = np.array([[1, 0.2, 0.9], [0, 1, 0.9]], np.float32)
    assert near_words(centres, words, ["x", "y", "everywhere"], count=1) == [["x"], ["y"]]
    bonus = np.array([0, 0, 0.5], np.float32)
    assert near_words(centres, words, ["x", "y", "everywhere"], bonus, 1) == [["everywhere"]] * 2


def test_small_pools_and_wrong_counts(tmp_path):
    assert [cluster_count(n) for n in (1, 2, 16, 1000, 10**6)] == [1, 2, 2, 16, 64]
    one = pool_of(tmp_path / "a.vd", {"embedding": vectors_of(np.ones((1, 4)))})
    one.annotate([Cluster(), Project2D()])
    assert one.table(["cluster", "x", "y"]).to_pydict() == {"cluster": [0], "x": [0.0], "y": [0.0]}
    none = Cluster().compute(one.where("key = 'none'"))
    assert len(none) == 0
    assert none.schema.names[0] == "_row"
    with pytest.raises(BadInput, match="count of cluster"):
        one.annotate(Cluster(count=0))
    with pytest.raises(MissingColumn):
        one.annotate(Cluster(embedding="other"))
    same = pool_of(tmp_path / "b.vd", {"embedding": vectors_of(np.ones((9, 4)))})
    same.annotate([Cluster(count=4), Project2D()])
    assert set(same.table(["cluster"]).column(0).to_pylist()) == {0}


def test_principal_components_are_those_of_the_covariance():
    rng = np.random.default_rng(0)
    values = (rng.standard_normal((80, 6)) * [5, 3, 1, 1, 0.5, 0.1]).astype(np.float32)
    found = principal_components(values, 2)
    variances, directions = np.linalg.eigh(np.cov(values.T))
    for i in range(2):
        expected = (values - values.mean(0)) @ directions[:, -1 - i]
        assert abs(np.corrcoef(found[:, i], expected)[0, 1]) > 0.999
        assert found[:, i].var(ddof=1) == pytest.approx(variances[-1 - i], rel=1e-3)
    assert np.abs(fitted(found)).max() == 1


def test_the_map_keeps_groups_together(tmp_path):
    values, truth = blobs([30, 30, 30])
    pool = pool_of(tmp_path / "p.vd", {"embedding": vectors_of(values)})
    for operation in (Project2D(), Project2D(method="tsne", sample=60)):
        pool.annotate(operation)
        places = np.stack([pool.table([c]).column(0).to_numpy() for c in ("x", "y")], 1)
        assert np.abs(places).max() == pytest.approx(1)
        centres = np.stack([places[truth == i].mean(0) for i in range(3)])
        nearest = np.linalg.norm(places[:, None] - centres[None], axis=2).argmin(1)
        assert (nearest == truth).all()
