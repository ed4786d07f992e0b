from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch
from scipy.optimize import minimize_scalar
from sklearn.metrics import confusion_matrix, precision_recall_fscore_support
from torchmetrics.functional.classification import multiclass_accuracy, multiclass_calibration_error

import veduta
from items import Given
from pictures import encoded, picture
from predicted import Predicted
from veduta.errors import BadInput, MissingColumn, NothingToDo
from veduta.judge.calibration import calibration, likelihood, probabilities, temperature
from veduta.judge.classify import Classify, Judged, confusion, per_class


def drawn(n: int = 600, c: int = 7, heat: float = 1.0, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Logits, and truth drawn from softmax(logits); then the logits are multiplied by `heat`."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 1.5, (n, c))
    truth = (logits + rng.gumbel(size=(n, c))).argmax(1)
    return (heat * logits).astype(np.float32), truth


def test_calibration_is_what_the_equations_say():
    logits, truth = drawn(heat=2.0)
    found = calibration(logits, truth)
    chances = torch.softmax(torch.tensor(logits).double(), 1).numpy()
    confidence, right = chances.max(1), chances.argmax(1) == truth
    error, bins = 0.0, []
    for m in range(1, 16):  # Guo et al. 2017, equations 2 and 3
        inside = [i for i in range(len(truth)) if (m - 1) / 15 < confidence[i] <= m / 15]
        if inside:
            bins.append((np.mean(confidence[inside]), np.mean(right[inside]), len(inside)))
            error += len(inside) / len(truth) * abs(np.mean(right[inside]) - np.mean(confidence[inside]))
    assert found.ece == pytest.approx(error, abs=1e-6)
    known = multiclass_calibration_error(torch.tensor(chances), torch.tensor(truth), 7, n_bins=15)
    assert found.ece == pytest.approx(float(known), abs=1e-5)
    for own, (sure, accuracy, rows) in zip(found.bins, bins, strict=True):
        assert (own.confidence, own.accuracy, own.rows) == (
            pytest.approx(sure, abs=1e-6),
            pytest.approx(accuracy),
            rows,
        )
    order = np.argsort(confidence, kind="stable")
    parts = [abs(right[part].mean() - confidence[part].mean()) / 15 for part in np.split(order, 15)]
    assert found.ece_adaptive == pytest.approx(sum(parts), abs=1e-6)
    assert found.nll == pytest.approx(
        float(torch.nn.functional.cross_entropy(torch.tensor(logits), torch.tensor(truth)))
    )
    squares = [sum((chances[i, k] - (truth[i] == k)) ** 2 for k in range(7)) for i in range(len(truth))]
    assert found.brier == pytest.approx(np.mean(squares), abs=1e-6)


def test_calibration_at_the_edges():
    sure = np.array([[400.0, -400.0], [-400.0, 400.0]], np.float32)
    right, wrong = calibration(sure, np.array([0, 1])), calibration(sure, np.array([1, 0]))
    assert (right.ece, right.ece_adaptive, right.nll, right.brier) == (0, 0, 0, 0)
    assert (wrong.ece, wrong.brier) == (1, 2)
    assert wrong.nll == pytest.approx(800)  # no probability is cut off
    even = calibration(np.zeros((3, 4), np.float32), np.array([0, 1, 2]))
    assert even.nll == pytest.approx(np.log(4))
    assert len(even.bins) == 1


@pytest.mark.parametrize("heat", [0.3, 1.0, 4.0])
def test_the_temperature_undoes_the_heat(heat: float):
    logits, truth = drawn(3000, heat=heat)
    found = temperature(logits, truth)
    assert found == pytest.approx(heat, rel=0.1)
    tensor, target = torch.tensor(logits).double(), torch.tensor(truth)
    known = minimize_scalar(lambda t: float(torch.nn.functional.cross_entropy(tensor / t, target)), bounds=(0.05, 20))
    assert found == pytest.approx(known.x, rel=2e-3)
    assert likelihood(logits, truth, found) <= likelihood(logits, truth)
    assert calibration(logits, truth, found).ece < 0.03
    np.testing.assert_allclose(probabilities(logits, found).sum(1), 1, atol=1e-6)


def test_classes_are_those_of_scikit_learn():
    logits, truth = drawn(200, 9, seed=3)
    truth[truth == 4] = 5  # a class without rows
    logits[:, 7] = -9  # and one that is never told
    judged = Judged([str(i) for i in range(9)], logits, truth, np.arange(200))
    matrix = confusion(truth, judged.predicted, 9)
    np.testing.assert_array_equal(matrix, confusion_matrix(truth, judged.predicted, labels=range(9)))
    found = per_class(matrix)
    known = precision_recall_fscore_support(truth, judged.predicted, labels=range(9), zero_division=np.nan)
    for name, values in zip(("precision", "recall", "f1", "rows"), known, strict=True):
        np.testing.assert_allclose(found[name], values, err_msg=name)
    figures = Classify().figures(judged)
    for k, key in ((1, "top1"), (5, "top5")):
        value = multiclass_accuracy(torch.tensor(logits), torch.tensor(truth), 9, top_k=k, average="micro")
        assert figures[key]["value"] == pytest.approx(float(value))
        assert figures[key]["from"] < figures[key]["value"] < figures[key]["to"]
    assert figures["mean_recall"] == pytest.approx(np.nanmean(known[1]))
    assert figures["classes_seen"] == 8
    even = Judged(["a", "b", "c"], np.zeros((3, 3), np.float32), np.arange(3), np.arange(3))
    assert even.place.tolist() == [1, 2, 3]
    assert (even.place == 1).tolist() == (even.predicted == even.truth).tolist()


NAMES = ["cat", "dog", "bird"]


@pytest.fixture(scope="module")
def path(tmp_path_factory) -> Path:
    """20 test rows and 4 training rows of three classes; one test label the model does not know, one row unpredicted."""
    rng = np.random.default_rng(0)
    files, fields, logits = {}, {}, []
    for i in range(24):
        name = NAMES[i % 3] if i != 7 else "fish"
        files[f"{i:02d}"] = encoded(picture(i, (48, 40)), "PNG")
        fields[f"{i:02d}"] = {"label": name, "split": "train" if i < 4 else "test", "number": i % 3}
        row = rng.normal(0, 1.5, 3)
        row[i % 3] += 2
        logits.append(None if i == 5 else row.tolist())
    made = veduta.create(tmp_path_factory.mktemp("classify") / "p.vd")
    made.ingest(Given(files, fields, number=pa.int64()))
    made.annotate(Predicted(classes=NAMES, logits=logits))
    return Path(made.path)


def test_what_cannot_be_judged_is_counted_apart(path: Path, tmp_path: Path):
    pool = veduta.open(path)
    judged = Classify().measure(pool)
    assert len(judged.truth) == 18
    assert judged.unknown == {"fish": 1}
    assert judged.unpredicted == 1
    assert "test" in judged.scope
    labels = pool.take(judged.rows, ["label"]).column(0).to_pylist()
    assert labels == [NAMES[i] for i in judged.truth]
    figures = Classify().figures(judged)
    hits = round(figures["top1"]["value"] * 18)
    assert figures["top1_unknown_as_errors"]["value"] == pytest.approx(hits / 19)
    assert "top5" not in figures  # of three classes
    page = Classify().judge(pool)
    assert page.facts["top1"] == figures["top1"]
    html = page.save(tmp_path, "classify").read_text("utf-8")
    facts = json.loads((tmp_path / "classify.json").read_text("utf-8"))["facts"]
    assert facts["unknown"] == {"fish": 1}
    assert facts["ece"] == pytest.approx(calibration(judged.logits, judged.truth).ece)
    assert facts["other_half"]["rows"] == 9
    assert "not a class of the model" in html
    assert html.count("data:image/png") >= 2
    assert "data:image/jpeg" in html
    assert page.to_json() == Classify().judge(pool).to_json()


def test_the_rows_can_be_chosen(path: Path):
    pool = veduta.open(path)
    assert len(Classify(split="train").measure(pool).truth) == 4
    assert len(Classify(where="true").measure(pool).truth) == 22
    assert len(Classify(where="label = 'cat'", split="train").measure(pool).truth) == 2
    assert len(Classify().measure(pool.where("label != 'cat'")).truth) == 12  # a view
    one = Classify(where="label = 'cat'").judge(pool)
    assert "All judged rows are of one class, 'cat'" in one.to_json()
    few = Classify(where="key = '06'").judge(pool)
    assert few.facts["rows"] == 1
    assert "temperature" not in few.facts


def test_wrong_use_gets_one_sentence(path: Path, tmp_path: Path):
    pool = veduta.open(path)
    with pytest.raises(MissingColumn, match="annotate predict POOL --model RUN"):
        Classify(prediction="told").judge(pool)
    with pytest.raises(MissingColumn, match="--target"):
        Classify(target="genus").judge(pool)
    with pytest.raises(BadInput, match="one class a row"):
        Classify(target="labels").judge(pool)
    with pytest.raises(NothingToDo, match="is one of the 3 classes"):
        Classify(target="number").judge(pool)
    with pytest.raises(NothingToDo, match="split = 'validation'"):
        Classify(split="validation").judge(pool)
    with pytest.raises(BadInput, match="not valid SQL"):
        Classify(where="colour = 3").judge(pool)
    with pytest.raises(NothingToDo, match="none of the rows where key = '05' has both"):
        Classify(where="key = '05'").judge(pool)
    given = veduta.create(tmp_path / "given.vd")
    content = {"a": encoded(picture(1, (32, 32)), "PNG")}
    given.ingest(Given(content, {"a": {"label": "cat", "x_logits": [1.0, 2.0]}}, x_logits=pa.list_(pa.float32(), 2)))
    with pytest.raises(BadInput, match="does not say which classes"):
        Classify(prediction="x").judge(given)
