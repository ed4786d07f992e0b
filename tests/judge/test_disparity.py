from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from scipy.stats import permutation_test

import veduta
from items import Given
from pictures import encoded, picture
from predicted import Predicted
from veduta.annotate.embed import Embed
from veduta.errors import BadInput, MissingColumn, NothingToDo
from veduta.judge.disparity import Disparity, disparity


def outcomes(sizes: dict[str, int], shares: dict[str, float], seed: int = 0) -> tuple[np.ndarray, list[str | None]]:
    rng = np.random.default_rng(seed)
    groups: list[str | None] = [name for name, n in sizes.items() for _ in range(n)]
    values = np.concatenate([rng.random(n) < shares[name] for name, n in sizes.items()])
    order = rng.permutation(len(groups))
    return values[order], [groups[i] for i in order]


def test_values_are_those_of_a_metric_frame():
    values, groups = outcomes({"a": 80, "b": 50, "c": 40, "tiny": 5}, {"a": 0.9, "b": 0.6, "c": 0.75, "tiny": 0.0})
    groups[3] = groups[9] = None
    found = disparity(values, groups)
    by_group = {}  # fairlearn: MetricFrame.by_group is the metric of the rows of each group
    for name in ("a", "b", "c", "tiny"):
        own = [bool(value) for value, group in zip(values, groups, strict=True) if group == name]
        by_group[name] = sum(own) / len(own)
    assert {own.group: own.value for own in found.groups} == pytest.approx(by_group)
    large = {name: value for name, value in by_group.items() if name != "tiny"}
    # group_min, group_max, difference(between_groups) = max - min, ratio = min / max, all without the tiny group
    assert (found.worst, found.best) == (min(large, key=large.get), max(large, key=large.get)) == ("b", "a")
    assert found.gap == pytest.approx(max(large.values()) - min(large.values()))
    assert found.relative == pytest.approx(1 - min(large.values()) / max(large.values()))
    assert found.ungrouped == 2
    known = [float(v) for v, g in zip(values, groups, strict=True) if g is not None]
    assert found.overall == pytest.approx(np.mean(known))
    assert found.groups[0].group == "tiny"  # shown, and first, but never the worst
    assert not found.groups[0].compared
    assert found.groups[0].low == 0 < found.groups[0].high < 0.6
    assert found == disparity(values, groups)
    loose = disparity(values, groups, least=1)
    assert loose.worst == "tiny"


def test_intervals_and_chance_agree_with_theory():
    values, groups = outcomes({"a": 300, "b": 200}, {"a": 0.8, "b": 0.7}, seed=4)
    found = disparity(values, groups, np.random.default_rng(1))
    p = {own.group: own.value for own in found.groups}
    spread = 1.96 * np.sqrt(p["a"] * (1 - p["a"]) / 300 + p["b"] * (1 - p["b"]) / 200)
    assert (found.low, found.high) == (
        pytest.approx(found.gap - spread, abs=0.015),
        pytest.approx(found.gap + spread, abs=0.015),
    )
    for numbers in (values.astype(float), values + np.random.default_rng(2).normal(0, 0.1, 500)):
        a, b = (numbers[[g == name for g in groups]] for name in "ab")
        known = permutation_test(
            (a, b), lambda x, y: abs(x.mean() - y.mean()), n_resamples=2000, alternative="greater", rng=0
        )  # fmt: skip
        assert disparity(numbers, groups).chance == pytest.approx(known.pvalue, abs=0.03)


def test_chance_pays_for_picking_the_extremes():
    """Without any difference, p < 0.05 about one time in twenty, although the gap of twelve groups is always wide."""
    rare, gaps = 0, []
    sizes = {f"g{i}": 40 for i in range(12)}
    for seed in range(60):
        found = disparity(*outcomes(sizes, dict.fromkeys(sizes, 0.7), seed))
        rare += found.chance < 0.05
        gaps.append(found.gap)
    assert min(gaps) > 0.09
    assert rare <= 8


def test_a_reference_measures_a_shift():
    shares = {"home": 0.8, "near": 0.9, "far": 0.4}
    values, groups = outcomes(dict.fromkeys(shares, 100), shares)
    found = disparity(values, groups, reference="home")
    value = {own.group: own.value for own in found.groups}
    assert (found.best, found.worst) == ("home", "far")
    assert found.gap == pytest.approx(value["home"] - value["far"])
    assert found.chance < 0.01
    only = np.array([g != "far" for g in groups])
    better = disparity(values[only], [g for g in groups if g != "far"], reference="home")
    assert better.gap < 0
    assert "more than 'home'" in better.note
    assert better.chance > 0.5


def test_too_little_to_compare_and_wrong_shapes():
    values, groups = outcomes({"a": 40, "b": 29}, {"a": 0.9, "b": 0.1})
    found = disparity(values, groups)
    assert found.worst is None
    assert np.isnan(found.gap)
    assert "nothing can be compared" in found.note
    assert disparity(np.empty(0), []).groups == ()
    assert disparity(np.zeros(80), ["a"] * 40 + ["b"] * 40).chance == 1
    with pytest.raises(BadInput, match="same rows"):
        disparity(values, groups[:-1])
    with pytest.raises(BadInput, match="finite"):
        disparity(np.full(2, np.nan), ["a", "b"])
    with pytest.raises(BadInput, match="at most 2,000 different values, got 2,001"):
        disparity(np.zeros(2001), list(range(2001)))
    with pytest.raises(BadInput, match="must be one of the groups"):
        disparity(values, groups, reference="z")


NAMES = ["cat", "dog"]


@pytest.fixture(scope="module")
def path(tmp_path_factory) -> Path:
    """150 tiny pictures in three regions (and some in none); predictions are worst in the region 'south'."""
    rng = np.random.default_rng(0)
    files, fields, logits = {}, {}, []
    region = ["north", "south", "west", None, "isle"]
    for i in range(150):
        where = region[min(i % 3 if i < 140 else 3 + i % 2, 4)]
        files[f"{i:03d}"] = encoded(picture(i % 50, (32, 32)), "PNG")
        fields[f"{i:03d}"] = {"label": NAMES[i % 2] if i else "fish", "region": where, "score": float(rng.normal(0, 1))}
        right = rng.random() < {"north": 0.95, "south": 0.5}.get(str(where), 0.8)
        hot = i % 2 if right else 1 - i % 2
        logits.append([2.0 * (hot == 0), 2.0 * (hot == 1)] if i != 1 else None)
    made = veduta.create(tmp_path_factory.mktemp("disparity") / "p.vd")
    made.ingest(Given(files, fields, region=pa.string(), score=pa.float32()), annotators=[Embed()])
    made.annotate(Predicted(classes=NAMES, logits=logits))
    return Path(made.path)


def test_accuracy_by_group_on_a_pool(path: Path, tmp_path: Path):
    pool = veduta.open(path)
    asked = Disparity(groups=["region"])
    audit = asked.measure(pool)
    table = audit.tables["accuracy", "region"]
    rows = pool.table(["label", "predicted", "region"]).to_pylist()
    for own in table.groups:
        mine = [row for row in rows if row["region"] == own.group and row["predicted"] and row["label"] != "fish"]
        assert own.n == len(mine)
        assert own.value == pytest.approx(np.mean([row["label"] == row["predicted"] for row in mine]))
    assert (table.worst, table.best) == ("south", "north")
    assert table.chance < 0.01
    assert not next(own for own in table.groups if own.group == "isle").compared
    assert any("not a class of the model ('fish')" in note for note in audit.notes)
    assert any("1 rows have a label and no prediction" in note for note in audit.notes)
    page = asked.judge(pool)
    html = page.save(tmp_path, "disparity").read_text("utf-8")
    facts = json.loads((tmp_path / "disparity.json").read_text("utf-8"))["facts"]
    assert facts["tables"][0]["worst"] == "south"
    assert facts["tables"][0]["gap"] == pytest.approx(table.gap)
    assert "data:image/png" in html
    assert "data:image/jpeg" in html  # images on which the worst group fails
    assert page.to_json() == asked.judge(pool).to_json()
    likeliest = Disparity(groups=["region"], metrics=["accuracy", "hit@2"]).measure(pool)
    assert likeliest.tables["accuracy", "region"] == table
    assert (likeliest.outcomes["hit@2"] == 1).all()
    bare = Disparity(groups=["region"], prediction="label").measure(pool)  # a column of classes without logits
    assert (bare.outcomes["accuracy"] == 1).all()
    assert len(bare.rows) == 150


def test_retrieval_by_group(path: Path):
    pool = veduta.open(path)
    asked = Disparity(
        groups=["region"], embedding="embedding", metrics=["hit@1", "precision@3"], where="label != 'fish'"
    )
    audit = asked.measure(pool)
    x, rows = pool.vectors("embedding", where="label != 'fish'")
    labels = pool.take(rows, ["label"]).column(0).to_pylist()
    np.testing.assert_array_equal(audit.rows, rows)
    for i in range(0, len(rows), 10):
        cosines = x @ x[i]
        cosines[i] = -np.inf
        best = np.argsort(-cosines, kind="stable")[:3]
        hits = [labels[j] == labels[i] for j in best]
        assert audit.outcomes["hit@1"][i] == hits[0]
        assert audit.outcomes["precision@3"][i] == pytest.approx(sum(hits) / 3)
    lonely = Disparity(groups=["region"], embedding="embedding").measure(pool)
    assert len(lonely.rows) == 149
    assert "only ones" in lonely.notes[0]


def test_any_number_may_be_the_outcome(path: Path):
    pool = veduta.open(path)
    audit = Disparity(groups=["region", "label"], outcome="score").measure(pool)
    own = next(o for o in audit.tables["score", "region"].groups if o.group == "west")
    scores = [r["score"] for r in pool.table(["score", "region"]).to_pylist() if r["region"] == "west"]
    assert own.value == pytest.approx(np.mean(scores))
    half = 1.96 * np.std(scores) / np.sqrt(len(scores))
    assert (own.low, own.high) == (pytest.approx(own.value - half, abs=0.08), pytest.approx(own.value + half, abs=0.08))
    assert "of 2 comparisons" in Disparity(groups=["region", "label"], outcome="score").judge(pool).to_json()
    few = Disparity(groups=["region"], outcome="score", where="region = 'isle'").judge(pool)
    assert "nothing can be compared" in few.verdict


def test_wrong_use_gets_one_sentence(path: Path):
    pool = veduta.open(path)
    for wrong, kind, words in (
        ({"groups": ["continent"]}, MissingColumn, "--groups"),
        ({"groups": ["score"]}, BadInput, "strings, integers or yes/no"),
        ({"prediction": "told"}, MissingColumn, "annotate predict POOL --model RUN"),
        ({"prediction": "told", "metrics": ["hit@5"]}, MissingColumn, "annotate predict POOL --model RUN"),
        ({"metrics": ["hit@0"]}, BadInput, "got 'hit@0'"),
        ({"metrics": ["precision@5"]}, BadInput, "--embedding"),
        ({"metrics": ["accuracy"], "embedding": "embedding"}, BadInput, "of predictions"),
        ({"embedding": "label"}, BadInput, "not vectors"),
        ({"outcome": "label"}, BadInput, "numbers or yes/no"),
        ({"outcome": "score", "metrics": ["accuracy"]}, BadInput, "leave metrics out"),
        ({"outcome": "score", "embedding": "embedding"}, BadInput, "leave one of them out"),
        ({"groups": ["region", "label"], "reference": "north"}, BadInput, "one group column"),
        ({"reference": "east"}, BadInput, "must be one of the groups"),
        ({"where": "key = '001'"}, NothingToDo, "none of the rows where"),
    ):
        with pytest.raises(kind, match=words):
            Disparity(**{"groups": ["region"], **wrong}).judge(pool)
    with pytest.raises(BadInput, match="needs the parameter 'groups'"):
        Disparity()
