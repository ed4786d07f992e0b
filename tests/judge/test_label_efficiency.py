from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from scipy.stats import t as student
from sklearn.metrics import roc_auc_score
from sklearn.svm import LinearSVC

import veduta
from items import Given
from pictures import encoded, picture
from veduta.errors import BadInput, MissingColumn, NothingToDo
from veduta.judge.efficiency import draw, efficiency, measured
from veduta.judge.intervals import wilson
from veduta.judge.label_efficiency import LabelEfficiency
from veduta.judge.label_efficiency_report import savings
from veduta.learn import linear


def blobs(n: int, k: int, noise: float, seed: int = 0, d: int = 12) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    centres = np.linalg.qr(rng.normal(size=(d, k)))[0].T
    own = np.concatenate([np.arange(k), rng.integers(0, k, n - k)])
    return (centres[own] + noise * rng.normal(size=(n, d))).astype(np.float32), own


def test_draws_cover_every_class_and_keep_their_size():
    rng = np.random.default_rng(0)
    labels = np.arange(4) == rng.choice(4, 200, p=[0.9, 0.05, 0.03, 0.02])[:, None]
    names = ["often", "some", "rare", "rarest"]
    counts = np.zeros(200)
    for _ in range(300):
        taken = draw(labels, 0.05, rng, names)
        assert len(taken) == len(set(taken.tolist())) == 10
        assert labels[taken].any(0).all()
        counts[taken] += 1
    often = counts[labels[:, 0]]
    assert often.min() > 0  # every row has its chance
    assert often.std() < 2 * np.sqrt(often.mean())
    assert draw(labels, 1.0, rng, names).tolist() == list(range(200))
    with pytest.raises(BadInput, match=r"a fraction of 0\.01 is 2 of 200 labels and leaves the class 'some'"):
        draw(labels, 0.01, rng, names)
    several = np.array([[1, 1, 1], [1, 0, 0], [0, 1, 0], [0, 0, 0]], bool)  # one row may cover several labels
    assert all(several[draw(several, 0.5, rng, list("abc"))].any(0).all() for _ in range(20))


def test_points_are_those_of_scikit_learn():
    x, y = blobs(260, 4, 0.45)
    train, test = np.arange(160), np.arange(160, 260)
    found = efficiency(x, y, train, test, [1.0, 0.1], 3, np.random.default_rng(5))
    assert [point.fraction for point in found] == [0.1, 1.0]
    assert [point.labels for point in found] == [16, 160]
    few, whole = found
    assert len(few.values) == 3
    assert few.over == "draws"
    spread = student.ppf(0.975, 2) * np.std(few.values, ddof=1) / np.sqrt(3)
    assert few.mean == pytest.approx(np.mean(few.values))
    assert few.low == pytest.approx(max(0.0, few.mean - spread))
    assert few.high == pytest.approx(min(1.0, few.mean + spread))
    unit = x / np.linalg.norm(x, axis=1, keepdims=True)
    known = LinearSVC(C=whole.C[0], dual=False, intercept_scaling=100, tol=1e-8, max_iter=100_000)
    accuracy = known.fit(unit[train], y[train]).score(unit[test], y[test])
    assert whole.values == (pytest.approx(accuracy, abs=0.011),)
    assert (whole.low, whole.high) == wilson(round(100 * whole.mean), 100)
    assert whole.over == "test rows"
    # the draws and the C of each again, by hand, from the same generator
    rng = np.random.default_rng(5)
    for value, c in zip(few.values, few.C, strict=True):
        part = train[draw(y[train][:, None] == np.arange(4), 0.1, rng, list("abcd"))]
        rng.integers(1, size=len(part))  # which row of each unit chooses C
        targets = y[part][:, None] == np.arange(4)
        assert c == linear.choose_c(unit[part], targets, "linear-svm", rng)[0]
        weights, bias = linear.fit(unit[part], targets, c, "linear-svm")
        assert value == pytest.approx(float(((unit[test] @ weights.T + bias).argmax(1) == y[test]).mean()))


def test_two_classes_and_lists_are_judged_by_the_area_under_the_curve():
    rng = np.random.default_rng(0)
    scores, truth = rng.normal(size=(50, 3)), rng.random((50, 3)) < 0.4
    scores[:, 1] = np.round(scores[:, 1])
    known = [roc_auc_score(truth[:, i], scores[:, i]) for i in range(3)]
    assert measured(scores, truth, "auc") == pytest.approx(np.mean(known))
    truth[:, 2] = False
    assert measured(scores, truth, "auc") == pytest.approx(np.mean(known[:2]))
    x, y = blobs(200, 2, 0.5)
    train, test = np.arange(100), np.arange(100, 200)
    found = efficiency(x, y, train, test, [0.1, 1.0], 2, np.random.default_rng(0))
    unit = x / np.linalg.norm(x, axis=1, keepdims=True)
    svm = LinearSVC(C=found[1].C[0], dual=False, intercept_scaling=100, tol=1e-8).fit(unit[train], y[train])
    assert found[1].mean == pytest.approx(roc_auc_score(y[test], svm.decision_function(unit[test])), abs=2e-3)
    assert found[1].low < found[1].mean < found[1].high
    lists = np.stack([y == 1, rng.random(200) < 0.5, np.zeros(200, bool)], 1)  # the last label occurs nowhere
    several = efficiency(x, lists, train, test, [1.0], 1, np.random.default_rng(0))
    assert 0.6 < several[0].mean < 0.9  # one label is told well, one cannot be
    with pytest.raises(BadInput, match="use auc"):
        efficiency(x, lists, train, test, [1.0], 1, rng, metric="accuracy")


def test_groups_are_drawn_whole_and_do_not_leak_into_the_choice_of_c():
    """Four near-copies of each of 60 things whose labels are noise: with copies on both sides a large C would look right."""
    rng = np.random.default_rng(0)
    things = rng.normal(size=(60, 40)).astype(np.float32)
    x = np.repeat(things, 4, axis=0) + 0.01 * rng.normal(size=(240, 40)).astype(np.float32)
    y, groups = np.repeat(rng.integers(0, 3, 60), 4), np.repeat(np.arange(60), 4).tolist()
    train, test = np.arange(200), np.arange(200, 240)
    together = efficiency(x, y, train, test, [0.5, 1.0], 2, np.random.default_rng(0), groups)
    assert [point.labels for point in together] == [100, 200]  # 25 and 50 groups
    leaking, _ = linear.choose_c(
        x / np.linalg.norm(x, axis=1, keepdims=True), y[:, None] == np.arange(3), "linear-svm", rng
    )
    assert leaking >= 10 > together[1].C[0]


def test_what_cannot_be_learned_is_refused():
    x, y = blobs(60, 3, 0.3)
    train, test = np.flatnonzero(y < 2), np.flatnonzero(y >= 1)
    rng = np.random.default_rng(0)
    with pytest.raises(BadInput, match=r"the class 'bird' has \d+ test rows and no training row"):
        efficiency(x, y, train, test, [1.0], 1, rng, names=["cat", "dog", "bird"])
    with pytest.raises(BadInput, match="all of the class '0'"):
        efficiency(x, y, np.flatnonzero(y == 0), np.flatnonzero(y == 0), [1.0], 1, rng)
    with pytest.raises(BadInput, match="no test rows"):
        efficiency(x, y, train, test[:0], [1.0], 1, rng)
    with pytest.raises(BadInput, match="no training rows"):
        efficiency(x, y, train[:0], test, [1.0], 1, rng)
    for wrong in ([0.0], [1.5], []):
        with pytest.raises(BadInput, match="fractions"):
            efficiency(x, y, train, test, wrong, 1, rng)


@pytest.fixture(scope="module")
def path(tmp_path_factory) -> Path:
    """120 rows with two given vector columns, `good` and `poor`; a row without a label, one without `poor`."""
    good, y = blobs(120, 3, 0.25)
    poor, _ = blobs(120, 3, 0.25, seed=1)
    poor = poor + 1.2 * np.random.default_rng(2).normal(size=poor.shape).astype(np.float32)
    files, fields = {}, {}
    image = encoded(picture(0, (32, 32)), "PNG")
    for i in range(120):
        files[f"{i:03d}"] = image + bytes([i])  # bytes behind the end of a PNG do no harm
        fields[f"{i:03d}"] = {
            "label": "abc"[y[i]] if i != 10 else None, "good": good[i].tolist(), "poor": poor[i].tolist() if i != 11 else None,
            "split": "train" if i % 3 else "test", "labels": [["x", "y"][j] for j in range(2) if (y[i] >> j) & 1],
            "one": "same", "pair": i // 2,
        }  # fmt: skip
    made = veduta.create(tmp_path_factory.mktemp("efficiency") / "p.vd")
    vector = pa.list_(pa.float32(), 12)
    made.ingest(Given(files, fields, good=vector, poor=vector, one=pa.string(), pair=pa.int64()))
    return Path(made.path)


def test_curves_of_a_pool(path: Path, tmp_path: Path):
    pool = veduta.open(path)
    asked = LabelEfficiency(embeddings=["good", "poor"], fractions=[0.1, 1.0], repeats=3)
    curves = asked.measure(pool)
    assert curves.metric == "accuracy"
    assert curves.facts["rows"] == 118
    assert curves.facts["skipped"] == 2
    assert "train and test" in curves.facts["split"]
    good, poor = curves.points["good"], curves.points["poor"]
    assert [p.labels for p in good] == [p.labels for p in poor] == [8, 78]
    assert good[1].mean > poor[1].mean + 0.1
    page = asked.judge(pool)
    assert page.to_json() == asked.judge(pool).to_json()
    html = page.save(tmp_path, "label-efficiency").read_text("utf-8")
    assert "data:image/png" in html
    facts = json.loads((tmp_path / "label-efficiency.json").read_text("utf-8"))["facts"]
    assert facts["curves"]["good"][0]["values"] == pytest.approx(good[0].values)
    if good[0].mean >= poor[1].mean:
        assert savings(curves.points)[0].startswith("**good** reaches with 8 labels")
    assert LabelEfficiency(embeddings=["good"], target="labels", fractions=[1.0]).measure(pool).metric == "auc"
    pairs = LabelEfficiency(embeddings=["good"], fractions=[1.0], group="pair", split="one").measure(pool)
    assert "rows with the same pair together" in pairs.facts["split"]
    narrow = LabelEfficiency(embeddings=["good"], fractions=[1.0], where="label != 'c'").measure(pool)
    assert narrow.metric == "auc"  # two classes are left


def test_wrong_use_gets_one_sentence(path: Path):
    pool = veduta.open(path)
    for wrong, kind, words in (
        ({"embeddings": ["embedding"]}, MissingColumn, "annotate embed"),
        ({"embeddings": ["label"]}, BadInput, "not vectors"),
        ({"target": "genus"}, MissingColumn, "--target"),
        ({"target": "one"}, BadInput, "only 'same'"),
        ({"fractions": [0.02, 1.0]}, BadInput, "is 2 of 79 labels and leaves the class '[abc]' without any"),
        ({"fractions": [2.0]}, BadInput, "at most 1, got 2"),
        ({"target": "labels", "metric": "accuracy"}, BadInput, "one class a row"),
        ({"where": "split = 'test' or label != 'c'"}, BadInput, r"the class 'c' has \d+ test rows and no training row"),
        ({"where": "good is null"}, NothingToDo, "no row has a value in good"),
    ):
        with pytest.raises(kind, match=words):
            LabelEfficiency(**{"embeddings": ["good"], **wrong}).judge(pool)
