"""Leave-one-out predictions against refits, label issues against cleanlab and planted errors."""

import json

import numpy as np
import pyarrow as pa
import pytest
from tests.annotate.pools import pool_of, unit, vectors_of

from veduta.annotate.classes import CLASSES, class_numbers
from veduta.annotate.import_table import Import
from veduta.annotate.label_chance import chance
from veduta.annotate.label_issues import LabelIssues, confident_learning
from veduta.annotate.leave_one_out import calibrated, log_softmax, one_hot, ridge_leave_one_out
from veduta.encode.vocabulary import imagenet_names
from veduta.errors import BadInput, MissingColumn, NothingToDo
from veduta.judge.classify import Classify


def auroc(bad: np.ndarray, score: np.ndarray) -> float:
    order = score[bad][:, None] > score[~bad][None]
    return float((order + 0.5 * (score[bad][:, None] == score[~bad][None])).mean())


def groups(count: int, classes: int, seed: int = 0, d: int = 16) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, classes, count)
    return unit(rng.standard_normal((classes, d))[truth] * 2 + rng.standard_normal((count, d))), truth


def test_leave_one_out_equals_refitting_without_each_row():
    values, truth = groups(40, 3, d=6)
    found = ridge_leave_one_out(lambda: [(values[:25], truth[:25]), (values[25:], truth[25:])], 3, penalty=0.5)
    centred = values - values.mean(0)
    lam = 0.5 * np.trace(centred.T @ centred) / 6
    labels = one_hot(truth, 3)
    for i in range(40):
        keep = np.arange(40) != i
        x, y = values[keep].astype(np.float64), labels[keep]
        mean, share = x.mean(0), y.mean(0)
        weights = np.linalg.solve((x - mean).T @ (x - mean) + lam * np.eye(6), (x - mean).T @ (y - share))
        assert found[i] == pytest.approx(share + (values[i] - mean) @ weights, abs=1e-4)


def test_calibration_finds_the_temperature():
    rng = np.random.default_rng(0)
    scores = rng.standard_normal((4000, 5)).astype(np.float32)
    chances = np.exp(log_softmax(scores * 4))
    labels = np.array([rng.choice(5, p=row / row.sum()) for row in chances.astype(np.float64)])
    assert np.abs(calibrated(scores, labels) - chances).mean() < 0.01


def planted(path, count=600, classes=5, share=0.06):
    values, truth = groups(count, classes)
    rng = np.random.default_rng(1)
    bad = rng.random(count) < share
    given = np.where(bad, (truth + rng.integers(1, classes, count)) % classes, truth)
    labels: list[str | None] = [f"class {i}" for i in given]
    labels[0] = None
    bad[0] = False
    return pool_of(path, {"embedding": vectors_of(values, missing=(1,)), "label": labels}), bad, truth


def test_planted_errors_are_found_with_the_right_suggestion(tmp_path):
    pool, bad, truth = planted(tmp_path / "p.vd")
    pool.annotate(LabelIssues())
    table = pool.table(["label_issue", "label_quality", "label_suggested"]).to_pydict()
    assert [table[name][row] for name in table for row in (0, 1)] == [None] * 6
    known = np.arange(2, len(bad))
    quality = np.array(table["label_quality"][2:])
    assert ((quality >= 0) & (quality <= 1)).all()
    assert auroc(bad[known], -quality) > 0.97
    issue = np.array(table["label_issue"][2:])
    assert issue[bad[known]].mean() > 0.7
    assert bad[known][issue].mean() > 0.7
    told = f"{issue.sum()} of 598 checked labels are probably wrong (label_issue)"
    assert pool.log()[-1].details["told"] == [told]
    suggested = table["label_suggested"]
    right = [suggested[row] == f"class {truth[row]}" for row in known if table["label_issue"][row] and bad[row]]
    assert np.mean(right) > 0.9
    assert all((suggested[row] is None) == (not table["label_issue"][row]) for row in known)
    first = LabelIssues().compute(pool)
    assert first.equals(LabelIssues().compute(pool))


def test_a_models_probabilities_may_be_given(tmp_path):
    rng = np.random.default_rng(3)
    truth = rng.integers(0, 4, 200)
    chances = np.exp(log_softmax((3 * np.eye(4)[truth] + rng.standard_normal((200, 4))).astype(np.float32)))
    bad = rng.random(200) < 0.1
    names = ["cat", "dog", "cow", "hen"]
    labels = [names[i] for i in np.where(bad, (truth + 1) % 4, truth)]
    labels[5], bad[5] = "unicorn", False
    pool = pool_of(
        tmp_path / "p.vd",
        {"chances": vectors_of(chances), "logits": vectors_of(np.log(chances) + 7), "label": labels},
        {"chances": {CLASSES: json.dumps(names).encode()}, "logits": {CLASSES: json.dumps(names).encode()}},
    )
    pool.annotate(LabelIssues(probabilities="chances"))
    quality = pool.table(["label_quality"]).column(0).to_pylist()
    assert quality[5] is None
    rest = np.arange(200) != 5
    assert auroc(bad[rest], -np.array([q for q in quality if q is not None])) > 0.95
    # Calibration at one temperature keeps every row's ranking of the classes: the argmax stays the model's.
    pool.annotate(LabelIssues(probabilities="chances", minimum=9))
    assert pool.table(["label_quality"]).column(0).to_pylist() == quality
    pool.annotate(LabelIssues(probabilities="logits"))
    again = pool.table(["label_quality"]).column(0).to_pylist()
    assert again[5] is None
    assert np.allclose(np.delete(again, 5).astype(float), np.delete(quality, 5).astype(float), atol=1e-3)


def test_confident_learning_is_cleanlabs():
    filters = pytest.importorskip("cleanlab.filter")
    values, truth = groups(300, 3)
    chances = calibrated(ridge_leave_one_out(lambda: [(values, truth)], 3), truth)
    wrong = truth.copy()
    wrong[:20] = (truth[:20] + 1) % 3
    found = confident_learning(wrong, chances)
    expected = filters.find_label_issues(wrong, chances, filter_by="low_self_confidence", n_jobs=1)
    assert np.array_equal(found, expected)
    assert found[:20].mean() > 0.8


def test_labels_are_matched_to_classes():
    assert class_numbers(["Cat", " dog ", "cow", None], ["cat", "dog"]).tolist() == [0, 1, -1, -1]
    names = imagenet_names()
    labels = ["n01440764", "0", names[0], "Tinca tinca", "crane", names[517]]
    assert class_numbers(labels, names).tolist() == [0, 0, 0, 0, -1, 517]


def test_pools_without_use(tmp_path):
    values = np.eye(8, dtype=np.float32)
    bare = pool_of(tmp_path / "a.vd", {"embedding": vectors_of(values)})
    with pytest.raises(NothingToDo, match="no labels to check"):
        bare.annotate(LabelIssues())
    few = pool_of(tmp_path / "b.vd", {"embedding": vectors_of(values), "label": ["a"] * 5 + ["b", "c", "d"]})
    with pytest.raises(NothingToDo, match="two classes of at least 5 images in 'label', got 1 of 4"):
        few.annotate(LabelIssues())
    with pytest.raises(MissingColumn):
        few.annotate(LabelIssues(probabilities="posterior"))
    with pytest.raises(BadInput, match="annotate import POOL TABLE --scores embedding"):
        few.annotate(LabelIssues(probabilities="embedding"))
    named = pool_of(
        tmp_path / "c.vd",
        {"chances": vectors_of(values), "label": ["x"] * 8},
        {"chances": {CLASSES: json.dumps(list("abcdefgh")).encode()}},
    )
    with pytest.raises(BadInput, match="no label in 'label' is a class of 'chances'"):
        named.annotate(LabelIssues(probabilities="chances"))
    assert pa.types.is_boolean(LabelIssues().adds().field("label_issue").type)


@pytest.mark.parametrize("classes", [2, 11, 40])
def test_labels_that_mean_nothing_are_not_flagged(tmp_path, classes):
    values, _ = groups(600, 5)
    labels = [f"2024-03-{i:02}" for i in np.random.default_rng(3).integers(0, classes, 600)]
    pool = pool_of(tmp_path / "p.vd", {"embedding": vectors_of(values), "label": [*labels[:-1], "alone"]})
    pool.annotate(LabelIssues())
    table = pool.table(["label_issue", "label_quality", "label_check"]).to_pydict()
    assert set(table["label_issue"]) == set(table["label_quality"]) == {None}
    assert table["label_check"] == ["near chance"] * 599 + ["few images"]
    notes = pool.lineage()[-1].details["told"]
    assert "near chance" in notes[0]
    assert "by guessing" in notes[0]
    assert "fewer than 5 images" in notes[1]


def test_a_rare_class_that_can_be_told_is_not_chance():
    rng = np.random.default_rng(0)
    labels = (np.arange(400) < 20).astype(np.int64)
    scores = np.stack([np.full(400, 0.8), 0.3 * labels + 0.1 * rng.standard_normal(400)], axis=1).astype(np.float32)
    found = chance(scores, labels)
    assert found.accuracy <= found.guess + 0.01
    assert not found.by_chance
    assert chance(scores, rng.permutation(labels)).by_chance


def test_labels_that_are_not_classes_of_the_model_are_told(tmp_path):
    rng = np.random.default_rng(0)
    truth = np.arange(60) % 2
    chances = np.where(np.eye(2)[truth] > 0, 0.9, 0.1).astype(np.float32)
    labels = [("cat", "dog")[i] for i in truth]
    labels[0] = "dog"
    labels[20:30] = ["emu"] * 9 + ["yak"]
    column = pa.FixedSizeListArray.from_arrays(pa.array(chances.ravel()), 2)
    pool = pool_of(tmp_path / "p.vd", {"label": labels, "embedding": vectors_of(unit(rng.standard_normal((60, 4))))})
    table = pa.table({"key": pool.table(["key"])["key"], "probs": column})
    pool.annotate(Import(table=table, scores=("probs",), classes=("cat", "dog")))
    pool.annotate(LabelIssues(probabilities="probs"))
    told = pool.log()[-1].details["told"]
    assert told == [
        "1 of 50 checked labels is probably wrong (label_issue)",
        "labels of 10 images not checked, as 'probs' has no such class: 'emu' (9), 'yak' (1)",
    ]
    with pytest.raises(BadInput, match=r"annotate import POOL TABLE --scores embedding"):
        pool.annotate(LabelIssues(probabilities="embedding"))
    with pytest.raises(BadInput, match=r"'embedding' holds vectors.*annotate import POOL TABLE --scores embedding"):
        Classify(scores="embedding").check(pool)
