from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score
from sklearn.svm import LinearSVC

import veduta
from items import Given
from pictures import encoded, picture
from veduta.annotate.apply_head import ApplyHead
from veduta.annotate.embed import Embed
from veduta.encode.head import Head, shaped
from veduta.encode.views import views
from veduta.errors import BadInput, MissingColumn, NothingToDo, SpaceMismatch
from veduta.judge import handmade, intervals, neighbours
from veduta.judge.baseline import Baseline, baseline, fit_head
from veduta.judge.targets import Targets, random_split, require_rows
from veduta.learn import linear
from veduta.pool.schema import FINGERPRINT, OPERATION, PARAMETERS


def blobs(n: int = 120, k: int = 3, d: int = 16, noise: float = 0.25, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    centres = np.linalg.qr(rng.normal(size=(d, k)))[0].T
    own = rng.integers(0, k, n)
    x = centres[own] + noise * rng.normal(size=(n, d))
    return (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32), own


def one_hot(labels: np.ndarray, k: int) -> np.ndarray:
    return labels[:, None] == np.arange(k)


@pytest.mark.parametrize("c", [0.1, 1.0, 10.0])
def test_the_svm_is_the_one_of_scikit_learn(c: float):
    x, labels = blobs()
    weights, bias = linear.fit(x, one_hot(labels, 3), c)
    # liblinear penalises the bias too; a large scaling makes that penalty vanish
    known = LinearSVC(C=c, loss="squared_hinge", dual=False, intercept_scaling=100, tol=1e-8, max_iter=100_000).fit(
        x, labels
    )
    np.testing.assert_allclose(x @ weights.T + bias, known.decision_function(x), atol=5e-3)


@pytest.mark.parametrize("c", [0.1, 10.0])
def test_logistic_regression_is_the_one_of_scikit_learn(c: float):
    x, labels = blobs()
    weights, bias = linear.fit(x, one_hot(labels, 3), c, "logistic")
    known = LogisticRegression(C=c, tol=1e-8, max_iter=10_000).fit(x, labels)
    ours, theirs = x @ weights.T + bias, known.decision_function(x)
    np.testing.assert_allclose(ours - ours.mean(1, keepdims=True), theirs - theirs.mean(1, keepdims=True), atol=1e-2)
    own = one_hot(labels, 3)
    weights, bias = linear.fit(x, own, c, "logistic", exclusive=False)
    for label in range(3):
        known = LogisticRegression(C=c, tol=1e-8, max_iter=10_000).fit(x, own[:, label])
        np.testing.assert_allclose(x @ weights[label] + bias[label], known.decision_function(x), atol=1e-2)


def test_average_precision_is_the_one_of_scikit_learn():
    rng = np.random.default_rng(0)
    scores, truth = rng.normal(size=(60, 4)), rng.random((60, 4)) < 0.3
    scores[:, 1] = np.round(scores[:, 1])  # ties
    truth[:, 3] = False
    found = linear.average_precision(scores, truth)
    known = [average_precision_score(truth[:, i], scores[:, i]) for i in range(3)]
    np.testing.assert_allclose(found[:3], known)
    assert np.isnan(found[3])


def test_c_is_chosen_by_the_folds_and_folds_are_stratified():
    x, labels = blobs(90, noise=0.4)
    targets = one_hot(labels, 3)
    fold = linear.folds(targets, 3, np.random.default_rng(0))
    for label in range(3):
        counts = np.bincount(fold[labels == label], minlength=3)
        assert counts.max() - counts.min() <= 1
    c, scores = linear.choose_c(x, targets, "linear-svm", np.random.default_rng(0))
    assert scores[c] == max(scores.values())
    assert set(scores) == set(linear.GRID)
    fold = linear.folds(targets, 3, np.random.default_rng(0))
    slow = []
    for each in range(3):
        a, b = fold != each, fold == each
        w, bias = linear.fit(x[a], targets[a], c)
        slow.append(float(((x[b] @ w.T + bias).argmax(1) == labels[b]).mean()))
    assert scores[c] == pytest.approx(np.mean(slow), abs=0.02)


def test_intervals():
    assert intervals.wilson(0, 10) == pytest.approx((0, 0.2775), abs=1e-4)
    assert intervals.wilson(8, 10) == pytest.approx((0.4902, 0.9433), abs=1e-4)
    assert np.isnan(intervals.wilson(0, 0)).all()
    rng = np.random.default_rng(0)
    values = rng.normal(2, 1, 400)
    low, high = intervals.bootstrap(lambda rows: float(values[rows].mean()), 400, rng)
    assert (low, high) == pytest.approx((values.mean() - 0.098, values.mean() + 0.098), abs=0.02)
    gap, low, high = intervals.difference(values + 1, values, rng)
    assert (gap, low, high) == pytest.approx((1, 1, 1))
    with pytest.raises(BadInput, match="11 of 10"):
        intervals.wilson(11, 10)


def test_neighbours_vote_by_cosine():
    x = np.array([[1, 0], [0, 1], [0.6, 0.8]], np.float32)
    targets = one_hot(np.array([0, 1, 1]), 2)
    found = neighbours.votes(x, targets, np.array([[0.8, 0.6]], np.float32), 2)
    np.testing.assert_allclose(found, [[0.8 / 1.76, 0.96 / 1.76]], atol=1e-6)
    alone = neighbours.votes(x, targets, x, 1, own=True)
    np.testing.assert_array_equal(alone.argmax(1), [1, 1, 1])
    x, labels = blobs(60)
    assert neighbours.choose_k(x, one_hot(labels, 3), exclusive=True) in neighbours.CANDIDATES


def test_targets_and_splits():
    targets = Targets.of(pa.array(["b", None, "a", "b"]), "label")
    assert targets.classes == ("a", "b")
    assert targets.rows.tolist() == [0, 2, 3]
    assert targets.exclusive
    lists = Targets.of(pa.array([["x", "y"], [], None, ["y"]]), "labels")
    assert lists.matrix.tolist() == [[True, True], [False, False], [False, True]]
    assert not lists.exclusive
    with pytest.raises(BadInput, match="only 'a'"):
        Targets.of(pa.array(["a", "a"]), "label")
    with pytest.raises(NothingToDo, match="no row has a value"):
        Targets.of(pa.array([None], pa.string()), "label")
    with pytest.raises(BadInput, match="holds double"):
        Targets.of(pa.array([0.5]), "label")
    labels = np.repeat([0, 1], [80, 20])
    many = Targets(one_hot(labels, 2), ("a", "b"), np.arange(100), True)
    groups = [i // 2 for i in range(100)]
    train, test = random_split(many, 0.3, np.random.default_rng(0), groups)
    assert sorted([*train, *test]) == list(range(100))
    assert len(test) == 30
    assert not {groups[i] for i in train} & {groups[i] for i in test}
    assert labels[test].sum() == 6
    with pytest.raises(BadInput, match=r"'b' \(1\)"):
        require_rows(many, np.array([0, 1, 99]), "label")


def test_views_are_what_the_paper_lists():
    image = np.asarray(picture(0, (60, 30)))
    sixteen = views(image, 16)
    assert [len(views(image, n)) for n in (1, 8, 16)] == [1, 8, 16]  # type: ignore[arg-type]
    assert [view.shape for view in sixteen[:8]] == [(30, 60, 3)] + [(20, 40, 3)] * 5 + [(30, 60, 3)] * 2
    np.testing.assert_array_equal(sixteen[4], image[10:, 20:])
    for view, mirror in zip(sixteen[:8], sixteen[8:], strict=True):
        np.testing.assert_array_equal(view[:, ::-1], mirror)


def test_handmade_features_see_shape_and_colour():
    image = np.asarray(picture(1, (80, 60)))
    vector = handmade.hog_color(image)
    assert vector.shape == (2084,)
    assert np.linalg.norm(vector) == pytest.approx(2**0.5, abs=1e-4)
    swapped = handmade.hog_color(image[..., ::-1])
    np.testing.assert_allclose(swapped[:1764], vector[:1764], atol=5e-3)  # edges do not see which channel
    assert np.abs(swapped[1764:] - vector[1764:]).max() > 0.1
    flat = np.full((20, 20, 3), 7, np.uint8)
    assert np.isfinite(handmade.hog_color(flat)).all()
    assert np.isfinite(handmade.pixels(flat)).all()
    assert handmade.orb(flat).shape == (0, 32)
    assert handmade.orb(image).dtype == np.uint8
    bags = handmade.bags_of_words([handmade.orb(image), handmade.orb(flat)], np.array([0]), 0)
    assert np.square(bags).sum(1) == pytest.approx([1, 0], abs=1e-5)


@pytest.mark.parametrize("kind", ["hog+color", "bow-orb", "pixels"])
@pytest.mark.parametrize("exclusive", [True, False])
def test_handmade_classifiers_learn(kind: handmade.Handmade, exclusive: bool):
    images, labels = [], np.arange(36) % 3
    for i, label in enumerate(labels):
        image = np.asarray(picture(i, (48, 48))).copy()
        image[:24] = image[:24] // 4 + np.array([(150, 0, 0), (0, 150, 0), (0, 0, 150)][label], np.uint8)
        images.append(image)
    train, test = np.arange(24), np.arange(24, 36)
    scores, chosen = handmade.classify(kind, images, one_hot(labels, 3), train, test, exclusive=exclusive, seed=0)
    assert scores.shape == (12, 3)
    assert chosen["C"] > 0
    if kind != "bow-orb":  # which sees no colour
        assert (scores.argmax(1) == labels[test]).mean() > 0.8


def test_a_head_is_saved_and_read_and_keeps_to_its_space(tmp_path: Path):
    x, labels = blobs()
    targets = Targets(one_hot(labels, 3), ("a", "b", "c"), np.arange(len(x)), True)
    head = fit_head(x, targets, np.arange(len(x)), "logistic", 1.0, uri="offline", fingerprint="f" * 64, power=0.5)
    path = head.save(tmp_path)
    again = Head.load(path)
    assert again.facts == head.facts
    assert again.save(tmp_path) == path
    np.testing.assert_array_equal(again.scores(x), head.scores(x))
    np.testing.assert_allclose(head.scores(x).sum(1), 1, atol=1e-5)
    np.testing.assert_allclose(head.scores(np.stack([x, x], 1)), head.scores(x), atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(shaped(3 * x, 0.5), axis=1), 1, atol=1e-5)
    again.requires("f" * 64, "the column 'embedding'")
    with pytest.raises(SpaceMismatch, match="fitted on vectors of 'offline'"):
        again.requires("0" * 64, "the column 'embedding'")
    with pytest.raises(BadInput, match=r"must be \(n, 16\)"):
        head.scores(x[:, :5])
    (tmp_path / "other.safetensors").write_bytes(b"nothing")
    with pytest.raises(BadInput, match="is not a head"):
        Head.load(tmp_path / "other.safetensors")
    with pytest.raises(BadInput, match="does not exist"):
        Head.load(tmp_path / "missing")


def test_views_of_an_image_weigh_as_much_as_the_image():
    x, labels = blobs()
    targets = Targets(one_hot(labels, 3), ("a", "b", "c"), np.arange(len(x)), True)
    plain = fit_head(x, targets, np.arange(len(x)), "linear-svm", 1.0)
    repeated = fit_head(np.repeat(x[:, None], 8, 1), targets, np.arange(len(x)), "linear-svm", 1.0, views=8)
    np.testing.assert_allclose(repeated.scores(x), plain.scores(x), atol=2e-3)


@pytest.fixture
def pool(tmp_path: Path) -> veduta.Pool:
    """60 rows of 3 classes with planted vectors of an 'encoder', one row without vector, real pictures."""
    x, labels = blobs(60, noise=0.15)
    names = np.array(["ant", "bee", "cat"])[labels]
    images = {f"k{i:02d}": encoded(picture(i, (48, 40)), "PNG") for i in range(60)}
    fields = {
        f"k{i:02d}": {"label": names[i], "labels": [names[i], "insect"] if names[i] != "cat" else [names[i]]}
        for i in range(60)
    }
    pool = veduta.create(tmp_path / "p.vd")
    pool.ingest(Given(images, fields))
    made = {FINGERPRINT: b"f" * 64, OPERATION: b"embed", PARAMETERS: b'{"encoder": "offline", "column": "embedding"}'}
    kind = pa.list_(pa.float32(), 16)
    with pool.writing():
        pool.define(pa.schema([pa.field("embedding", kind, metadata=made)]))
        flat = pa.FixedSizeListArray.from_arrays(pa.array(x.reshape(-1)), 16)
        column = pa.array([*flat.to_pylist()[:59], None], kind)
        pool.fill(
            pa.table({"embedding": column}, schema=pa.schema([pool.schema.field("embedding")])),
            pool.pending(["embedding"]),
        )
    return pool


def test_baseline_on_a_pool_and_its_head_as_columns(pool: veduta.Pool, tmp_path: Path):
    asked = Baseline(handmade=["hog+color"])
    found = asked.measure(pool)
    by_name = {arm.name: arm for arm in found.arms}
    assert found.facts["skipped"] == 1
    assert found.facts["train"] + found.facts["test"] == 59
    assert by_name["embedding + linear-svm"].value > 0.9 > by_name["hog+color"].value
    assert found.head_file is not None
    assert found.head_file.parent == Path(pool.path) / "artifacts"
    page = asked.judge(pool)
    assert "Frozen features reach" in page.verdict
    assert page.facts["head"] == str(found.head_file)
    assert page.save(tmp_path, "baseline").exists()
    assert '"class": "ant"' in page.to_json()
    pool.annotate(ApplyHead(head=str(found.head_file)))
    table = pool.table(["label", "pred", "pred_score"])
    assert np.mean([a == b for a, b in zip(table["label"].to_pylist(), table["pred"].to_pylist(), strict=True)]) > 0.9
    assert table["pred"].null_count == table["pred_score"].null_count == 1


def test_baseline_of_lists_of_labels(pool: veduta.Pool):
    found = Baseline(target="labels", handmade=[], classifier="logistic").measure(pool)
    assert found.metric == "mean average precision"
    assert found.arms[0].value > 0.9
    head = found.head
    assert head is not None
    assert found.head_file is not None
    assert not head.facts.exclusive
    pool.annotate(ApplyHead(head=str(found.head_file), column="tags"))
    tags = pool.table(["tags"]).column(0).to_pylist()
    assert ["ant", "insect"] in tags
    assert tags[59] is None
    assert baseline(pool, "labels", handmade=[], classifier="knn").facts["head"] == ""


def test_the_split_column_rules_where_it_is_filled(pool: veduta.Pool, tmp_path: Path):
    other = veduta.create(tmp_path / "q.vd")
    rows = {f"k{i}": {"label": "ab"[i % 2], "split": "test" if i < 6 else "train"} for i in range(20)}
    other.ingest(Given({key: encoded(picture(i)) for i, key in enumerate(rows)}, rows), annotators=[Embed()])
    found = Baseline(handmade=[], augment=8).measure(other)
    assert sorted(found.pool_rows[found.test].tolist()) == other.rows("split = 'test'").tolist()
    assert found.head is not None
    assert found.head.facts.views == 8
    assert found.head_file is not None
    other.annotate(ApplyHead(head=str(found.head_file)))
    assert other.table(["pred"]).column(0).null_count == 0


def test_wrong_use_gets_one_sentence(pool: veduta.Pool):
    with pytest.raises(MissingColumn, match="'kind'"):
        Baseline(target="kind").judge(pool)
    with pytest.raises(MissingColumn, match="veduta annotate embed"):
        Baseline(embedding="vectors").judge(pool)
    with pytest.raises(BadInput, match="not vectors"):
        Baseline(embedding="label").judge(pool)
    with pytest.raises(BadInput, match="only 'ant'"):
        Baseline(handmade=[]).judge(pool.where("label = 'ant'"))
    with pytest.raises(BadInput, match="at least 2 training rows"):
        Baseline(target="key", handmade=[]).judge(pool)
    with pytest.raises(BadInput, match="C of baseline"):
        Baseline(C=-1.0).judge(pool)
    with pytest.raises(BadInput, match="linear classifier"):
        Baseline(classifier="knn", augment=8).judge(pool)
    with pytest.raises(BadInput, match="another 'offline' is installed"):
        Baseline(handmade=[], augment=8).judge(pool)
    found = Baseline(handmade=[]).measure(pool)
    pool.annotate(Embed(column="true_embedding"))
    with pytest.raises(SpaceMismatch, match="true_embedding"):
        pool.annotate(ApplyHead(head=str(found.head_file), embedding="true_embedding"))
