"""domain-shift against plain loops: recalls by class, the fall, the probe, and who is blamed."""

from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pytest
from sklearn.metrics import recall_score
from sklearn.model_selection import cross_val_score
from sklearn.svm import LinearSVC

import veduta
from items import Given
from pictures import encoded, picture
from veduta.annotate.classes import CLASSES
from veduta.errors import BadInput, NothingToDo, VedutaError
from veduta.judge.domain_shift import DomainShift, probe
from veduta.pool import Pool

NAMES = ["bird", "cup", "dog", "sofa", "tree", "fish", "lamp"]


def made(
    path, truth: list[str | None], told: list[int], vectors: np.ndarray, groups: list | None = None, names=NAMES
) -> Pool:
    """A pool with labels, scores that put `told` first, and vectors, as operations would have written them."""
    pool = veduta.create(path)
    n = len(truth)
    content = {f"k{i:03d}": encoded(picture(i % 5, (40, 40)), "PNG") for i in range(n)}
    rows = {f"k{i:03d}": {"label": label, "variant_of": groups[i] if groups else None} for i, label in enumerate(truth)}
    pool.ingest(Given(content, rows, variant_of=pa.string()))
    scores = np.random.default_rng(0).random((n, len(names)), np.float32)
    scores[np.arange(n), told] += 2
    schema = pa.schema([
        pa.field("scores", pa.list_(pa.float32(), len(names)), metadata={CLASSES: json.dumps(names).encode()}),
        pa.field("embedding", pa.list_(pa.float32(), vectors.shape[1])),
    ])  # fmt: skip
    pool.define(schema)
    arrays = [
        pa.FixedSizeListArray.from_arrays(pa.array(v.astype(np.float32).ravel()), v.shape[1]) for v in (scores, vectors)
    ]
    pool.fill(pa.Table.from_arrays(arrays, schema=schema), [f.fragment_id for f in pool.dataset.get_fragments()])
    return pool


def drawn(seed: int, n: int, right: float, apart: float):
    """Labels, predictions right with a probability, and vectors whose classes lie `apart`."""
    rng = np.random.default_rng(seed)
    truth = np.arange(n) % 6  # no lamp
    told = np.where(rng.random(n) < right, truth, rng.integers(0, len(NAMES), n))
    centres = rng.normal(size=(6, 8))
    return [NAMES[t] for t in truth], told.tolist(), centres[truth] * apart + rng.normal(size=(n, 8))


@pytest.fixture
def pools(tmp_path):
    return made(tmp_path / "own.vd", *drawn(0, 60, 0.3, 5)), made(tmp_path / "ref.vd", *drawn(1, 60, 0.95, 5))


def ask(reference: Pool, **options) -> DomainShift:
    return DomainShift(**{"reference": str(reference.path), "target": "label", "scores": "scores", **options})


def test_recalls_are_those_of_scikit_learn(pools):
    own, ref = pools
    found = ask(ref).measure(own)
    for pool, judged, recall in ((own, found.own, found.own_recall), (ref, found.reference, found.reference_recall)):
        labels = pool.table(["label"])["label"].to_pylist()
        told = [NAMES[i] for i in judged.predicted]
        want = recall_score(labels, told, labels=NAMES[:6], average=None)
        assert [found.own.names[c] for c in found.classes] == NAMES[:6]
        np.testing.assert_allclose(recall, want)
    assert found.drop == pytest.approx((found.reference_recall - found.own_recall).mean())
    assert found.low < found.drop < found.high
    assert found.sides == (40, 40)


def test_the_interval_covers_the_truth_about_as_often_as_it_says():
    from veduta.judge.intervals import bootstrap

    rng = np.random.default_rng(0)
    hits = 0
    for _ in range(100):
        falls = rng.normal(0.3, 0.2, 60)
        low, high = bootstrap(lambda rows, falls=falls: float(falls[rows].mean()), 60, rng, 300)
        hits += low <= 0.3 <= high
    assert 86 <= hits <= 100


def test_who_is_blamed(tmp_path, pools):
    own, ref = pools
    found = ask(ref).measure(own)
    assert found.blame == "decision"
    assert found.probe.accuracy > 0.9
    noise = made(tmp_path / "noise.vd", *drawn(2, 60, 0.2, 0.0))
    assert ask(ref).measure(noise).blame == "labels"
    assert ask(own, embedding="embedding").measure(own).blame == "nothing"
    assert ask(ref, embedding="none").measure(own).blame == "unknown"
    vectors = np.random.default_rng(0).normal(size=(10, 4))
    mixed = made(tmp_path / "mixed.vd", ["bird", "cup"] * 5, [0, 3] * 5, vectors)
    right = made(tmp_path / "right.vd", ["bird", "cup"], [0, 1], vectors[:2])
    wide = ask(right).judge(mixed)  # one class falls by nothing, the other by all: from so few nothing follows
    assert wide.facts["blame"] == "undecided"
    assert "cannot be told from so few classes" in wide.verdict
    page = ask(ref).judge(own)
    assert "classifier's decision does not carry over" in page.verdict
    assert page.facts["blame"] == "decision"
    html = page.to_html()
    assert "The widest falls" in html
    json.loads(page.to_json())
    assert "Labels or features are to blame" in ask(ref).judge(noise).verdict
    assert "no shift worth the name" in ask(own).judge(own).verdict


def test_the_probe_is_near_scikit_learns():
    labels, _, vectors = drawn(3, 240, 0.5, 0.8)
    found, _ = probe(vectors.astype(np.float32), labels, [None] * 240, 5, np.random.default_rng(0), "label")
    x = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    best = max(cross_val_score(LinearSVC(C=c, max_iter=20000), x, labels, cv=5).mean() for c in (0.1, 1, 10))
    assert found.accuracy == pytest.approx(best, abs=0.05)
    assert found.majority == pytest.approx(1 / 6)
    assert (found.rows, found.classes) == (240, 6)


def test_variants_of_one_product_stay_in_one_fold():
    """Twins of random labels: across folds a probe knows them, within one it knows nothing."""
    rng = np.random.default_rng(0)
    half, labels = rng.normal(size=(60, 40)), rng.choice(["a", "b"], 60)
    vectors = np.repeat(half, 2, axis=0).astype(np.float32)
    said = np.repeat(labels, 2).tolist()
    apart, _ = probe(vectors, said, [None] * 120, 5, np.random.default_rng(0), "label")
    together, _ = probe(vectors, said, np.repeat(np.arange(60), 2).tolist(), 5, np.random.default_rng(0), "label")
    assert apart.accuracy > 0.85
    assert together.accuracy < 0.7


def test_ids_of_wordnet_are_classes_of_imagenet(tmp_path):
    from veduta.encode.vocabulary import imagenet_names

    names = list(imagenet_names())
    cranes = [names.index("crane bird"), names.index("construction crane")]
    pool = made(tmp_path / "p.vd", ["n02012849", "n03126707", "crane"], [*cranes, 0], np.ones((3, 4)), names=names)
    found = ask(pool).measure(pool)
    assert found.classes.tolist() == sorted(cranes)
    assert found.own_recall.tolist() == [1, 1]
    assert found.own.unknown == {"crane": 1}  # names two classes, so it names none


def test_wrong_use_gets_a_sentence(tmp_path, pools):
    own, ref = pools
    with pytest.raises(VedutaError, match="no\\.vd"):
        DomainShift(reference="no.vd", target="label", scores="scores").measure(own)
    other = made(tmp_path / "o.vd", ["bird"], [0], np.ones((1, 4)), names=[*NAMES[:-1], "whale"])
    with pytest.raises(BadInput, match="predict with the same model in both"):
        ask(other).measure(own)
    lonely = made(tmp_path / "l.vd", ["lamp"] * 3, [6] * 3, np.ones((3, 4)))
    with pytest.raises(NothingToDo, match="no class has 1 rows in both pools"):
        ask(lonely).measure(own)
    with pytest.raises(NothingToDo, match="no class has 11 rows"):
        ask(ref, min_per_class=11).measure(own)
    assert "needs two" in ask(lonely).measure(lonely).unprobed
