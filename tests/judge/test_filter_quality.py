"""Filter quality: its statistics against references, its arms, and what it leaves out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from scipy import stats
from sklearn.metrics import roc_auc_score

import veduta
from items import Given
from learn.shapes import COLOURS, shape
from pictures import encoded
from veduta.annotate.embed import Embed
from veduta.errors import BadInput, NothingToDo, SpaceMismatch
from veduta.judge import filter_quality, induced
from veduta.judge.filter_quality import FilterQuality
from veduta.judge.intervals import over_draws
from veduta.judge.planted import auroc, auroc_of, plant
from veduta.learn.pairs import Pairs
from veduta.learn.run import Run
from veduta.pool import Pool, View

SMALL: dict[str, Any] = {"seeds": 2, "samples": 64, "keep": 0.25}


def caption(number: int) -> str:
    return f"a {COLOURS[number // 2 % 4]} {('disc', 'cross')[number % 2]}"


def shapes(path: Path, numbers: range, *, wrong: float = 0.0, test: bool = False) -> Pool:
    """Shapes of which a share has the caption of another colour and shape; `right` says which have their own."""
    rng, content, fields = np.random.default_rng(0), {}, {}
    for i in numbers:
        right = bool(rng.random() >= wrong)
        content[f"s{i:04d}"] = encoded(shape(i), "PNG")
        fields[f"s{i:04d}"] = {
            "captions": [caption(i if right else i + int(rng.integers(1, 8)))], "right": right, "split": "test" if test else None,
        }  # fmt: skip
    pool = veduta.create(path)
    pool.ingest(Given(content, fields, right=pa.bool_()), annotators=[Embed()])
    return pool


@pytest.fixture(scope="module")
def noisy(tmp_path_factory: pytest.TempPathFactory) -> Pool:
    return shapes(tmp_path_factory.mktemp("filter") / "noisy.vd", range(200), wrong=0.5)


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Pool:
    return shapes(tmp_path_factory.mktemp("filter") / "clean.vd", range(1000, 1040))


@pytest.fixture(scope="module")
def trusted(tmp_path_factory: pytest.TempPathFactory) -> Run:
    pool = shapes(tmp_path_factory.mktemp("filter") / "trusted.vd", range(2000, 2120))
    return Pairs(steps=120, batch=32, dim=16, hidden=32, lr=3e-3).learn(pool, name="filter")


def test_auroc_is_sklearns_with_ties() -> None:
    rng = np.random.default_rng(0)
    scores = rng.integers(0, 12, 300).astype(np.float32)
    wrong = rng.random(300) < 0.3
    assert auroc_of(scores, wrong) == pytest.approx(roc_auc_score(~wrong, scores))
    scores[:5] = np.nan
    assert auroc_of(scores, wrong) == pytest.approx(roc_auc_score(~wrong[5:], scores[5:]))
    assert np.isnan(auroc(scores[:0], scores[5:]))


def test_mismatches_are_one_cycle_and_equal_texts_are_none() -> None:
    gets, wrong = plant(list(range(40)), 0.5, np.random.default_rng(1))
    assert wrong.sum() == 20
    assert (gets[wrong] != np.flatnonzero(wrong)).all()
    assert sorted(gets.tolist()) == list(range(40))
    again, _ = plant(list(range(40)), 0.5, np.random.default_rng(1))
    assert np.array_equal(gets, again)
    assert not plant(["same"] * 10, 1.0, np.random.default_rng(0))[1].any()
    assert not plant(["one"], 0.9, np.random.default_rng(0))[1].any()


def test_the_interval_over_seeds_is_students() -> None:
    values = [0.2, 0.25, 0.31, 0.22]
    low, high = stats.t.interval(0.95, 3, loc=np.mean(values), scale=stats.sem(values))
    assert over_draws(values) == pytest.approx((low, high))
    assert np.isnan(over_draws([0.5])).all()


def test_all_arms_see_as_many_pairs(noisy: Pool, clean: Pool, trusted: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """A trainer that tells how many of its rows are right, in the place of one that trains."""
    right = np.array(noisy.table(["right"]).column(0).to_pylist())
    asked: dict[str, Any] = {}
    rows_seen = []

    def fake(pool: View, features: str, text: str, texts: list[list[str]], *, batch: int, steps: int) -> Any:
        asked.update(batch=batch, steps=steps)

        def train(rows: np.ndarray, seed: int, test: induced.TestPairs) -> induced.Embedded:
            rows_seen.append((seed, np.sort(rows)))
            found = np.eye(len(test.texts), dtype=np.float32)
            return found, found

        return train

    monkeypatch.setattr(filter_quality.induced, "trainer", fake)
    judge = FilterQuality(encoder=trusted.encoder, test=str(clean.path), truth="right", seeds=3, keep=0.2, samples=4000)
    found = judge.measure(noisy)
    assert (found.batch, found.steps) == (40, 100)
    assert [len(arm.rows) for arm in found.arms] == [40, 40, 200]
    assert [arm.passes for arm in found.arms] == [100, 100, 20]
    assert [seed for seed, _ in rows_seen] == [0, 1, 2] * 3
    assert all(np.array_equal(rows, rows_seen[0][1]) for _, rows in rows_seen[:3])
    assert not np.array_equal(rows_seen[3][1], rows_seen[4][1])
    assert found.gap("random")[0] == 0
    # The filter was trained on clean pairs: what it keeps is more often right than the pool.
    assert right[found.arm("filter").rows].mean() > right.mean() + 0.2
    assert found.known is not None
    assert found.known > 0.75
    assert found.auroc > 0.75
    best = np.argsort(-found.scores, kind="stable")[:40]
    assert np.array_equal(np.sort(found.pairs.rows[best]), found.arm("filter").rows)


def test_the_report_keeps_the_three_apart(noisy: Pool, clean: Pool, trusted: Run) -> None:
    judge = FilterQuality(encoder=trusted.encoder, test=str(clean.path), truth="right", **SMALL)
    page = judge.judge(noisy)
    content = json.loads(page.to_json())
    assert "does **not** predict the first" in page.to_json()
    assert {"arms", "auroc", "own", "left out"} <= set(content["facts"])
    assert [row["trained on"] for row in content["facts"]["arms"]] == [
        "what the filter keeps", "as many at random", "the whole pool",
    ]  # fmt: skip
    assert "R@5" in content["verdict"]
    assert page.to_html() == judge.judge(noisy).to_html()


def test_what_the_filter_was_trained_on_counts_on_neither_side(noisy: Pool) -> None:
    own = Pairs(steps=2, batch=16, dim=8, hidden=8, validation=0).learn(noisy, where="key < 's0100'", name="own")
    found = FilterQuality(encoder=own.encoder, **SMALL).measure(noisy)
    assert found.facts["left out"]["pool: images that the filter was trained on"] == 100
    assert min(found.pairs.rows.min(), found.test.rows.min()) >= 100
    assert len(found.test.rows) == 20
    assert "held out at random" in found.facts["test"]


def test_images_that_are_tested_are_not_chosen(noisy: Pool, trusted: Run, tmp_path: Path) -> None:
    again = shapes(tmp_path / "again.vd", range(180, 220), test=True)
    found = FilterQuality(encoder=trusted.encoder, test=str(again.path), **SMALL).measure(noisy)
    assert found.facts["left out"]["pool: images that are test images too"] == 20
    assert len(found.pairs.rows) == 180
    assert "the split test" in found.facts["test"]


def test_induced_models_learn_what_right_pairs_say(noisy: Pool, clean: Pool) -> None:
    """From right pairs alone fresh heads learn colour and shape; from wrong ones alone they do not."""
    right = np.array(noisy.table(["right"]).column(0).to_pylist())
    texts = [[own[0]] for own in noisy.table(["captions"]).column(0).to_pylist()]
    features, rows = clean.vectors("embedding")
    said = [[caption(1000 + i)] for i in range(40)]
    groups = np.array([(1000 + i) % 8 for i in range(40)])
    test = induced.TestPairs(features, said, groups)
    train = induced.trainer(noisy, "embedding", "captions", texts, batch=32, steps=60)

    def first(of: np.ndarray) -> float:
        u, v = train(np.flatnonzero(of), 0, test)
        return float((groups[(u @ v.T).argmax(1)] == groups).mean())

    assert len(rows) == 40
    assert first(right) > first(~right) + 0.2


def test_an_encoder_without_training_of_ours_is_a_filter_too(noisy: Pool, clean: Pool) -> None:
    page = FilterQuality(test=str(clean.path), **SMALL).judge(noisy)
    assert "What this encoder was trained on is not known" in page.to_json()


def test_wrong_use_gets_one_sentence(noisy: Pool, clean: Pool, trusted: Run, tmp_path: Path) -> None:
    for settings, error, words in (
        ({"truth": "captions"}, BadInput, "must be a column of booleans"),
        ({"keep": 0.001, "test": str(clean.path)}, NothingToDo, "needs two pairs to keep"),
        ({"embedding": "embedding_text"}, SpaceMismatch, "nor in the space of 'offline'"),
        ({"features": "nothing"}, Exception, "nothing"),
        ({"test": str(tmp_path / "none.vd")}, Exception, "does not exist"),
    ):
        with pytest.raises(error, match=words) as caught:
            FilterQuality(**{"encoder": trusted.encoder, **settings}).judge(noisy)
        assert "\n" not in str(caught.value)
