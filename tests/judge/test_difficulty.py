"""Intrinsic dimension and label sharpness against shapes of known dimension, hand-made points and loops."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import veduta
from items import Given
from pictures import encoded, picture
from veduta.encode.restored import restore
from veduta.encode.run import TrainedRun
from veduta.errors import BadInput, EncoderError, NothingToDo
from veduta.judge.difficulty import Difficulty
from veduta.judge.difficulty_found import compared
from veduta.judge.dimension import intrinsic_dimension, two_nn
from veduta.judge.sharpness import label_sharpness
from veduta.learn.classify import Classify
from veduta.pool import Pool


def placed(points: np.ndarray, rng: np.random.Generator, width: int = 3072) -> np.ndarray:
    """Points (n, d) turned into `width` dimensions."""
    basis = np.linalg.qr(rng.standard_normal((width, points.shape[1])))[0]
    return (points @ basis.T).astype(np.float32)


@pytest.mark.parametrize(
    ("shape", "dimension", "truth"),
    [("sphere", 2, 1.87), ("sphere", 5, 4.6), ("sphere", 10, 8.6), ("cube", 2, 1.84), ("cube", 5, 4.3), ("cube", 10, 7.7)],
)  # fmt: skip
def test_spheres_and_cubes_have_their_dimension(shape: str, dimension: int, truth: float) -> None:
    """Linearly placed in the 3,072 dimensions of a 32-pixel image. A cube's edges bias it down."""
    rng = np.random.default_rng(dimension)
    if shape == "sphere":
        points = rng.standard_normal((2000, dimension + 1))
        points /= np.linalg.norm(points, axis=1, keepdims=True)
    else:
        points = rng.uniform(size=(2000, dimension))
    found = intrinsic_dimension(placed(points, rng), 20, rng=rng)
    assert found.value == pytest.approx(truth, abs=0.3)
    assert found.interval[0] < found.value < found.interval[1]
    assert found.two_nn == pytest.approx(truth, rel=0.2)
    assert list(found.by_k) == [5, 10, 20, 40]
    assert found.by_k[20] == found.value


def test_the_estimate_is_that_of_the_equations() -> None:
    rng = np.random.default_rng(0)
    points, k = rng.standard_normal((50, 6)).astype(np.float32), 10
    inverse, ratios = [], []
    for i in range(50):
        t = np.sort([np.linalg.norm(points[i] - points[j]) for j in range(50) if j != i])
        inverse.append(sum(np.log(t[k - 1] / t[j]) for j in range(k - 1)) / (k - 2))
        ratios.append(t[1] / t[0])
    found = intrinsic_dimension(points, k, rng=rng)
    assert found.value == pytest.approx(1 / np.mean(inverse), rel=1e-4)
    assert np.allclose(found.local, 1 / np.array(inverse), rtol=1e-4)
    assert list(found.by_k) == [5, 10]
    x = np.log(np.sort(ratios)[:-1])
    y = [-np.log(1 - i / 50) for i in range(1, 50)]
    slope = np.linalg.lstsq(x[:, None], np.array(y), rcond=None)[0][0]
    assert found.two_nn == pytest.approx(slope, rel=1e-4)
    with pytest.raises(NothingToDo, match="needs 55 different rows, got 50"):
        intrinsic_dimension(points, 11, rng=rng)
    assert two_nn(np.ones((4, 2))) == float("inf")


def test_sharpness_of_three_points_by_hand() -> None:
    points = np.array([[0.0, 0.0], [3.0, 4.0], [0.0, 1.0]], np.float32)
    found = label_sharpness(points, np.array([0, 1, 0]), q=1)
    assert found.highest == pytest.approx(1 / np.sqrt(18))  # not 1, of the two that have one label
    assert found.quantile == found.highest
    assert found.pairs.tolist() == [[1, 2], [0, 1]]
    assert found.count == 2
    with pytest.raises(NothingToDo, match="two labels"):
        label_sharpness(points, np.zeros(3, np.int64))


def test_sharpness_is_that_of_all_pairs_whatever_the_block(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("veduta.judge.sharpness.BLOCK", 17)
    rng = np.random.default_rng(1)
    points, labels = rng.uniform(size=(90, 30)).astype(np.float32), rng.integers(0, 4, 90)
    points[80] = points[5] + 1e-4
    labels[80], labels[5] = 0, 1
    found = label_sharpness(points, labels, q=0.9, shown=5)
    pairs = [(i, j) for i in range(90) for j in range(i + 1, 90) if labels[i] != labels[j]]
    distances = np.array([np.linalg.norm(points[i].astype(float) - points[j]) for i, j in pairs])
    order = np.argsort(distances)[:5]
    assert [tuple(pair) for pair in found.pairs.tolist()] == [pairs[i] for i in order]
    assert np.allclose(found.distances, distances[order])
    assert found.highest == pytest.approx(1 / distances.min())
    assert found.quantile == pytest.approx(1 / np.quantile(distances, 0.1), rel=1e-4)
    assert found.count == len(pairs)


@pytest.fixture(scope="module")
def pool(tmp_path_factory) -> Pool:
    """Pictures of two labels, one twice under one label, one twice under both, one damaged, one without a label."""
    pool = veduta.create(tmp_path_factory.mktemp("difficulty") / "p.vd")
    files = {f"k{i:02d}": encoded(picture(i, (32, 32)), "PNG") for i in range(60)}
    files |= {"same": files["k00"], "clash": files["k01"], "bad": b"\xff\xd8\xff broken", "none": files["k02"]}
    fields = {key: {"label": ("a", "b")[i % 2]} for i, key in enumerate(files)}
    fields |= {"same": {"label": "a"}, "clash": {"label": "a"}, "none": {}}
    pool.ingest(Given(files, fields))
    return pool


def test_what_is_said_of_a_pool(pool: Pool) -> None:
    asked = Difficulty(k=5, size=8, m=40)
    (found,) = asked.measure(pool)
    assert (found.rows, found.drawn, found.duplicates, found.unreadable, found.classes) == (62, 62, 2, 0, 2)
    assert found.setup.n == 60
    assert found.setup.m == 40
    keys = [pool.take(group, ["key"])["key"].to_pylist() for group in found.conflicts]
    assert [sorted(group) for group in keys] == [["clash", "k01"]]
    assert found.highest == float("inf")
    assert np.isfinite(found.sharpness.highest)
    assert not set(found.pairs.ravel()) & set(found.conflicts[0])
    labels = pool.take(found.pairs.ravel(), ["label"])["label"].to_pylist()
    assert all(a != b for a, b in zip(labels[::2], labels[1::2], strict=True))
    assert found.images_to_halve == pytest.approx(62 * 2**found.dimension.value)
    assert found.loss_after(2**found.dimension.value) == pytest.approx(0.5)
    assert found.length == pytest.approx(2 / 255 * np.sqrt(8 * 8 * 3))
    assert Difficulty(k=5, size=8, m=40).measure(pool)[0].dimension.value == found.dimension.value


def test_the_report_shows_the_pairs_and_says_what_was_measured(pool: Pool) -> None:
    report = Difficulty(k=5, size=8).judge(pool)
    told = json.loads(report.to_json())
    (found,) = told["facts"]["found"]
    assert found["setup"]["space"] == "pixels, 8 x 8 x 3, in [0, 1]"
    assert found["sharpness"]["highest"] is None
    page = report.to_html()
    assert page.count("data:image/jpeg") >= 10
    assert "no function can tell them apart" in page
    assert "clash" in page


def test_pools_are_compared_on_equal_rows_and_other_set_ups_are_refused(pool: Pool, tmp_path: Path) -> None:
    other = veduta.create(tmp_path / "few.vd")
    other.ingest(
        Given(
            {f"{i}": encoded(picture(i, (32, 32)), "PNG") for i in range(40)},
            {f"{i}": {"label": "xy"[i % 2]} for i in range(40)},
        )
    )
    asked = Difficulty(k=5, size=8, against=[str(other.path)])
    mine, theirs = asked.measure(pool)
    assert mine.setup == theirs.setup
    assert mine.setup.n == 40
    assert {one.name for one in compared([mine, theirs])} == {str(pool.path), str(other.path)}
    assert "hardest first" in asked.judge(pool).to_html()
    for name, value in (("n", 41), ("k", 6), ("m", 3), ("space", "pixels, 9 x 9 x 3, in [0, 1]")):
        strange = replace(theirs, setup=replace(theirs.setup, **{name: value}))
        with pytest.raises(BadInput, match=f"cannot be compared: {name} is"):
            compared([mine, strange])


def test_the_representation_of_a_run_and_of_one_of_its_layers(pool: Pool) -> None:
    run = Classify(model="conv_small", steps=2, batch=8, size=16, validation=0).learn(pool)
    asked = {"k": 5, "size": 16, "model": f"run:{run.path}"}
    (whole,) = Difficulty(**asked).measure(pool)
    (layer,) = Difficulty(**asked, layer="body.8").measure(pool)
    assert whole.represented is not None
    assert layer.represented is not None
    assert whole.represented.n == 60
    assert whole.represented.value != layer.represented.value
    encoder = TrainedRun(str(run.path), {})
    images = np.random.default_rng(0).integers(0, 256, (70, 16, 16, 3), dtype=np.uint8)
    network, preprocess = restore(Path(run.path)).parts["network"], run.about["preprocess"]
    pixels = (images / 255 - np.array(preprocess["mean"])) / np.array(preprocess["std"])
    with torch.inference_mode():
        truth = network.body[:9](torch.from_numpy(pixels).float().permute(0, 3, 1, 2)).numpy()
    assert np.allclose(np.concatenate(list(encoder.activations(images, "body.8"))), truth, atol=1e-4)
    with pytest.raises(BadInput, match="cannot be compared: layer"):
        compared([whole, layer])
    with pytest.raises(EncoderError, match="no layer 'head'"):
        Difficulty(**asked, layer="head").measure(pool)
    with pytest.raises(BadInput, match="--model run:FOLDER"):
        Difficulty(k=5, layer="body.8").measure(pool)


def test_bad_input_gets_one_sentence(pool: Pool) -> None:
    with pytest.raises(NothingToDo, match="needs 100 different rows, got"):
        Difficulty(size=8).measure(pool)
    with pytest.raises(NothingToDo, match="images of two labels"):
        Difficulty(k=5, where="label = 'a'").measure(pool)
    with pytest.raises(BadInput, match="one label a row"):
        Difficulty(k=5, target="captions").measure(pool)
    with pytest.raises(BadInput, match="not vectors"):
        Difficulty(k=5, column="label").measure(pool)
